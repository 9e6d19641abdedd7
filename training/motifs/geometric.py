"""Geometric families: dots, rings, diamonds, zigzags, waves, trellis, scales, hexagons, arcs.

Refuses nothing: every painter answers layers for any number of inks from one upwards.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training import sdf
from training.lattice import Lattice
from training.motifs.canvas import (
    FAR,
    Canvas,
    Layer,
    Layers,
    Motif,
    in_cells,
    square,
)

_FOLDS = (12, 8, 4, 2)


def _dot(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.26, 0.38)
    shape = sdf.circle(cell.x, cell.y, radius)
    return in_cells(canvas, shape, sdf.circle(cell.x, cell.y, radius * 0.5), inks=inks, cell=cell)


def _ring(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.3, 0.38)
    shape = sdf.ring(cell.x, cell.y, radius, torch.full_like(radius, 0.065))
    return in_cells(canvas, shape, sdf.circle(cell.x, cell.y, radius * 0.42), inks=inks, cell=cell)


def _diamond(canvas: Canvas, inks: int) -> Layers:
    cell, width = canvas.cells(), canvas.between(0.34, 0.44)
    shape = sdf.rhombus(cell.x, cell.y, width, width + 0.05)
    accent = sdf.rhombus(cell.x, cell.y, width * 0.45, width * 0.5)
    return in_cells(canvas, shape, accent, inks=inks, cell=cell)


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
    count = _FOLDS[canvas.scale]
    return _folded(canvas, sdf.triangle_wave(canvas.u * count) * 0.8, count, inks)


def _wave(canvas: Canvas, inks: int) -> Layers:
    count = _FOLDS[canvas.scale]
    across = (8, 4, 2, 2)[canvas.scale]
    bend = torch.sin(canvas.u * (2 * math.pi * across)) * 0.4
    return _folded(canvas, bend, count, inks)


def _trellis(canvas: Canvas, inks: int) -> Layers:
    count = _FOLDS[canvas.scale]
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
    count = _FOLDS[canvas.scale]
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


def _argyle(canvas: Canvas, inks: int) -> Layers:
    """Diamonds tip to tip, and a dashed diagonal through the middles of all of them."""
    across, down = _ARGYLE[canvas.scale]
    a = canvas.u * across + canvas.v * down
    b = canvas.u * across - canvas.v * down
    column, row = torch.floor(a), torch.floor(b)
    x, y = a - column - 0.5, b - row - 0.5
    # One unit of `a` or `b` is this many pixels across the line.
    unit_px = canvas.size_px / math.hypot(across, down)
    inside = torch.maximum(x.abs(), y.abs()) - 0.5
    even = torch.remainder(column + row, 2) < 0.5
    diamond = torch.where(even, inside, -inside) + 0.0 * canvas.fill
    turns = torch.remainder(torch.floor((column + row) / 2), 2) > 0.5
    line = _dashed(x, y, canvas.between(0.022, 0.04))
    return [
        Layer(distance_px=diamond * unit_px, turns=turns),
        Layer(distance_px=line * unit_px, ink=min(inks, 2) - 1, vein=True),
    ]


def _dashed(x: Tensor, y: Tensor, half_width: Tensor) -> Tensor:
    """Stitches along both middle lines of a cell, five to a cell."""
    rise = torch.maximum(x.abs() - half_width, sdf.band(y * 5 + 0.5, half_width * 0 + 0.62) / 5)
    fall = torch.maximum(y.abs() - half_width, sdf.band(x * 5 + 0.5, half_width * 0 + 0.62) / 5)
    return torch.minimum(rise, fall)


def _hex(canvas: Canvas, inks: int) -> Layers:
    """Honeycomb: hexagons with walls between them; further inks fill some of the combs."""
    along, lines = _COMBS[canvas.scale]
    # Columns of combs suit a half-drop, rows of combs everything else.
    drop = canvas.lattice is Lattice.HALF_DROP
    s, t = (canvas.v, canvas.u) if drop else (canvas.u, canvas.v)
    s, t = s * along, t * lines
    best = torch.full_like(s, FAR)
    owner_s, owner_t = torch.zeros_like(s), torch.zeros_like(s)
    for step in (0, 1):
        line = torch.floor(t) + step
        shift = torch.remainder(line, 2) * 0.5
        place = torch.round(s - shift)
        comb = _hexagon(s - shift - place, (t - line) * (math.sqrt(3) / 2))
        nearer = comb < best
        best = torch.where(nearer, comb, best)
        owner_s = torch.where(nearer, place, owner_s)
        owner_t = torch.where(nearer, line, owner_t)
    unit_px = canvas.size_px / along
    wall = canvas.between(0.05, 0.09)
    layers = [Layer(distance_px=(-wall - best) * unit_px)]
    if inks > 1:
        column, row = (owner_t, owner_s) if drop else (owner_s, owner_t)
        sizes = (lines, along) if drop else (along, lines)
        c, r = canvas.fold(column, row, *sizes)
        shuffled = canvas.table(*sizes, 1).flatten(1).argsort(1).argsort(1)
        dye = shuffled[:, r * sizes[0] + c] % inks
        comb = torch.where(dye > 0, best + wall * 1.9, torch.full_like(wall, FAR))
        layers.append(Layer(distance_px=comb * unit_px, dye=dye))
    return layers


def _hexagon(x: Tensor, y: Tensor) -> Tensor:
    """A hexagon half a unit from its middle to its flat left and right sides (exact inside)."""
    x, y = x.abs(), y.abs()
    return torch.maximum(x, 0.5 * x + (math.sqrt(3) / 2) * y) - 0.5


def _truchet(canvas: Canvas, inks: int) -> Layers:
    """Quarter circles around two corners of every square, which two by chance: a maze of arcs."""
    count = _TRUCHET[canvas.scale]
    x, y = canvas.u * count, canvas.v * count
    column, row = torch.floor(x), torch.floor(y)
    c, r = canvas.fold(column, row, count, count)
    flip = canvas.table(count, count, 1)[:, r, c] > 0.5
    dx, dy = x - column, y - row
    dx = torch.where(flip, 1 - dx, dx)
    arc = torch.minimum(torch.hypot(dx, dy), torch.hypot(1 - dx, 1 - dy)) - 0.5
    layers = [Layer(distance_px=canvas.px(arc.abs() - canvas.between(0.1, 0.17), count))]
    if inks > 1:
        layers.append(Layer(distance_px=canvas.px(arc.abs() - 0.04, count), ink=1, vein=True))
    if inks > 2:
        spot = torch.hypot(x - torch.round(x), y - torch.round(y)) - 0.13 + 0.0 * canvas.fill
        layers.append(Layer(distance_px=canvas.px(spot, count), ink=2))
    return layers


_ARGYLE = ((12, 8), (8, 6), (4, 4), (2, 2))
_COMBS = ((14, 16), (10, 12), (4, 4), (2, 2))
_TRUCHET = (16, 10, 6, 4)
_FOLDED = square(_FOLDS)
_SPARSE = ("even", "sparse")

FAMILIES: dict[str, Motif] = {
    "dot": Motif(paint=_dot, repeats=square(), densities=_SPARSE, tosses=True, lines=True),
    "ring": Motif(paint=_ring, repeats=square(), densities=_SPARSE, tosses=True),
    "chevron": Motif(paint=_chevron, repeats=_FOLDED),
    "wave": Motif(paint=_wave, repeats=((8, 12), (4, 8), (2, 4), (2, 2))),
    "scallop": Motif(paint=_scallop, repeats=((12, 24), (8, 16), (4, 8), (2, 4))),
    "diamond": Motif(paint=_diamond, repeats=square(), densities=_SPARSE, lines=True),
    "trellis": Motif(paint=_trellis, repeats=_FOLDED, inks_max=2),
    "argyle": Motif(paint=_argyle, repeats=_ARGYLE, inks_min=2),
    "hex": Motif(paint=_hex, repeats=((14, 8), (10, 6), (4, 2), (2, 1)), inks_max=5),
    "truchet": Motif(paint=_truchet, repeats=square((1, 1, 1, 1)), inks_large_max=3),
}
