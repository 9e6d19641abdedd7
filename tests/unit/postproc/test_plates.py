"""Plates print what is there: no halos on edges, no specks, thin lines kept, wrap respected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from postproc.lattice import HALF_DROP, LATTICES, STRAIGHT
from postproc.plates import enlarge, separate, without_specks
from postproc.upscale import lanczos


def three_bands() -> np.ndarray:
    """Black beside white with a blurred edge, and a flat grey band that is an ink of its own."""
    levels = np.full(64, 255.0)
    levels[:20] = 0
    levels[40:60] = 128
    kernel = np.array([0.25, 0.5, 0.25])
    padded = np.concatenate([levels[-2:], levels, levels[:2]])
    blurred = np.convolve(np.convolve(padded, kernel, "same"), kernel, "same")[2:-2]
    return np.repeat(np.repeat(np.rint(blurred)[None, :, None], 64, 0), 3, 2).astype(np.uint8)


def test_a_blurred_edge_between_black_and_white_prints_no_grey_outline() -> None:
    """Grey exists as an ink, yet the edge that passes through grey is not printed in it."""
    tile = three_bands()
    separation = separate(tile, STRAIGHT, colours_max=8)
    assert len(separation.palette.inks) == 3
    around = separation.index_map[:, 14:26]
    assert len(np.unique(around)) == 2


def test_enlarged_edges_have_no_outline_either() -> None:
    """The same holds after enlarging four times, where the edge is many pixels wide."""
    tile = three_bands()
    separation = separate(tile, STRAIGHT, colours_max=8)
    large = lanczos(tile, STRAIGHT, width_px=256, height_px=256)
    index_map = enlarge(separation, large, STRAIGHT)
    assert len(np.unique(index_map[:, 60:100])) == 2
    edge = int(np.argmax(np.diff(index_map[0, 60:100].astype(int)) != 0)) + 61
    assert abs(edge - 80) <= 1


def test_thin_lines_of_another_colour_stay() -> None:
    """A soft line without any flat inside keeps its ink, for its colour is no mix of the ground."""
    tile = np.full((64, 64, 3), (246, 238, 214), np.uint8)
    tile[20:44, 20:44] = (205, 32, 44)
    tile[:, 8] = (226, 135, 129)
    tile[:, 9] = (205, 32, 44)
    tile[:, 10] = (226, 135, 129)
    index_map = separate(tile, STRAIGHT, colours_max=6).index_map
    assert np.all(index_map[:, 9] == index_map[30, 30])


@pytest.mark.parametrize("lattice", LATTICES.values(), ids=lambda lattice: lattice.name)
def test_specks_go_and_corners_on_the_wrap_stay(lattice: Any) -> None:
    """A single pixel goes; a blob that is whole only across the wrap does not."""
    index_map = np.zeros((16, 16), np.uint8)
    index_map[5, 9] = 1
    blob = np.zeros((16, 16), np.uint8)
    blob[0:2, 15] = blob[0:2, 0] = 1
    blob[8:10, 15] = blob[8:10, 0] = 1
    assert not without_specks(index_map, 2, lattice).any()
    assert np.count_nonzero(without_specks(blob, 2, STRAIGHT)) == 8


def test_every_ink_of_a_separation_is_used(periodic: Any) -> None:
    """The palette lists what prints, ground first by coverage."""
    tile = periodic(HALF_DROP, seed=9, side_px=96, colours=6, soft=0.05)
    separation = separate(tile, HALF_DROP, colours_max=12)
    counts = np.bincount(separation.index_map.ravel(), minlength=len(separation.palette.inks))
    assert counts.min() > 0
    assert list(counts) == sorted(counts, reverse=True)
    shares = [ink.coverage for ink in separation.palette.inks]
    assert np.allclose(shares, counts / counts.sum())
