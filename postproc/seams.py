"""The seam gate: does a tile join itself, by its lattice, as smoothly as it joins inside?

Four figures, all in OKLab, both axes, the sheared neighbour for half-drop and brick:

- `seam_p`: mean jump across the wrap over the 99th percentile of the jumps inside.
- `seam_r2`: how much the wrap jump differs from the jumps beside it, over the same inside (kinks).
- `edge_line`: a border line that differs from both its neighbours in one direction, which
  averages miss and a press shows as a line per repeat.
- `seam_local`: how far the worst stretch of the join stands over the worst stretch of any line
  inside: a stain that ends at the border, one cut motif. `local` says how.

Art with edges along the axes (checks, stripes) has few strong lines and may have one of them on
the wrap by right, so the inside is never taken as calmer than a share of its own strongest line.
The gate sees edges only: it cannot tell that a motif is cut where its colour happens to go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from PIL import Image

from postproc.colour import Bytes, Floats
from postproc.figures import Figure, at_most
from postproc.lattice import Lattice, wrap_pad
from postproc.lines import LineMeans, line_means
from postproc.local import Local, worst_local
from schemas.errors import Rejected

SIDE_PX_MIN: Final = 8
_REACH_PX: Final = 2
SAMPLES_MAX: Final = 2048
"""Pixels of each line and of each join that are looked at, evenly, where there are twice as many:
a flaw of a few pixels is still seen in its share."""
JUMP_FLOOR: Final = 0.0005
"""Mean OKLab jump of a line below which nothing can be seen; keeps flat tiles finite."""
LINE_FLOOR: Final = 0.002
STRONGEST_SHARE_P: Final = 1.0
STRONGEST_SHARE_R2: Final = 0.5
"""Shares of the strongest inner line. Over synthetic crops these cost no detection; without them
nearly every striped tile whose stripe starts on the border is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeamLimits:
    """The largest figures that still pass."""

    p_max: float = 1.3
    r2_max: float = 3.0
    edge_line_max: float = 3.0
    local_max: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisFigures:
    """The four ratios of one axis; `edge_where` is the side with the worse border line."""

    p: float
    r2: float
    edge_line: float
    wrap_where: str
    edge_where: str
    local: Local


def seam_figures(
    rgb: Bytes, lattice: Lattice, *, limits: SeamLimits | None = None, scale: int = 1
) -> list[Figure]:
    """The four seam figures of an 8-bit RGB picture [H, W, 3], or of one plate [H, W, 1].

    A plate's samples say how much of it prints, 255 all; its jumps are shares instead of OKLab.
    `scale` is how many times it was enlarged: border lines and single stretches are then also
    looked for at the size they had before. Sides under SIDE_PX_MIN are Rejected.
    """
    height_px, width_px = rgb.shape[:2]
    if min(height_px, width_px) < SIDE_PX_MIN:
        raise Rejected(
            f"a tile of {width_px} x {height_px} px is too small to judge",
            field="canvas",
            limit=f"sides of at least {SIDE_PX_MIN} px",
        )
    axes = _two_axes(rgb, lattice)
    if scale > 1 and _reducible(width_px, height_px, lattice, scale):
        small = _reduced(rgb, scale)
        axes = _worst_small(axes, _two_axes(small, lattice))
    return _figures(axes, limits or SeamLimits(), side_px=(height_px, width_px))


def local_flaw(rgb: Bytes, lattice: Lattice) -> tuple[str, Local]:
    """The join, `right` or `bottom`, whose worst stretch stands furthest over the inside."""
    across, down = (axis.local for axis in _two_axes(rgb, lattice))
    return ("right", across) if across.ratio >= down.ratio else ("bottom", down)


def _two_axes(rgb: Bytes, lattice: Lattice) -> list[AxisFigures]:
    """Figures across the width, then down the height."""
    padded = wrap_pad(rgb, lattice, margin_px=_REACH_PX)
    own = slice(_REACH_PX, -_REACH_PX)
    down_step, across_step = (max(1, side // SAMPLES_MAX) for side in rgb.shape[:2])
    across = line_means(padded[own][::down_step].transpose(1, 0, 2))
    down = line_means(padded[:, own][:, ::across_step])
    height_px, width_px = rgb.shape[:2]
    return [
        _one_axis(across, ("left", "right"), height_px),
        _one_axis(down, ("top", "bottom"), width_px),
    ]


def _one_axis(means: LineMeans, sides: tuple[str, str], length_px: int) -> AxisFigures:
    inside, bends_inside = means.jumps[2:-2], means.bends[2:-2]
    border = (float(means.strays[1]), float(means.strays[-2]))
    return AxisFigures(
        p=_ratio(float(means.jumps[-2]), _calm(inside, STRONGEST_SHARE_P), JUMP_FLOOR),
        r2=_ratio(
            max(float(means.bends[0]), float(means.bends[-1])),
            max(float(bends_inside.mean()), STRONGEST_SHARE_R2 * float(bends_inside.max())),
            JUMP_FLOOR,
        ),
        edge_line=_ratio(max(border), _calm(means.strays[2:-2], STRONGEST_SHARE_P), LINE_FLOOR),
        wrap_where=f"the {sides[1]}-{sides[0]} join",
        edge_where=f"the {sides[int(border[1] > border[0])]} edge",
        local=worst_local(means.flaws, length_px=length_px),
    )


def _calm(values: Floats, share: float) -> float:
    return max(float(np.percentile(values, 99)), share * float(values.max()))


def _ratio(figure: float, measure: float, floor: float) -> float:
    return figure / max(measure, floor)


def _reducible(width_px: int, height_px: int, lattice: Lattice, scale: int) -> bool:
    if height_px % scale or width_px % scale:
        return False
    height, width = height_px // scale, width_px // scale
    sheared = height % lattice.columns_to_straight == 0 and width % lattice.rows_to_straight == 0
    return sheared and min(height, width) >= SIDE_PX_MIN


def _reduced(picture: Bytes, scale: int) -> Bytes:
    """Means over squares of `scale` px, in as many channels as the picture has."""
    channels = picture.shape[2]
    reduced = Image.fromarray(picture[..., 0] if channels == 1 else picture).reduce(scale)
    return np.asarray(reduced).reshape(reduced.height, reduced.width, channels)


def _worst_small(full: list[AxisFigures], reduced: list[AxisFigures]) -> list[AxisFigures]:
    """The full-size axes, each with the worse border line and stretch of the two sizes."""
    axes = []
    for large, small in zip(full, reduced, strict=True):
        axis = large
        if small.edge_line > large.edge_line:
            axis = replace(axis, edge_line=small.edge_line, edge_where=small.edge_where)
        if small.local.ratio > large.local.ratio:
            axis = replace(axis, local=small.local)
        axes.append(axis)
    return axes


def _figures(
    axes: list[AxisFigures], limits: SeamLimits, *, side_px: tuple[int, int]
) -> list[Figure]:
    by_p = max(axes, key=lambda axis: axis.p)
    by_r2 = max(axes, key=lambda axis: axis.r2)
    by_line = max(axes, key=lambda axis: axis.edge_line)
    across, down = axes
    by_local, length_px, side = (
        (across, side_px[0], "height")
        if across.local.ratio >= down.local.ratio
        else (down, side_px[1], "width")
    )
    start_px, stop_px = by_local.local.pixels(length_px)
    stretch = f"{by_local.wrap_where}, {start_px} to {stop_px} px of the {side}"
    return [
        at_most("seam_p", by_p.p, limits.p_max, where=by_p.wrap_where),
        at_most("seam_r2", by_r2.r2, limits.r2_max, where=by_r2.wrap_where),
        at_most("edge_line", by_line.edge_line, limits.edge_line_max, where=by_line.edge_where),
        at_most("seam_local", by_local.local.ratio, limits.local_max, where=stretch),
    ]
