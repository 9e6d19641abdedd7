"""The gates beside the seam: blank, colours, blur, size. And the set that a tile alone decides.

`tile_gates` is what the generate stage runs on each new tile: pure, some milliseconds at 256 px,
no recipe needed. Everything else is asked by a recipe when the files are made.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from postproc.colour import Bytes, oklab_planes
from postproc.figures import Figure, at_least, at_most, exactly, reported
from postproc.lattice import Lattice
from postproc.seams import SeamLimits, seam_figures

MODAL_SHARE_MAX: Final = 0.998
"""A tile with less than two pixels in a thousand off its ground is blank."""
SAMPLE_PIXELS_MAX: Final = 1 << 18
SPREAD_MIN: Final = 0.01
"""Standard deviation of OKLab under which nothing can be seen on the tile."""


def tile_gates(
    tile: Bytes,
    lattice: Lattice,
    *,
    limits: SeamLimits | None = None,
    modal_share_max: float = MODAL_SHARE_MAX,
    spread_min: float = SPREAD_MIN,
    edge_width_px_max: float = 0.0,
) -> list[Figure]:
    """Every figure that the 8-bit RGB tile [H, W, 3] decides by itself, in a fixed order.

    Nothing is raised for a bad tile: read `passed`, or call `figures.refuse`.
    """
    return [
        *seam_figures(tile, lattice, limits=limits),
        *blank_figures(tile, modal_share_max=modal_share_max, spread_min=spread_min),
        blur_figure(tile, width_px_max=edge_width_px_max),
    ]


def blank_figures(
    rgb: Bytes, *, modal_share_max: float = MODAL_SHARE_MAX, spread_min: float = SPREAD_MIN
) -> list[Figure]:
    """Is anything there: share of the commonest colour (of 32 levels a channel), and spread.

    Large pictures are looked at on an even grid of at least SAMPLE_PIXELS_MAX / 2 pixels.
    """
    stride = max(1, math.isqrt(rgb.shape[0] * rgb.shape[1] // SAMPLE_PIXELS_MAX))
    rgb = rgb[::stride, ::stride]
    cells = (rgb >> 3).astype(np.int32)
    keys = (cells[..., 0] << 10) + (cells[..., 1] << 5) + cells[..., 2]
    modal = float(np.bincount(keys.ravel()).max()) / keys.size
    spread = float(np.sqrt(oklab_planes(rgb).reshape(3, -1).var(axis=1).sum()))
    return [
        at_most("modal_share", modal, modal_share_max),
        at_least("spread", spread, spread_min, unit="OKLab"),
    ]


def blur_figure(rgb: Bytes, *, width_px_max: float = 0.0) -> Figure:
    """Typical width of an edge in px: 1 is pixel-sharp, noise also counts as sharp.

    Reported, unless a limit is given: a wash of soft colour is as wide by right.

    Twice the summed first differences of lightness over the summed second differences: a step is
    1, a ramp is its own length, whatever its height, so the figure does not depend on contrast.
    Of large pictures, lines on an even grid are looked at: SAMPLE_PIXELS_MAX each way, or so.
    """
    first = second = 0.0
    stride = max(1, rgb.shape[0] * rgb.shape[1] // SAMPLE_PIXELS_MAX)
    for lines in (rgb[::stride], rgb[:, ::stride].transpose(1, 0, 2)):
        jumps = np.diff(oklab_planes(lines)[0], axis=1)
        first += float(np.abs(jumps).sum())
        second += float(np.abs(np.diff(jumps, axis=1)).sum())
    width_px = 2 * first / second if second > 0 else 0.0
    if width_px_max > 0:
        return at_most("edge_width", width_px, width_px_max, unit="px")
    return reported("edge_width", width_px, unit="px")


def colour_count_figure(index_map: Bytes, *, colours_max: int) -> Figure:
    """How many inks the index map really uses."""
    used = int(np.count_nonzero(np.bincount(index_map.ravel())))
    return at_most("colour_count", used, colours_max, unit="inks")


def size_figures(
    *, pixels: tuple[int, int], wanted_px: tuple[int, int], error_um: float, error_um_max: float
) -> list[Figure]:
    """Is the file as large as it should be: (width, height) in px, and the repeat's size in um.

    `error_um` is the larger of the two axes' errors as a reader of the file computes its size.
    """
    return [
        exactly("width_px", pixels[0], wanted_px[0], unit="px"),
        exactly("height_px", pixels[1], wanted_px[1], unit="px"),
        at_most("repeat_error", error_um, error_um_max, unit="um"),
    ]
