"""Whatever repeats passes every recipe in every lattice; whatever was cut from a picture fails.

Photographs are stood in for by what they share: colour fields whose strength falls with frequency
as 1/f (Field, 1987), cut out of something larger, so that opposite edges have nothing in common.
Real ones are in `test_photographs`.

The gate is a statistic, so examples are the same in every run. Over 750 cuts of 64 px three were
let through; over 2,400 tiles that repeat one was refused, for a line one pixel wide on its border.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.finish import Order, finish, repeat_of
from postproc.gates import tile_gates
from postproc.lattice import LATTICES, expand_to_straight, parse_lattice
from postproc.recipe import shipped_recipe, shipped_recipes
from schemas.errors import Rejected

SLOW = {"textile-digital-full", "wallpaper", "print-on-demand"}
"""Recipes that draw a scene: a smaller share of the examples."""
LATTICE = st.sampled_from(list(LATTICES))
SEED = st.integers(0, 10_000)


def photograph(seed: int, side_px: int = 160) -> Any:
    """An 8-bit RGB field with a 1/f spectrum, as outdoor scenes have; periodic only as a whole."""
    generator = np.random.default_rng(seed)
    rows, columns = np.meshgrid(np.fft.fftfreq(side_px), np.fft.fftfreq(side_px), indexing="ij")
    fall = 1 / np.maximum(np.hypot(rows, columns), 1 / side_px)
    planes = []
    for _ in range(3):
        noise = np.fft.fft2(generator.standard_normal((side_px, side_px)))
        plane = np.fft.ifft2(noise * fall).real
        planes.append((plane - plane.min()) / np.ptp(plane))
    # Channels of a photograph go together.
    light = planes[0]
    mixed = np.stack([0.7 * light + 0.3 * plane for plane in planes], axis=-1)
    picture: npt.NDArray[np.uint8] = np.rint(mixed * 255).astype(np.uint8)
    return picture


@settings(max_examples=14, deadline=None, derandomize=True)
@given(
    recipe=st.sampled_from(sorted(set(shipped_recipes()) - SLOW)),
    lattice=LATTICE,
    seed=SEED,
    colours=st.integers(2, 6),
    soft=st.sampled_from([0.005, 0.02, 0.06]),
    shape=st.sampled_from([(40_000, 40_000), (64_135, 40_000)]),
)
def test_every_recipe_passes_what_repeats(
    periodic: Any, recipe: str, lattice: str, seed: int, colours: int, soft: float, shape: Any
) -> None:
    """Random tiles that repeat end with files and not one failed figure."""
    tile = periodic(LATTICES[lattice], seed=seed, side_px=64, colours=colours, soft=soft)
    done = finish(tile, shipped_recipe(recipe), Order(repeat=repeat_of(lattice, *shape)))
    assert done.artefacts
    assert [figure.sentence() for figure in done.figures if not figure.passed] == []


@settings(max_examples=3, deadline=None, derandomize=True)
@given(recipe=st.sampled_from(sorted(SLOW)), lattice=LATTICE, seed=SEED)
def test_recipes_with_scenes_pass_what_repeats(
    periodic: Any, recipe: str, lattice: str, seed: int
) -> None:
    """The same of the slower recipes, in fewer examples."""
    tile = periodic(LATTICES[lattice], seed=seed, side_px=64, colours=4)
    done = finish(tile, shipped_recipe(recipe), Order(repeat=repeat_of(lattice, 40_000, 40_000)))
    assert all(figure.passed for figure in done.figures)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    recipe=st.sampled_from(sorted(shipped_recipes())),
    lattice=LATTICE,
    seed=SEED,
    corner=st.tuples(st.integers(0, 80), st.integers(0, 80)),
)
def test_every_recipe_refuses_a_cropped_photograph(
    recipe: str, lattice: str, seed: int, corner: Any
) -> None:
    """What was cut ends as failed, by a seam figure, whichever lattice it is said to have."""
    top, left = corner
    crop = np.ascontiguousarray(photograph(seed)[top : top + 64, left : left + 72])
    with pytest.raises(Rejected) as caught:
        finish(crop, shipped_recipe(recipe), Order(repeat=repeat_of(lattice, 40_000, 40_000)))
    assert caught.value.field in {"seam_p", "seam_r2", "edge_line", "seam_local"}
    assert caught.value.outcome == "failed"


@settings(max_examples=30, deadline=None, derandomize=True)
@given(lattice=LATTICE, seed=SEED, roll=st.tuples(st.integers(0, 63), st.integers(0, 63)))
def test_where_a_tile_is_cut_does_not_matter(
    periodic: Any, lattice: str, seed: int, roll: Any
) -> None:
    """The straight unit of what repeats passes wherever its corner is put."""
    straight = expand_to_straight(periodic(LATTICES[lattice], seed=seed), LATTICES[lattice])
    rolled = np.roll(straight, roll, axis=(0, 1))
    figures = tile_gates(rolled, parse_lattice("straight"))
    assert [figure.sentence() for figure in figures if not figure.passed] == []
