"""The table's picture of one tile, kept: a change of a step shows here before a mill sees it.

Tolerances: flat art may differ in 0.5 % of its pixels and drawn art by 2 levels on average, which
is what another build of the renderer may do; palettes may not differ, figures by 5 %.
To renew on purpose: `python -m tests.golden.postproc.renew`, and look at what it wrote.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from postproc.decode import decode_picture
from postproc.files import read_back
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.recipe import shipped_recipe
from postproc.svg import rasterise

HERE = Path(__file__).parent
KEPT = json.loads((HERE / "figures.json").read_text())


@pytest.fixture(scope="module")
def done() -> Finished:
    """The textile set of the kept tile."""
    order = Order(repeat=repeat_of("half-drop", 640_000, 640_000), palette_max=8, design="golden")
    tile = decode_picture((HERE / "tile.png").read_bytes())
    return finish(tile, shipped_recipe("textile-digital"), order)


def artefact(done: Finished, role: str) -> bytes:
    return next(made.data for made in done.artefacts if made.role == role)


def test_the_palette_is_the_kept_one(done: Finished) -> None:
    """Inks and their order are part of the promise: a colourway depends on them."""
    assert [ink.hex for ink in done.palette.inks] == KEPT["palette"]


def test_flat_art_is_the_kept_one(done: Finished) -> None:
    """The print file shows the same inks in the same places, but for half a percent."""
    kept = read_back((HERE / "print.tif").read_bytes())
    made = read_back(artefact(done, "print"))
    assert made.shape == kept.shape
    assert (made != kept).any(axis=2).mean() < 0.005


def test_the_vector_draws_the_kept_picture(done: Finished) -> None:
    """Path data may be written otherwise; what it draws may not change."""
    size = {"width_px": 256, "height_px": 256}
    kept = rasterise((HERE / "vector.svg").read_bytes(), **size).astype(int)
    made = rasterise(artefact(done, "vector"), **size).astype(int)
    assert np.abs(made - kept).mean() < 2


def test_the_preview_is_the_kept_one(done: Finished) -> None:
    """The cloth that people look at repeats by its lattice as it did."""
    kept = decode_picture((HERE / "preview.png").read_bytes()).astype(int)
    made = decode_picture(artefact(done, "preview")).astype(int)
    assert made.shape == kept.shape
    assert np.abs(made - kept).mean() < 2


def test_figures_are_the_kept_ones(done: Finished) -> None:
    """A gate that measures something else now would shift every limit in silence."""
    made = {f"{figure.artefact}.{figure.name}": figure.figure for figure in done.figures}
    assert made.keys() == KEPT["figures"].keys()
    for name, figure in KEPT["figures"].items():
        assert made[name] == pytest.approx(figure, rel=0.05, abs=0.02), name
