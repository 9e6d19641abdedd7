"""Botanical families: leaf, fern, daisy, rose, berry, ditsy florals, tossed sprigs.

Refuses to be a picture of any one plant: these are the stock shapes of printed cloth.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training import sdf
from training.lattice import Cells
from training.motifs.canvas import (
    DENSITIES,
    FAR,
    ONCE,
    Canvas,
    Counts,
    Layer,
    Layers,
    Motif,
    alternate,
    away,
    square,
)


def _leaf(canvas: Canvas, inks: int) -> Layers:
    cell = canvas.cells()
    length = canvas.between(0.4, 0.46)
    x, y = sdf.rotate(cell.x, cell.y, (canvas.turn - 0.5) * (math.pi / 2))
    shape = sdf.leaf(x, y, length, length * 0.5)
    rib = torch.maximum(x.abs() - 0.035, y.abs() - length * 0.7)
    return [
        Layer(distance_px=canvas.px(shape, cell.count), turns=alternate(cell)),
        Layer(distance_px=canvas.px(rib, cell.count), ink=1 if inks > 1 else -1, vein=True),
    ]


def _daisy(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.42, 0.48)
    shape = sdf.daisy(cell.x, cell.y, radius)
    heart = canvas.px(sdf.circle(cell.x, cell.y, radius * 0.3), cell.count)
    return [
        Layer(distance_px=canvas.px(shape, cell.count), turns=alternate(cell)),
        Layer(distance_px=heart, ink=1 if inks > 1 else -1),
    ]


def _swung(canvas: Canvas, cell: Cells, swing_deg: float) -> tuple[Tensor, Tensor]:
    """Cell coordinates turned by the picture's own angle, mirrored in every second cell."""
    every_second = alternate(cell)
    x = cell.x if every_second is None else torch.where(every_second, -cell.x, cell.x)
    return sdf.rotate(x, cell.y, (canvas.turn - 0.5) * math.radians(swing_deg))


_FERN_SWING_DEG = 70.0


def _fern(canvas: Canvas, inks: int) -> Layers:
    """A frond: a bent stem with a dozen pairs of leaflets, shorter and shorter to the tip."""
    cell = canvas.cells(_PLANTS)
    x, y = _swung(canvas, cell, _FERN_SWING_DEG)
    x = x - 0.5 * y * y + 0.06
    up = (0.46 - y) / 0.92
    stem = torch.maximum(x.abs() - 0.014 * (1.3 - up), y.abs() - 0.46)
    # Along a leaflet's slant, what was a row of leaflets is a row of bands.
    slanted = up + x.abs() * -0.75
    place = slanted * 15
    start = (torch.floor(place) + 0.5) / 15
    room = (1 - start).clamp(0, 1) ** 0.75 * (0.45 + start * 2.4).clamp(0, 1)
    reach = canvas.between(0.28, 0.36) * room
    along = x.abs() / reach.clamp(min=0.02)
    half = 0.4 * torch.sqrt((1 - along).clamp(min=0)) * (0.55 + 0.45 * (along * 3).clamp(max=1))
    leaflet = ((torch.remainder(place, 1.0) - 0.5).abs() - half) * 0.044
    leaflet = torch.maximum(leaflet, (x.abs() - reach) * 0.7)
    leaflet = torch.maximum(leaflet, torch.maximum(0.07 - start, start - 0.97))
    shape = torch.minimum(stem, leaflet)
    layers = [Layer(distance_px=canvas.px(shape, cell.count), turns=alternate(cell))]
    if inks > 1:
        layers.append(Layer(distance_px=canvas.px(stem - 0.008, cell.count), ink=1, vein=True))
    return layers


def _rose(canvas: Canvas, inks: int) -> Layers:
    """A cabbage rose from above: rings of petals cut by creases around a coil, on three leaves."""
    cell = canvas.cells(_PLANTS)
    x, y, count = cell.x, cell.y, cell.count
    size = canvas.between(0.9, 1.05)
    x, y = x / size, y / size
    leaves = torch.full_like(x, FAR)
    for turn in (0.9, 3.0, 5.1):
        leaves = torch.minimum(leaves, sdf.petal(x, y, 0.47, half_width=0.1, turn=turn))
    outer = sdf.lobes(x, y, 0.34, 5, depth=0.14)
    middle = sdf.lobes(x, y, 0.25, 5, turn=0.6, depth=0.14)
    inner = sdf.lobes(x, y, 0.16, 4, turn=0.2, depth=0.14)
    leaf_ink = min(inks, 2) - 1
    return [
        Layer(distance_px=canvas.px(leaves, count), ink=leaf_ink),
        Layer(distance_px=canvas.px(outer - 0.025, count), ink=-1),
        Layer(distance_px=canvas.px(outer, count)),
        Layer(distance_px=canvas.px(middle, count)),
        Layer(distance_px=canvas.px(middle.abs() - 0.014, count), ink=-1, vein=True),
        Layer(distance_px=canvas.px(inner, count), ink=2 if inks > 2 else 0),
        Layer(distance_px=canvas.px(inner.abs() - 0.013, count), ink=-1, vein=True),
        Layer(distance_px=canvas.px(_coil(x, y), count), ink=-1, vein=True),
    ]


def _coil(x: Tensor, y: Tensor) -> Tensor:
    """A spiral line of two turns, 0.1 wide all over."""
    away_ = torch.hypot(x, y)
    turns = torch.atan2(x, -y) / (2 * math.pi)
    line = (torch.remainder(away_ / 0.055 - turns, 1.0) - 0.5).abs() * 0.055 - 0.011
    return torch.maximum(line, away_ - 0.11)


def _berry(canvas: Canvas, inks: int) -> Layers:
    """Three berries on stalks that meet under a leaf."""
    cell = canvas.cells(_PLANTS)
    x, y = cell.x, cell.y
    every_second = alternate(cell)
    if every_second is not None:
        x = torch.where(every_second, -x, x)
    round_ = canvas.between(0.12, 0.145)
    places = ((-0.2, 0.16), (0.1, 0.27), (0.25, 0.0))
    berries = torch.full_like(x + canvas.fill, FAR)
    shine = berries
    stalks = torch.full_like(x, FAR)
    for bx, by in places:
        berries = torch.minimum(berries, sdf.circle(x - bx, y - by, round_))
        shine = torch.minimum(shine, sdf.circle(x - bx + 0.045, y - by + 0.045, round_ * 0.24))
        bend = ((bx, by, 0.017), (bx * 0.45, by * 0.3 - 0.1, 0.016), (-0.05, -0.3, 0.022))
        stalks = torch.minimum(stalks, sdf.stroke(x, y, bend))
    leaf = sdf.petal(x + 0.05, y + 0.28, 0.34, half_width=0.085, turn=1.2)
    leaf = torch.minimum(leaf, sdf.petal(x + 0.05, y + 0.28, 0.3, half_width=0.075, turn=-1.25))
    green = torch.minimum(stalks, leaf)
    count = cell.count
    return [
        Layer(distance_px=canvas.px(green, count), ink=min(inks, 2) - 1),
        Layer(distance_px=canvas.px(berries, count), turns=every_second),
        Layer(distance_px=canvas.px(shine, count), ink=-1, vein=True),
    ]


def _ditsy(canvas: Canvas, inks: int) -> Layers:
    """Small five-petalled flowers and leaf pairs thrown close together."""
    count = (16, 12, 8, 6)[canvas.scale]
    layers: Layers = []
    for which in (0, 1):
        cell = canvas.bare(count, gaps=which > 0)
        base = which * 10
        x = cell.x - (canvas.draw(cell, base) - 0.5) * 0.3
        y = cell.y - (canvas.draw(cell, base + 1) - 0.5) * 0.3
        x, y = sdf.rotate(x, y, canvas.draw(cell, base + 2) * (2 * math.pi))
        place, empty = canvas.deal(cell, base + 3)
        if which:
            shape = torch.minimum(
                sdf.petal(x, y - 0.08, 0.3, half_width=0.07, turn=0.6),
                sdf.petal(x, y - 0.08, 0.3, half_width=0.07, turn=-0.6),
            )
            ink = min(inks, 2) - 1
            layers.append(Layer(distance_px=canvas.px(away(shape, empty), count), ink=ink))
            continue
        size = canvas.between(0.3, 0.36)
        flower = _petals(x, y, size)
        dye = _but_second(place, inks)
        layers.append(Layer(distance_px=canvas.px(away(flower, empty), count), dye=dye))
        eye = away(torch.hypot(x, y) - size * 0.27, empty)
        layers.append(
            Layer(distance_px=canvas.px(eye, count), ink=1 if inks > 1 else -1, vein=True)
        )
    return layers


def _but_second(place: Tensor, inks: int) -> Tensor:
    """The inks in turn, without the second one, which is kept for accents."""
    dye = place % max(inks - 1, 1)
    return torch.where(dye > 0, dye + 1, dye)


def _petals(x: Tensor, y: Tensor, radius: Tensor, count: int = 5) -> Tensor:
    """Round petals in a ring around the origin."""
    sector = 2 * math.pi / count
    angle = torch.atan2(x, -y)
    folded = torch.remainder(angle + sector / 2, sector) - sector / 2
    length = torch.hypot(x, y)
    px, py = length * torch.sin(folded), length * torch.cos(folded)
    return torch.hypot(px, py - radius * 0.62) - radius * 0.39


def _tossed_botanical(canvas: Canvas, inks: int) -> Layers:
    """Sprigs, single leaves and buds, thrown so that none stands like its neighbour."""
    count = (8, 6, 4, 2)[canvas.scale]
    layers: Layers = []
    for which, size in ((0, 0.95), (1, 0.6)):
        cell = canvas.bare(count, gaps=which > 0)
        base = which * 10 + 20
        x = cell.x - (canvas.draw(cell, base) - 0.5) * 0.16
        y = cell.y - (canvas.draw(cell, base + 1) - 0.5) * 0.16
        x, y = sdf.rotate(x / size, y / size, canvas.draw(cell, base + 2) * (2 * math.pi))
        place, empty = canvas.deal(cell, base + 3)
        kind = canvas.pick(cell, base + 4, 2) + which
        stem, leaves, bud = _sprig(x, y)
        single, rib = _single(x, y)
        green = torch.where(kind == 0, torch.minimum(stem, leaves), single)
        green = torch.where(kind == 1, torch.minimum(stem, leaves), green)
        bloom = torch.where(kind == 1, bud, torch.full_like(bud, FAR))
        vein = torch.where(kind > 1, rib, torch.full_like(rib, FAR))
        dye = _but_second(place, inks)
        unit = size * (1 - 0.1 * (1 - canvas.fill))
        layers += [
            Layer(distance_px=canvas.px(away(green * unit, empty), count), dye=dye),
            Layer(distance_px=canvas.px(away(vein * unit, empty), count), ink=-1, vein=True),
            Layer(distance_px=canvas.px(away(bloom * unit, empty), count), ink=min(inks, 2) - 1),
        ]
    return layers


def _sprig(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A bent stem, four pairs of leaves and one at the tip, a bud: distances of each."""
    x = x - 0.5 * y * y + 0.05
    stem = sdf.stroke(x, y, ((0.0, 0.42, 0.016), (0.0, -0.3, 0.01)))
    side = x.abs()
    leaves = sdf.petal(x, y + 0.22, 0.22, half_width=0.06, turn=0.0)
    for place, length in ((0.26, 0.24), (0.1, 0.23), (-0.05, 0.2), (-0.17, 0.16)):
        leaves = torch.minimum(
            leaves, sdf.petal(side, y - place, length, half_width=length * 0.26, turn=0.95)
        )
    bud = torch.hypot(x, y + 0.33) - 0.085
    return stem, leaves, bud


def _single(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A broad leaf with its stalk, and the rib cut into it."""
    leaf = torch.minimum(
        sdf.petal(x, y - 0.28, 0.64, half_width=0.17, turn=0.0),
        sdf.stroke(x, y, ((0.0, 0.28, 0.02), (0.03, 0.42, 0.02))),
    )
    rib = sdf.stroke(x, y, ((0.0, 0.22, 0.02), (0.0, -0.22, 0.008)))
    for place in (0.12, -0.02, -0.14):
        side = ((0.0, place + 0.05, 0.011), (0.09, place - 0.06, 0.006))
        rib = torch.minimum(rib, sdf.stroke(x.abs(), y, side))
    return leaf, rib


_SPARSE = ("even", "sparse")
_PLANTS: Counts = (6, 4, 2, 1)
_MIRRORED = square((3, 2, 1, 1))

FAMILIES: dict[str, Motif] = {
    "leaf": Motif(
        paint=_leaf, repeats=square(), swing_deg=90, densities=_SPARSE, tosses=True, lines=True
    ),
    "daisy": Motif(paint=_daisy, repeats=square(), densities=_SPARSE, tosses=True, lines=True),
    "fern": Motif(
        paint=_fern, repeats=_MIRRORED, cells=_PLANTS, swing_deg=_FERN_SWING_DEG, densities=_SPARSE
    ),
    "rose": Motif(
        paint=_rose,
        repeats=square(_PLANTS),
        cells=_PLANTS,
        densities=_SPARSE,
        tosses=True,
        lines=True,
        inks_large_max=3,
    ),
    "berry": Motif(
        paint=_berry, repeats=_MIRRORED, cells=_PLANTS, densities=_SPARSE, tosses=True, lines=True
    ),
    "ditsy-floral": Motif(
        paint=_ditsy, repeats=ONCE, inks_max=5, inks_large_max=5, densities=DENSITIES
    ),
    "tossed-botanical": Motif(
        paint=_tossed_botanical, repeats=ONCE, inks_max=5, inks_large_max=3, densities=DENSITIES
    ),
}
