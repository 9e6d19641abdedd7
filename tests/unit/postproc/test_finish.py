"""A tile and a recipe become files that agree with each other, or a refusal with its figure."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from postproc.decode import decode_picture
from postproc.files import read_back, tiff_size_um
from postproc.finish import Order, finish, print_size, repeat_of
from postproc.lattice import LATTICES, STRAIGHT
from postproc.recipe import shipped_recipe, shipped_recipes
from schemas.errors import Rejected

NEED_PDF = {"rotary-screen", "vector"}
RECIPES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name in NEED_PDF and find_spec("pikepdf") is None, reason="pikepdf is not installed"
        ),
    )
    for name in shipped_recipes()
]
TEXTILE = shipped_recipe("textile-digital")


def order(lattice: str, **changes: object) -> Order:
    size = {"width_um": 80_000, "height_um": 80_000}
    values = {"repeat": repeat_of(lattice, **size), "design": "Sea Dots", "palette_max": 8}
    return Order(**values | changes)


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_finishes_a_periodic_tile(periodic: Any, recipe: str, lattice: str) -> None:
    """In every lattice each shipped recipe passes its own gates."""
    tile = periodic(LATTICES[lattice], seed=3, side_px=64)
    done = finish(tile, shipped_recipe(recipe), order(lattice))
    assert done.artefacts
    assert all(figure.passed for figure in done.figures)
    assert done.recipe_hash == shipped_recipe(recipe).hash()
    assert done.cpu_us > 0


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_refuses_a_crop(periodic: Any, recipe: str, lattice: str) -> None:
    """A cut picture ends as failed with the gate, its figure and its limit."""
    crop = np.ascontiguousarray(periodic(LATTICES[lattice], seed=3, side_px=128)[:70, :74])
    with pytest.raises(Rejected) as caught:
        finish(crop, shipped_recipe(recipe), order(lattice))
    assert (caught.value.outcome, caught.value.dead_letter) == ("failed", False)
    assert caught.value.field in {"seam_p", "seam_r2", "edge_line", "seam_local"}
    assert caught.value.cpu_us > 0


def test_the_textile_set_is_complete_and_agrees(periodic: Any) -> None:
    """TIFF and PNG hold the same pixels, exact in size, flat in the palette; names say it all."""
    done = finish(periodic(LATTICES["half-drop"], seed=3), TEXTILE, order("half-drop"))
    by_role = {artefact.role: artefact for artefact in done.artefacts}
    palettes = {"palette", "palette-csv", "palette-ase"}
    assert set(by_role) == {"print", "image", "press", "vector", "preview", *palettes}
    tiff, png = by_role["print"], by_role["image"]
    assert np.array_equal(read_back(tiff.data), decode_picture(png.data))
    assert tiff_size_um(tiff.data) == (80_000, 80_000)
    assert (tiff.resolution_px, tiff.resolution_um) == (2, 625)
    colours = {ink.rgb for ink in done.palette.inks}
    assert {tuple(rgb) for rgb in read_back(tiff.data).reshape(-1, 3).tolist()} <= colours
    name = "sea-dots-original-half-drop-80x80mm-81.28dpi-textile-digital.tif"
    assert tiff.display_name == name


def test_every_artefact_is_judged(periodic: Any) -> None:
    """Tile, TIFFs, PNG, vector and preview each carry seam figures; pictures blur and colours."""
    done = finish(periodic(STRAIGHT, seed=3), TEXTILE, order("straight"))
    judged = {figure.artefact for figure in done.figures if figure.name == "seam_p"}
    assert judged == {"tile", "print", "image", "press", "vector", "preview"}
    blurred = {figure.artefact for figure in done.figures if figure.name == "edge_width"}
    assert blurred == {"tile", "print", "image", "press", "vector"}
    counted = {figure.artefact for figure in done.figures if figure.name == "colour_count"}
    assert counted == {"tile", "print", "image", "press"}


def test_finishing_is_the_same_every_time_and_in_another_process(periodic: Any) -> None:
    """The same tile gives the same bytes here and in a pool, and everything pickles."""
    tile = periodic(STRAIGHT, seed=5)
    here = finish(tile, TEXTILE, order("straight"))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(finish, tile, TEXTILE, order("straight")).result(timeout=60)
    assert there.artefacts == here.artefacts
    assert there.figures == here.figures
    assert there.palette == here.palette


def test_palette_max_is_kept(periodic: Any) -> None:
    """The request's limit beats the recipe's when it is lower."""
    tile = periodic(STRAIGHT, seed=3, colours=6)
    done = finish(tile, TEXTILE, order("straight", palette_max=3))
    assert len(done.palette.inks) == 3


def test_carrying_on_collects_every_figure(periodic: Any) -> None:
    """For people at the counter a bad tile is measured to the end instead of refused."""
    crop = np.ascontiguousarray(periodic(STRAIGHT, seed=3, side_px=128)[:70, :74])
    done = finish(crop, TEXTILE, order("straight", refuse=False))
    assert not all(figure.passed for figure in done.figures)
    assert len(done.artefacts) == 8


def test_full_size_is_exact_and_the_cap_keeps_millimetres() -> None:
    """640 mm at 254 DPI is 6400 px; capped, fewer pixels stand for the same micrometres."""
    repeat = repeat_of("half-drop", 640_000, 480_000)
    full = print_size(repeat, dpi=254)
    assert (full.width_px, full.height_px) == (6400, 4800)
    capped = print_size(repeat, dpi=254, px_max=(1024, 768))
    assert (capped.width_px, capped.height_px) == (1024, 768)
    assert capped.resolution() == (1, 625)
    odd = print_size(repeat_of("half-drop", 641_350, 641_350), dpi=150)
    assert (odd.width_px, odd.height_px) == (3788, 3788)


@pytest.mark.parametrize("width_um", [0, 999, 20_000_001, -5])
def test_impossible_repeats_are_refused(width_um: int) -> None:
    """A repeat too small or too large names its field and limit."""
    with pytest.raises(Rejected) as caught:
        repeat_of("straight", width_um, 640_000)
    assert caught.value.field == "repeat.width_um"
    assert caught.value.limit == "1000 to 20000000 um"


def test_an_odd_half_drop_tile_is_refused() -> None:
    """A tile its lattice cannot shear is rejected before any step runs."""
    with pytest.raises(Rejected) as caught:
        finish(np.zeros((33, 32, 3), np.uint8), TEXTILE, order("half-drop"))
    assert caught.value.field == "canvas.height_px"
