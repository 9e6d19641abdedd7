"""The motif families: each paints signed distances on a lattice, layer by layer.

A motif never picks a colour. It answers a list of layers, bottom first; a layer is a signed
distance in pixels (B, H, W) or (H, W), the ink it wants (0 main, 1 accent), its opacity, and
where the third ink replaces the main one (`turns`), if anywhere. Refuses to know about captions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from training import sdf
from training.lattice import Cells, Lattice, cells, owner

SCALES: tuple[str, ...] = ("tiny", "small", "medium", "large")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """What a motif may look at: the pixel grid, the lattice, and per-picture shape parameters.

    `fill` (B, 1, 1) in 0..1 chooses how big the shape is in its cell, `turn` (B, 1, 1) its
    rotation in 0..1 of the motif's own range, `chips` (B, n, n, 16) the loose parts' parameters.
    """

    u: Tensor
    v: Tensor
    size_px: int
    scale: int
    lattice: Lattice
    fill: Tensor
    turn: Tensor
    chips: Tensor

    def cells(self, counts: tuple[int, int, int, int] = (8, 4, 2, 1)) -> Cells:
        """The cells of this scale; counts go from tiny to large."""
        return cells(self.u, self.v, counts[self.scale], self.lattice)

    def between(self, low: float, high: float) -> Tensor:
        """A length chosen by `fill`, (B, 1, 1)."""
        return low + (high - low) * self.fill

    def px(self, distance: Tensor, count: int) -> Tensor:
        """From units of a cell to pixels."""
        return distance * (self.size_px / count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One coat of ink; `distance_px` is negative where it covers."""

    distance_px: Tensor
    ink: int = 0
    opacity: float = 1.0
    turns: Tensor | None = None


Layers = list[Layer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motif:
    """A family: how it is painted and how many inks it can carry besides the ground."""

    paint: Callable[[Canvas, int], Layers]
    inks_max: int = 3


def _alternate(cell: Cells) -> Tensor | None:
    """Every second cell, checkerwise; None where one cell fills the tile."""
    if cell.count < 2:
        return None
    return torch.remainder(cell.column + cell.row, 2) > 0.5


def _in_cells(canvas: Canvas, shape: Tensor, accent: Tensor, *, inks: int, cell: Cells) -> Layers:
    """A shape in every cell and, with two inks or more, an accent on top of it."""
    layers = [Layer(distance_px=canvas.px(shape, cell.count), turns=_alternate(cell))]
    if inks > 1:
        layers.append(Layer(distance_px=canvas.px(accent, cell.count), ink=1))
    return layers


def _dot(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.26, 0.38)
    shape = sdf.circle(cell.x, cell.y, radius)
    return _in_cells(canvas, shape, sdf.circle(cell.x, cell.y, radius * 0.5), inks=inks, cell=cell)


def _ring(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.3, 0.38)
    shape = sdf.ring(cell.x, cell.y, radius, torch.full_like(radius, 0.065))
    return _in_cells(canvas, shape, sdf.circle(cell.x, cell.y, radius * 0.42), inks=inks, cell=cell)


def _heart(canvas: Canvas, inks: int) -> Layers:
    cell, size = canvas.cells(), canvas.between(0.33, 0.42)
    shape = sdf.heart(cell.x, cell.y, size)
    return _in_cells(canvas, shape, sdf.heart(cell.x, cell.y, size * 0.5), inks=inks, cell=cell)


def _star(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.38, 0.48)
    shape = sdf.star(cell.x, cell.y, radius)
    return _in_cells(canvas, shape, sdf.star(cell.x, cell.y, radius * 0.5), inks=inks, cell=cell)


def _moon(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.32, 0.42)
    accent = sdf.star(cell.x - radius * 0.55, cell.y, radius * 0.42)
    return _in_cells(canvas, sdf.crescent(cell.x, cell.y, radius), accent, inks=inks, cell=cell)


def _leaf(canvas: Canvas, inks: int) -> Layers:
    cell = canvas.cells()
    length = canvas.between(0.4, 0.46)
    x, y = sdf.rotate(cell.x, cell.y, (canvas.turn - 0.5) * (math.pi / 2))
    shape = sdf.leaf(x, y, length, length * 0.5)
    rib = torch.maximum(x.abs() - 0.035, y.abs() - length * 0.7)
    layers = _in_cells(canvas, shape, rib, inks=inks, cell=cell)
    if inks == 1:
        layers.append(Layer(distance_px=canvas.px(rib, cell.count), ink=-1))
    return layers


def _daisy(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.42, 0.48)
    shape = sdf.daisy(cell.x, cell.y, radius)
    heart = canvas.px(sdf.circle(cell.x, cell.y, radius * 0.3), cell.count)
    return [
        Layer(distance_px=canvas.px(shape, cell.count), turns=_alternate(cell)),
        Layer(distance_px=heart, ink=1 if inks > 1 else -1),
    ]


def _diamond(canvas: Canvas, inks: int) -> Layers:
    cell, width = canvas.cells(), canvas.between(0.34, 0.44)
    shape = sdf.rhombus(cell.x, cell.y, width, width + 0.05)
    accent = sdf.rhombus(cell.x, cell.y, width * 0.45, width * 0.5)
    return _in_cells(canvas, shape, accent, inks=inks, cell=cell)


# Bands: an even number of periods in the tile closes under half a tile's shear too.
_BANDS = (16, 8, 4, 2)


def _stripe(canvas: Canvas, inks: int) -> Layers:
    count = _BANDS[canvas.scale]
    way = (canvas.turn * 3).long().clamp(max=2)
    phase = torch.where(way == 1, canvas.v, canvas.u) + torch.where(way == 2, canvas.v, 0.0)
    phase = phase * count
    # A diagonal's period across the line is shorter by the square root of two.
    step = torch.where(way == 2, math.sqrt(0.5), 1.0)
    layers = [
        Layer(
            distance_px=canvas.px(sdf.band(phase, canvas.between(0.4, 0.56)) * step, count),
            turns=torch.remainder(torch.floor(phase), 2) > 0.5,
        )
    ]
    if inks > 1:
        line = sdf.band(phase + 0.5, torch.full_like(canvas.fill, 0.14)) * step
        layers.append(Layer(distance_px=canvas.px(line, count), ink=1))
    return layers


def _gingham(canvas: Canvas, inks: int) -> Layers:
    count = _BANDS[canvas.scale]
    share = torch.full_like(canvas.fill, 0.5)
    across = canvas.px(sdf.band(canvas.u * count, share), count)
    down = canvas.px(sdf.band(canvas.v * count, share), count)
    return [
        Layer(distance_px=across, opacity=0.5),
        Layer(distance_px=down, opacity=0.5, ink=min(inks, 2) - 1),
        Layer(distance_px=torch.maximum(across, down), ink=0),
    ]


def _check(canvas: Canvas, inks: int) -> Layers:
    # Squares in a row; half of them must be even too, or half a drop would swap the colours.
    count = (16, 12, 8, 4)[canvas.scale]
    column, row = torch.floor(canvas.u * count), torch.floor(canvas.v * count)
    x, y = canvas.u * count - column - 0.5, canvas.v * count - row - 0.5
    inside = torch.maximum(x.abs(), y.abs()) - 0.5
    parity = torch.remainder(column + row, 2) > 0.5
    square = torch.where(parity, inside, -inside) + 0.0 * canvas.fill
    layers = [Layer(distance_px=canvas.px(square, count))]
    if inks > 1:
        middle = torch.maximum(x.abs(), y.abs()) - canvas.between(0.16, 0.24)
        accent = torch.where(parity, middle, torch.full_like(middle, 9.0))
        layers.append(Layer(distance_px=canvas.px(accent, count), ink=1))
    return layers


def _folded(canvas: Canvas, fold: Tensor, count: int, inks: int) -> Layers:
    """Bands whose phase is bent by `fold` (in periods of the band)."""
    phase = canvas.v * count + fold
    slope = 0.7
    main = sdf.band(phase, canvas.between(0.42, 0.54)) * slope
    layers = [
        Layer(
            distance_px=canvas.px(main, count),
            turns=torch.remainder(torch.floor(phase), 2) > 0.5,
        )
    ]
    if inks > 1:
        line = sdf.band(phase + 0.5, torch.full_like(canvas.fill, 0.16)) * slope
        layers.append(Layer(distance_px=canvas.px(line, count), ink=1))
    return layers


def _chevron(canvas: Canvas, inks: int) -> Layers:
    count = (12, 8, 4, 2)[canvas.scale]
    return _folded(canvas, sdf.triangle_wave(canvas.u * count) * 0.8, count, inks)


def _wave(canvas: Canvas, inks: int) -> Layers:
    count = (12, 8, 4, 2)[canvas.scale]
    across = (8, 4, 2, 2)[canvas.scale]
    bend = torch.sin(canvas.u * (2 * math.pi * across)) * 0.4
    return _folded(canvas, bend, count, inks)


def _trellis(canvas: Canvas, inks: int) -> Layers:
    count = (12, 8, 4, 2)[canvas.scale]
    share = canvas.between(0.16, 0.24)
    rise = sdf.band((canvas.u + canvas.v) * count, share)
    fall = sdf.band((canvas.u - canvas.v) * count, share)
    layers = [Layer(distance_px=canvas.px(torch.minimum(rise, fall) * math.sqrt(0.5), count))]
    if inks > 1:
        x = torch.remainder((canvas.u + canvas.v) * count, 1.0)
        y = torch.remainder((canvas.u - canvas.v) * count, 1.0)
        # Phases 0 lie midway between the lines; a dot sits there.
        x, y = torch.minimum(x, 1 - x), torch.minimum(y, 1 - y)
        dot = (torch.hypot(x, y) - 0.2) * math.sqrt(0.5)
        layers.append(Layer(distance_px=canvas.px(dot + 0.0 * share, count), ink=1))
    return layers


def _scallop(canvas: Canvas, inks: int) -> Layers:
    """Fish scales: rows of discs a quarter of a cell apart, each row hanging over the next one."""
    count = (12, 8, 4, 2)[canvas.scale]
    x, y = canvas.u * count, canvas.v * count * 4
    row = torch.floor(y)
    inside = torch.zeros_like(x)
    line = row
    # The upper disc hides the lower one, so it is asked first.
    for back in (1, 0):
        shift = torch.remainder(row - back, 2) * 0.5
        dx = torch.remainder(x - shift, 1.0) - 0.5
        depth = 0.5 - torch.hypot(dx, (y - row + back) * 0.25)
        free = (inside <= 0) & (depth > 0)
        inside = torch.where(free, depth, inside)
        line = torch.where(free, row - back, line)
    fill = canvas.between(0.07, 0.11) - inside
    turns = torch.remainder(line, 2) > 0.5
    layers = [Layer(distance_px=canvas.px(fill, count), turns=turns)]
    if inks > 1:
        core = 0.24 - inside + 0.0 * canvas.fill
        layers.append(Layer(distance_px=canvas.px(core, count), ink=1))
    return layers


def _terrazzo(canvas: Canvas, inks: int) -> Layers:
    """Loose chips: one polygon near every cell's middle, its parameters drawn per cell."""
    count = (10, 8, 4, 2)[canvas.scale]
    x, y = canvas.u * count, canvas.v * count
    column, row = torch.floor(x), torch.floor(y)
    chosen: list[Tensor] = []
    inked: list[Tensor] = []
    for dc in (-1, 0, 1):
        for dr in (-1, 0, 1):
            here = owner(column + dc, row + dr, count, canvas.lattice)
            part = canvas.chips[:, here[1], here[0]]
            dx = x - (column + dc + 0.5) - (part[..., 0] - 0.5) * 0.5
            dy = y - (row + dr + 0.5) - (part[..., 1] - 0.5) * 0.5
            chosen.append(_chip(dx, dy, part, canvas))
            inked.append(part[..., 2])
    stack = torch.stack(chosen)
    distance, which = stack.min(0)
    dye = (torch.stack(inked).gather(0, which[None])[0] * inks).floor()
    far = torch.full_like(distance, 9.0)
    layers = [
        Layer(
            distance_px=canvas.px(torch.where(dye != 1, distance, far), count),
            turns=dye > 1.5,
        )
    ]
    if inks > 1:
        layers.append(
            Layer(distance_px=canvas.px(torch.where(dye == 1, distance, far), count), ink=1)
        )
    return layers


def _chip(dx: Tensor, dy: Tensor, part: Tensor, canvas: Canvas) -> Tensor:
    """A convex polygon: five half planes at uneven angles and distances."""
    radius = canvas.between(0.3, 0.36) * (0.65 + 0.5 * part[..., 3])
    turn = part[..., 4] * (2 * math.pi)
    inside = torch.full_like(dx, -9.0)
    for side in range(5):
        angle = turn + (side + 0.45 * part[..., 5 + side]) * (2 * math.pi / 5)
        reach = radius * (0.7 + 0.3 * part[..., 10 + side])
        inside = torch.maximum(inside, torch.cos(angle) * dx + torch.sin(angle) * dy - reach)
    return inside


MOTIFS: dict[str, Motif] = {
    "dot": Motif(paint=_dot),
    "ring": Motif(paint=_ring),
    "stripe": Motif(paint=_stripe),
    "gingham": Motif(paint=_gingham, inks_max=2),
    "check": Motif(paint=_check, inks_max=2),
    "chevron": Motif(paint=_chevron),
    "wave": Motif(paint=_wave),
    "scallop": Motif(paint=_scallop),
    "diamond": Motif(paint=_diamond),
    "trellis": Motif(paint=_trellis, inks_max=2),
    "heart": Motif(paint=_heart),
    "star": Motif(paint=_star),
    "moon": Motif(paint=_moon),
    "leaf": Motif(paint=_leaf),
    "daisy": Motif(paint=_daisy),
    "terrazzo": Motif(paint=_terrazzo),
}
NAMES: tuple[str, ...] = tuple(MOTIFS)
