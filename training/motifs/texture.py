"""Loose and textural families: terrazzo, confetti, memphis, animal spot, brushstroke, crosshatch,
ikat. Refuses to place anything by order alone: chance comes from the picture's own seed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training import sdf
from training.lattice import Cells, owner
from training.motifs.canvas import (
    DENSITIES,
    FAR,
    ONCE,
    Canvas,
    Counts,
    Layer,
    Layers,
    Motif,
    away,
)

CHIPS: Counts = (10, 8, 4, 2)
"""Cells of terrazzo, a loose chip near the middle of each."""


def _terrazzo(canvas: Canvas, inks: int) -> Layers:
    """Loose chips: one polygon near every cell's middle, its parameters drawn per cell."""
    count = CHIPS[canvas.scale]
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


def _thrown(canvas: Canvas, cell: Cells, channel: int, reach: float) -> tuple[Tensor, Tensor]:
    """Coordinates of a shape thrown somewhere into its cell, at any angle."""
    x = cell.x - (canvas.draw(cell, channel) - 0.5) * reach
    y = cell.y - (canvas.draw(cell, channel + 1) - 0.5) * reach
    return sdf.rotate(x, y, canvas.draw(cell, channel + 2) * (2 * math.pi))


def _confetti(canvas: Canvas, inks: int) -> Layers:
    """Paper dots and snippets thrown over the cloth, every one in a colour of its own."""
    layers: Layers = []
    for base in (0, 10):
        cell = canvas.bare(_CONFETTI[canvas.scale], gaps=base > 0)
        x, y = _thrown(canvas, cell, base, 0.34)
        place, empty = canvas.deal(cell, base + 3)
        size = canvas.between(0.13, 0.19) * (0.75 + 0.5 * canvas.draw(cell, base + 4))
        dot = torch.hypot(x, y) - size
        snippet = sdf.box(x, y, size * 1.5, size * 0.5)
        piece = torch.where(canvas.draw(cell, base + 5) < 0.5, dot, snippet)
        dye = place % inks
        layers.append(Layer(distance_px=canvas.px(away(piece, empty), cell.count), dye=dye))
    return layers


def _memphis(canvas: Canvas, inks: int) -> Layers:
    """Squiggles, triangles, rings, half moons, zigzags and crosses of the eighties, and crumbs."""
    cell = canvas.bare(_MEMPHIS[canvas.scale])
    x, y = _thrown(canvas, cell, 0, 0.12)
    place, empty = canvas.deal(cell, 3)
    thick = canvas.between(0.05, 0.065)
    shapes = (
        sdf.triangle(x, y, 0.4).abs() - thick * 0.7,
        torch.maximum((y - 0.11 * torch.sin(x * 19)).abs() * 0.55 - thick * 0.8, x.abs() - 0.42),
        (torch.hypot(x, y) - 0.27).abs() - thick,
        torch.maximum(torch.hypot(x, y + 0.14) - 0.36, -y - 0.14),
        torch.maximum(
            (y - 0.24 * (sdf.triangle_wave(x * 3.6) - 0.5)).abs() * 0.75 - thick * 0.8,
            x.abs() - 0.42,
        ),
        torch.minimum(
            torch.maximum(x.abs() - thick * 1.2, y.abs() - 0.3),
            torch.maximum(y.abs() - thick * 1.2, x.abs() - 0.3),
        ),
        sdf.triangle(x, y, 0.34),
    )
    kind = canvas.pick(cell, 4, len(shapes))
    shape = torch.full_like(x, FAR)
    for which, distance in enumerate(shapes):
        shape = torch.where(kind == which, distance, shape)
    layers = [Layer(distance_px=canvas.px(away(shape, empty), cell.count), dye=place % inks)]
    crumbs = canvas.bare(_MEMPHIS[canvas.scale], gaps=True)
    x, y = _thrown(canvas, crumbs, 10, 0.1)
    place, empty = canvas.deal(crumbs, 13)
    dash = sdf.box(x, y, thick * 2.2, thick * 0.8)
    three = torch.hypot((x.abs() - 0.07).abs() - 0.07, y) - thick * 0.75
    crumb = torch.where(canvas.draw(crumbs, 14) < 0.5, dash, three)
    crumb = canvas.px(away(crumb, empty), crumbs.count)
    layers.append(Layer(distance_px=crumb, dye=place % inks))
    return layers


def _animal_spot(canvas: Canvas, inks: int) -> Layers:
    """Leopard: broken rosettes around a warmer middle, solid spots in the gaps."""
    layers: Layers = []
    dark = min(inks, 2) - 1
    for base, size in ((0, 1.0), (20, 0.42)):
        cell = canvas.bare(_SPOTS[canvas.scale], gaps=base > 0)
        x, y = _thrown(canvas, cell, base, 0.22)
        x, y = x * 1.15, y * 0.9
        angle = torch.atan2(x, y)
        wobble = 0.13 * torch.sin(2 * angle + 6.3 * canvas.draw(cell, base + 4))
        wobble = wobble + 0.09 * torch.sin(3 * angle + 6.3 * canvas.draw(cell, base + 5))
        wobble = wobble + 0.05 * torch.sin(5 * angle + 6.3 * canvas.draw(cell, base + 7))
        radius = canvas.between(0.29, 0.34) * size
        away_ = torch.hypot(x, y)
        blob = away_ - radius * (1 + wobble)
        if base:
            layers.append(Layer(distance_px=canvas.px(blob, cell.count), ink=dark))
            continue
        gaps = torch.cos(1.5 * angle + 6.3 * canvas.draw(cell, base + 6)).abs() - 0.3
        heavy = 0.24 + 0.1 * torch.sin(angle + 6.3 * canvas.draw(cell, base + 8))
        ring = torch.maximum(blob.abs() - heavy * radius, -gaps * away_ * 0.6)
        if inks > 1:
            layers.append(Layer(distance_px=canvas.px(blob + 0.15 * radius, cell.count)))
        layers.append(Layer(distance_px=canvas.px(ring, cell.count), ink=dark))
    return layers


def _brushstroke(canvas: Canvas, inks: int) -> Layers:
    """Short strokes of a flat brush, ragged where it was lifted, streaked by its bristles."""
    layers: Layers = []
    for base in (0, 20):
        cell = canvas.bare(_STROKES[canvas.scale], gaps=base > 0)
        x = cell.x - (canvas.draw(cell, base) - 0.5) * 0.12
        y = cell.y - (canvas.draw(cell, base + 1) - 0.5) * 0.12
        lean = (canvas.draw(cell, base + 2) - 0.5) * 0.7 + (canvas.turn - 0.5) * 1.2
        x, y = sdf.rotate(x, y, lean)
        y = y - 0.3 * (canvas.draw(cell, base + 3) - 0.5) * x * x * 4
        hair = _bristles(y, canvas, cell, base + 4)
        length = canvas.between(0.34, 0.4) + 0.09 * hair * torch.where(x > 0, 1.0, 0.35)
        body = torch.maximum(x.abs() - length, y.abs() - canvas.between(0.12, 0.16))
        # Bristles run dry towards the stroke's end.
        dry = (hair * 0.5 + 0.62 - (x + 0.36) * 0.9) * 0.05
        stroke = torch.maximum(body, -torch.where(x > 0.0, dry, torch.full_like(dry, FAR)))
        place, empty = canvas.deal(cell, base + 8)
        stroke = canvas.px(away(stroke, empty), cell.count)
        layers.append(Layer(distance_px=stroke, dye=place % inks))
    return layers


def _bristles(y: Tensor, canvas: Canvas, cell: Cells, channel: int) -> Tensor:
    """How far each bristle carries, -1..1, over the brush's width."""
    one = torch.sin(y * 61 + 6.3 * canvas.draw(cell, channel))
    two = torch.sin(y * 103 + 6.3 * canvas.draw(cell, channel + 1))
    return 0.5 * one + 0.5 * two


def _crosshatch(canvas: Canvas, inks: int) -> Layers:
    """Pen lines both ways, wavering in place and weight, so that they break and thicken."""
    count = _HATCHES[canvas.scale]
    patches = 2 * math.ceil(count / 8)
    waver = canvas.noise(patches, patches, 1) - 0.5
    layers: Layers = []
    for place, sign in enumerate((1.0, -1.0)):
        phase = (canvas.u + sign * canvas.v) * count + waver * 0.8
        # One way is drawn nearly all over, the other one where the shade is deep.
        weight = canvas.noise(patches, patches, 2 + place)
        share = canvas.between(0.26, 0.36) * ((weight - 0.12 - 0.22 * place) * 4).clamp(0, 1)
        line = ((torch.remainder(phase, 1.0) - 0.5).abs() - 0.5 * share) * math.sqrt(0.5)
        layers.append(Layer(distance_px=canvas.px(line, count), ink=min(place, inks - 1)))
    return layers


def _ikat(canvas: Canvas, inks: int) -> Layers:
    """Diamonds within diamonds, dyed into the yarn: every thread has slipped a little."""
    across, down = _IKATS[canvas.scale]
    slip = _slip(canvas)
    x, y = canvas.u * across, canvas.v * down + slip * 0.16
    ax, ay = (x - torch.round(x)).abs() * 2, (y - torch.round(y)).abs() * 2
    near = ax + ay
    unit_px = canvas.size_px / (across * 2) * 0.7
    second, third = min(inks, 2) - 1, min(inks, 3) - 1
    grow = canvas.between(-0.04, 0.04)
    layers = []
    for edge, ink in ((0.86, 0), (0.66, -1), (0.54, second), (0.26, third if inks > 2 else -1)):
        layers.append(Layer(distance_px=(near - edge - grow) * unit_px, ink=ink))
    # The smaller medallion between four large ones.
    other = 2 - near
    for edge, ink in ((0.62, second), (0.36, -1), (0.2, 0)):
        layers.append(Layer(distance_px=(other - edge - grow) * unit_px, ink=ink))
    return layers


def _slip(canvas: Canvas) -> Tensor:
    """How far each of 128 upright threads has slipped, -1..1; bundles slip together."""
    # Sixty-four different threads: under a brick the next unit starts in the middle of them.
    single = canvas.table(64, 1, 1)[:, 0]
    bundle = canvas.table(16, 1, 2)[:, 0].repeat_interleave(4, dim=1)
    thread = torch.remainder(torch.floor(canvas.u * 128), 64).long()
    return ((single * 0.6 + bundle * 0.4) * 2 - 1)[:, thread]


_CONFETTI: Counts = (14, 10, 7, 5)
_MEMPHIS: Counts = (8, 6, 4, 3)
_SPOTS: Counts = (12, 8, 6, 4)
_STROKES: Counts = (8, 6, 4, 3)
_HATCHES: Counts = (32, 24, 16, 12)
_IKATS = ((8, 6), (6, 4), (4, 2), (2, 2))

FAMILIES: dict[str, Motif] = {
    "terrazzo": Motif(paint=_terrazzo, repeats=ONCE),
    "confetti": Motif(
        paint=_confetti, repeats=ONCE, inks_max=5, inks_large_max=5, densities=DENSITIES
    ),
    "memphis": Motif(
        paint=_memphis,
        repeats=ONCE,
        inks_min=2,
        inks_max=5,
        inks_large_max=3,
        densities=DENSITIES,
    ),
    "animal-spot": Motif(paint=_animal_spot, repeats=ONCE, inks_max=2),
    "brushstroke": Motif(
        paint=_brushstroke, repeats=ONCE, inks_max=5, inks_large_max=3, densities=DENSITIES
    ),
    "crosshatch": Motif(paint=_crosshatch, repeats=ONCE, inks_max=2),
    "ikat": Motif(
        paint=_ikat, repeats=((2, 6), (2, 4), (2, 2), (2, 2)), inks_max=3, inks_large_max=3
    ),
}
