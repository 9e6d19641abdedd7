"""The seam gate passes what repeats, refuses what does not, in every lattice, and says where."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.figures import refuse
from postproc.gates import tile_gates
from postproc.lattice import BRICK, HALF_DROP, LATTICES, STRAIGHT
from postproc.seams import seam_figures
from schemas.errors import Rejected

EACH_LATTICE = pytest.mark.parametrize(
    "lattice", LATTICES.values(), ids=lambda lattice: lattice.name
)


def passed(figures: Any) -> bool:
    return all(figure.passed for figure in figures)


@EACH_LATTICE
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), colours=st.integers(2, 6))
def test_periodic_tiles_pass(periodic: Any, lattice: Any, seed: int, colours: int) -> None:
    """A tile that repeats by its lattice passes, whatever its art."""
    tile = periodic(lattice, seed=seed, side_px=96, colours=colours, soft=0.05)
    assert passed(seam_figures(tile, lattice))


@EACH_LATTICE
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), colours=st.integers(3, 6))
def test_crops_fail(periodic: Any, lattice: Any, seed: int, colours: int) -> None:
    """A crop that cuts through the art at an arbitrary place is refused."""
    tile = periodic(lattice, seed=seed, side_px=128, colours=colours, soft=0.05)
    crop = np.ascontiguousarray(tile[:74, :82])
    assert not passed(seam_figures(crop, lattice))


@pytest.mark.parametrize(("made", "judged"), [(HALF_DROP, STRAIGHT), (BRICK, HALF_DROP)])
def test_the_wrong_lattice_is_a_seam(periodic: Any, made: Any, judged: Any) -> None:
    """A half-drop tile does not pass as a straight one, nor a brick as a half-drop."""
    tile = periodic(made, seed=4, side_px=96, colours=5)
    assert passed(seam_figures(tile, made))
    assert not passed(seam_figures(tile, judged))


@EACH_LATTICE
@pytest.mark.parametrize(
    ("line", "side"),
    [
        (np.s_[:, 0], "the left edge"),
        (np.s_[:, -1], "the right edge"),
        (np.s_[0], "the top edge"),
        (np.s_[-1], "the bottom edge"),
    ],
)
def test_one_off_colour_border_line_is_caught_and_placed(
    periodic: Any, lattice: Any, line: Any, side: Any
) -> None:
    """12 levels on a single border line, which averages miss, fail the edge-line figure."""
    faint = periodic(lattice, seed=2, side_px=96, soft=0.1).clip(0, 243)
    faint[line] += 12
    edge = next(f for f in seam_figures(faint, lattice) if f.name == "edge_line")
    assert not edge.passed
    assert edge.where == side


STAINS: dict[str, tuple[Any, str, tuple[int, int]]] = {
    "the bottom edge": (np.s_[-24:, 20:50], "the bottom-top join", (20, 50)),
    "the left edge": (np.s_[100:130, :24], "the right-left join", (100, 130)),
}


@pytest.mark.parametrize("edge", STAINS)
def test_a_stain_that_ends_at_the_border_is_caught_and_placed(periodic: Any, edge: str) -> None:
    """A stain on an eighth of one edge, which thins out into the cloth: means over the edge pass
    it, its own stretch does not, and the figure says where."""
    place, join, (start, stop) = STAINS[edge]
    tile = periodic(STRAIGHT, seed=8, side_px=256, soft=0.02)
    assert passed(seam_figures(tile, STRAIGHT))
    fade = np.linspace(0, 0.5, 24)
    share = fade[:, None, None] if edge == "the bottom edge" else fade[None, ::-1, None]
    stained = tile.copy()
    stained[place] = np.rint(tile[place] * (1 - share) + np.array([90, 60, 30]) * share)
    figures = {f.name: f for f in seam_figures(stained, STRAIGHT)}
    assert [name for name, f in figures.items() if not f.passed] == ["seam_local"]
    said = figures["seam_local"].where
    assert said.startswith(join)
    first, last = (int(word) for word in said.split(", ")[1].split(" px")[0].split(" to "))
    assert start - 8 <= first < last <= stop + 8


@EACH_LATTICE
def test_one_cut_motif_is_caught(periodic: Any, lattice: Any) -> None:
    """A piece of the art that was laid over one border and ends there is refused."""
    tile = periodic(lattice, seed=6, side_px=256, soft=0.05)
    fade = np.clip(np.linspace(3, 0, 30), 0, 1)[:, None, None]
    cut = tile.copy()
    cut[:30, 60:100] = np.rint(tile[:30, 60:100] * (1 - fade) + tile[101:131, 150:190] * fade)
    assert passed(seam_figures(tile, lattice))
    assert not passed(seam_figures(cut, lattice)[-1:])


def test_a_square_whose_side_lies_on_the_border_passes() -> None:
    """Squares have straight sides everywhere; one that lies on the join by right is no flaw."""
    tile = np.full((128, 128, 3), 235, np.uint8)
    for top in range(0, 128, 32):
        tile[top : top + 16, 8:24] = tile[top : top + 16, 72:88] = (20, 90, 60)
    assert passed(seam_figures(tile, STRAIGHT))


def test_a_border_line_is_still_caught_after_enlarging(periodic: Any) -> None:
    """An off-colour line that was four times enlarged is found at the size it had."""
    tile = periodic(STRAIGHT, seed=3, side_px=64, soft=0.1).clip(0, 235)
    tile[:, 0] += 20
    large = tile.repeat(4, axis=0).repeat(4, axis=1)
    figures = {f.name: f for f in seam_figures(large, STRAIGHT, scale=4)}
    assert not figures["edge_line"].passed


def test_flat_tiles_have_no_seam_and_no_infinity() -> None:
    """A single colour divides by nothing: every seam figure is 0."""
    figures = seam_figures(np.full((16, 16, 3), 90, np.uint8), HALF_DROP)
    assert [figure.figure for figure in figures] == [0.0, 0.0, 0.0, 0.0]


def test_stripes_that_start_on_the_border_pass() -> None:
    """Two stripes have one edge inside and one on the wrap by right: not a seam."""
    tile = np.full((32, 64, 3), 240, np.uint8)
    tile[:, :20] = (20, 30, 90)
    assert passed(seam_figures(tile, STRAIGHT))


def test_tiny_tiles_are_refused() -> None:
    """Under 8 px there is no inside to compare with."""
    with pytest.raises(Rejected) as caught:
        seam_figures(np.zeros((1, 1, 3), np.uint8), STRAIGHT)
    assert caught.value.limit == "sides of at least 8 px"


def test_a_refused_tile_carries_figure_and_limit(periodic: Any) -> None:
    """The refusal ends the pattern as failed, without a dead letter, figure and limit in words."""
    crop = np.ascontiguousarray(periodic(STRAIGHT, seed=1, side_px=96)[:50, :60])
    with pytest.raises(Rejected) as caught:
        refuse(tile_gates(crop, STRAIGHT))
    refused = caught.value
    assert (refused.outcome, refused.dead_letter) == ("failed", False)
    assert refused.field == "seam_p"
    assert refused.limit == "<= 1.3"
    assert "join" in refused.reason


def test_blank_tiles_are_refused() -> None:
    """A tile with nothing on it fails the blank figures though its seam is perfect."""
    figures = {f.name: f for f in tile_gates(np.full((64, 64, 3), 255, np.uint8), STRAIGHT)}
    assert figures["seam_p"].passed
    assert not figures["modal_share"].passed
    assert not figures["spread"].passed


def test_tile_gates_are_quick(periodic: Any) -> None:
    """The gates of a 256 px tile cost milliseconds, so the loom can judge each one it makes."""
    tile = periodic(HALF_DROP, seed=5, side_px=256)
    tile_gates(tile, HALF_DROP)
    began_ns = time.process_time_ns()
    for _ in range(5):
        tile_gates(tile, HALF_DROP)
    # Measured 10 ms; the bound leaves room for a loaded machine.
    assert (time.process_time_ns() - began_ns) / 5 < 100e6
