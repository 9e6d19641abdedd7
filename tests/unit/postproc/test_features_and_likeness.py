"""Finest features are told in true widths; likeness survives rolling and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from postproc.features import finest_feature, knocked_out
from postproc.lattice import HALF_DROP, LATTICES, STRAIGHT, window
from postproc.likeness import CELLS, distance, fingerprint, nearest_figure
from postproc.upscale import lanczos
from schemas.errors import Rejected

DOWN, ACROSS = np.mgrid[0:128, 0:128]


@pytest.mark.parametrize("width_px", [2, 4, 5, 8, 12])
def test_upright_and_diagonal_lines_count_by_their_true_width(width_px: int) -> None:
    """A line's width is found within a pixel, whichever way it runs."""
    upright = np.zeros((128, 128), np.uint8)
    upright[:, 40 : 40 + width_px] = 1
    away = np.abs((ACROSS + DOWN) % 128 - 64) / 2**0.5
    diagonal = (away <= width_px / 2).astype(np.uint8)
    assert finest_feature(upright, 2, STRAIGHT).width_px == width_px
    assert abs(finest_feature(diagonal, 2, STRAIGHT).width_px - width_px) <= 1


def test_a_gap_is_a_line_of_the_ground() -> None:
    """A thin gap between two areas is found in the ink that shows through."""
    index_map = np.ones((128, 128), np.uint8)
    index_map[:, 60:63] = 0
    feature = finest_feature(index_map, 2, STRAIGHT)
    assert (feature.ink, feature.width_px) == (0, 3)


def test_a_line_on_the_wrap_is_as_wide_as_both_its_halves() -> None:
    """Two pixels on either side of the join are one line of four."""
    index_map = np.zeros((128, 128), np.uint8)
    index_map[:, :2] = index_map[:, -2:] = 1
    assert finest_feature(index_map, 2, STRAIGHT).width_px == 4


def test_plates_without_a_trap_cover_everything_once() -> None:
    """Knocked-out plates meet edge to edge: their sum is one ink everywhere."""
    index_map = np.random.default_rng(0).integers(0, 4, (32, 32), dtype=np.uint8)
    plates = [knocked_out(index_map, ink, HALF_DROP, trap_px=0) for ink in range(4)]
    assert np.array_equal(np.sum(plates, axis=0), np.ones((32, 32)))


def test_a_trap_reaches_under_later_inks_alone() -> None:
    """A plate grows by the trap where a later ink will cover it, and nowhere else."""
    index_map = np.zeros((32, 32), np.uint8)
    index_map[:, 10:20] = 1
    ground = knocked_out(index_map, 0, STRAIGHT, trap_px=3)
    later = knocked_out(index_map, 1, STRAIGHT, trap_px=3)
    assert np.array_equal(np.flatnonzero(~ground[0]), np.arange(13, 17))
    assert np.array_equal(np.flatnonzero(later[0]), np.arange(10, 20))


@pytest.mark.parametrize("lattice", LATTICES.values(), ids=lambda lattice: lattice.name)
def test_likeness_survives_rolling_enlarging_and_noise(periodic: Any, lattice: Any) -> None:
    """Wherever the cloth is cut, however large or grainy, it is the same pattern."""
    tile = periodic(lattice, seed=1, side_px=128)
    own = fingerprint(tile, lattice)
    moved = window(tile, lattice, left=37, top=91, width=128, height=128)
    large = lanczos(tile, lattice, width_px=512, height_px=512)
    noise = np.random.default_rng(0).normal(0, 4, tile.shape)
    grainy = np.clip(tile + noise, 0, 255).astype(np.uint8)
    for copy in (moved, large, grainy):
        assert distance(own, fingerprint(copy, lattice)) < 0.2


def test_strangers_are_far_apart(periodic: Any) -> None:
    """Other art is farther than any copy."""
    prints = [fingerprint(periodic(STRAIGHT, seed=n, side_px=128), STRAIGHT) for n in range(8)]
    apart = [distance(one, other) for k, one in enumerate(prints) for other in prints[:k]]
    assert min(apart) > 0.3


def test_the_nearest_is_named_and_never_refused(periodic: Any) -> None:
    """A twin is reported by name, in the artefact too, with its distance; the figure passes."""
    own = fingerprint(periodic(STRAIGHT, seed=1), STRAIGHT)
    other = fingerprint(periodic(STRAIGHT, seed=2), STRAIGHT)
    figure = nearest_figure(own, [("a.1", other), ("b.2", own)])
    assert (figure.where, figure.figure, figure.passed) == ("b.2", 0.0, True)
    assert figure.artefact == "tile:b.2"
    assert nearest_figure(own, []).figure == 1.0


def test_flat_tiles_are_alike_and_finite() -> None:
    """A tile without any wave has a fingerprint too."""
    blank = fingerprint(np.full((32, 32, 3), 200, np.uint8), STRAIGHT)
    assert distance(blank, blank) == 0.0


def test_foreign_fingerprints_are_refused() -> None:
    """Another kind of hash names the limit instead of comparing apples with pears."""
    with pytest.raises(Rejected) as caught:
        distance("ab" * 4, "cd" * 4)
    assert caught.value.limit == f"{CELLS} hexadecimal digits"
