"""Ornamental families: ogee, damask, moroccan lantern, quatrefoil, paisley, key, fans, wave crests.

Refuses to shear those that carry their own offset: their counts are such that the wrap of every
lattice meets the ornament's own period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training import sdf
from training.lattice import Lattice
from training.motifs.canvas import FAR, Canvas, Counts, Layer, Layers, Motif, alternate, square


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The ogival net: frames one unit wide and `height` units high, every second row offset.

    `x`, `y` are a pixel's place from the middle of its own frame, `edge` its distance from the
    frame's border (negative inside), all in units; `second` tells the two sets of frames apart.
    """

    x: Tensor
    y: Tensor
    edge: Tensor
    second: Tensor
    height: float
    unit_px: float


def _counts(canvas: Canvas) -> tuple[float, float]:
    """Frames across and down: the offset net closes under each lattice's own wrap."""
    if canvas.scale == 3 and canvas.lattice is Lattice.HALF_DROP:
        return 1.5, 1.0
    if canvas.scale == 2 and canvas.lattice is Lattice.BRICK:
        return 4.0, 2.0
    return ((12.0, 8.0), (6.0, 4.0), (3.0, 2.0), (2.0, 1.0))[canvas.scale]


def _profile(rise: Tensor) -> tuple[Tensor, Tensor]:
    """Half width of an ogee at `rise` 0..1 from its middle to its tip, and its slope."""
    return 0.25 + 0.25 * torch.cos(math.pi * rise), (0.25 * math.pi) * torch.sin(math.pi * rise)


def _frame(canvas: Canvas) -> Frame:
    across, down = _counts(canvas)
    height = across / down
    x, y = canvas.u * across, canvas.v * down
    ax, ay = x - torch.round(x), y - torch.round(y)
    bx, by = x - torch.floor(x) - 0.5, y - torch.floor(y) - 0.5
    half, slope = _profile(ay.abs() * 2)
    lean = torch.sqrt(1 + (slope * 2 / height) ** 2)
    edge = (ax.abs() - half) / lean
    second = edge > 0
    return Frame(
        x=torch.where(second, bx, ax),
        y=torch.where(second, by, ay) * height,
        edge=-edge.abs(),
        second=second,
        height=height,
        unit_px=canvas.size_px / across,
    )


def _ogee(canvas: Canvas, inks: int) -> Layers:
    """Onion-shaped frames in one another, a bud in the middle."""
    frame = _frame(canvas)
    line = -frame.edge - canvas.between(0.035, 0.06)
    inner = (frame.edge + 0.13).abs() - 0.022
    bud = _bud(frame)
    layers = [
        Layer(distance_px=line * frame.unit_px),
        Layer(distance_px=inner * frame.unit_px, ink=min(inks, 2) - 1),
        Layer(distance_px=bud * frame.unit_px, ink=min(inks, 2) - 1),
    ]
    if inks > 2:
        field = torch.where(frame.second, frame.edge + 0.17, torch.full_like(frame.edge, FAR))
        layers.insert(0, Layer(distance_px=field * frame.unit_px, ink=2))
    return layers


def _bud(frame: Frame) -> Tensor:
    """Three petals on a short stem, as high as a third of the frame."""
    x, y, tall = frame.x.abs(), frame.y, frame.height / 1.5
    y = y / tall
    middle = sdf.petal(x, y - 0.06, 0.34, half_width=0.065, turn=0.0)
    side = sdf.petal(x, y - 0.08, 0.24, half_width=0.05, turn=0.85)
    foot = sdf.petal(x, y - 0.12, 0.15, half_width=0.03, turn=2.3)
    stem = sdf.stroke(x, y, ((0.0, 0.05, 0.014), (0.0, 0.24, 0.01)))
    return torch.minimum(torch.minimum(middle, side), torch.minimum(foot, stem)) * min(1.0, tall)


def _damask(canvas: Canvas, inks: int) -> Layers:
    """A mirrored palmette between scrolling leaves, in frames of leaves, as woven tone on tone."""
    frame = _frame(canvas)
    tall = frame.height / 1.5
    x, y = frame.x.abs(), frame.y / tall
    leafy = 0.016 + 0.026 * torch.sin(y * (6 * math.pi)).abs()
    border = -frame.edge - leafy
    body = sdf.petal(x, y - 0.16, 0.44, half_width=0.125, turn=0.0)
    wreath = _strokes(x, y, _WREATH)
    for px, py, turn, length in _LEAFLETS:
        wreath = torch.minimum(
            wreath, sdf.petal(x - px, y - py, length, half_width=length * 0.24, turn=turn)
        )
    second = min(inks, 2) - 1
    return [
        Layer(distance_px=border * frame.unit_px, ink=second),
        Layer(distance_px=(wreath + 0.0 * canvas.fill) * frame.unit_px),
        Layer(distance_px=(body - 0.028) * frame.unit_px, ink=-1),
        Layer(distance_px=body * frame.unit_px),
        Layer(distance_px=(body + 0.03) * frame.unit_px, ink=second if inks > 1 else -1),
        Layer(distance_px=(body + 0.052) * frame.unit_px, ink=2 if inks > 2 else 0),
        Layer(distance_px=_seeds(x, y, body) * frame.unit_px, ink=-1, vein=True),
    ]


# One side of the wreath; the other one mirrors it.
_WREATH: tuple[tuple[sdf.Knot, ...], ...] = (
    (
        (0.0, 0.36, 0.02), (0.1, 0.33, 0.034), (0.2, 0.24, 0.042), (0.26, 0.11, 0.044),
        (0.27, -0.02, 0.04), (0.23, -0.14, 0.032), (0.16, -0.21, 0.024), (0.1, -0.2, 0.02),
        (0.1, -0.15, 0.024),
    ),
    (
        (0.0, 0.36, 0.02), (0.06, 0.45, 0.03), (0.13, 0.47, 0.03), (0.17, 0.42, 0.024),
        (0.14, 0.37, 0.02),
    ),
    ((0.0, 0.1, 0.024), (0.0, 0.4, 0.018)),
)  # fmt: skip
# Place, turn and length of the leaves on the wreath, the crown and the foot.
_LEAFLETS = (
    (0.2, 0.24, 2.0, 0.14), (0.27, 0.1, 1.7, 0.13), (0.27, -0.02, 1.1, 0.15),
    (0.22, -0.15, 0.75, 0.17), (0.14, -0.21, 0.2, 0.17),
    (0.0, -0.3, 0.0, 0.24), (0.0, -0.3, 0.6, 0.17), (0.0, -0.28, 1.15, 0.12),
    (0.0, 0.4, 3.1416, 0.22), (0.06, 0.45, 2.6, 0.13),
    (0.17, 0.18, -0.9, 0.14), (0.19, 0.02, -0.6, 0.12),
)  # fmt: skip


def _strokes(x: Tensor, y: Tensor, lines: tuple[tuple[sdf.Knot, ...], ...]) -> Tensor:
    best = sdf.stroke(x, y, lines[0])
    for knots in lines[1:]:
        best = torch.minimum(best, sdf.stroke(x, y, knots))
    return best


def _seeds(x: Tensor, y: Tensor, body: Tensor) -> Tensor:
    """Rows of seeds within the fruit."""
    row = torch.round(y / 0.055)
    shift = torch.remainder(row, 2) * 0.0275
    across = torch.remainder(x + shift + 0.0275, 0.055) - 0.0275
    seed = torch.hypot(across, y - row * 0.055) - 0.013
    return torch.maximum(seed, body + 0.065)


def _moroccan(canvas: Canvas, inks: int) -> Layers:
    """Lanterns of quarter circles: round bellies, drawn-out tips, each in the next one's neck."""
    across, down = _counts(canvas)
    x, y = canvas.u * across, canvas.v * down
    ax, ay = (x - torch.round(x)).abs() * 2, (y - torch.round(y)).abs() * 2
    belly = torch.hypot(ax - 0.5, ay) - 0.5
    neck = 0.5 - torch.hypot(ax - 0.5, 1 - ay)
    edge = torch.where(ax > 0.5, belly, neck) / 2
    second = edge > 0
    unit_px = canvas.size_px / math.sqrt(across * down)
    depth = -edge.abs()
    layers = [Layer(distance_px=(-depth - canvas.between(0.035, 0.06)) * unit_px)]
    inner = depth + 0.105
    if inks == 1:
        layers.append(Layer(distance_px=(inner.abs() - 0.016) * unit_px, vein=True))
    else:
        here = torch.where(second, torch.full_like(inner, FAR), inner)
        layers.append(Layer(distance_px=(here if inks > 2 else inner) * unit_px, ink=1))
    if inks > 2:
        there = torch.where(second, inner, torch.full_like(inner, FAR))
        layers.append(Layer(distance_px=there * unit_px, ink=2))
    return layers


def _quatrefoil(canvas: Canvas, inks: int) -> Layers:
    """Four-lobed outlines that touch, a small one inside each."""
    cell = canvas.bare((8, 4, 2, 2)[canvas.scale])
    x, y = cell.x.abs(), cell.y.abs()
    outer = _foil(x, y, 0.23, 0.245)
    band = outer.abs() - canvas.between(0.03, 0.05)
    inner = _foil(x, y, 0.1, 0.1)
    layers = [Layer(distance_px=canvas.px(band - 0.01, cell.count))]
    if inks > 2:
        layers.insert(0, Layer(distance_px=canvas.px(outer, cell.count), ink=2))
    layers.append(Layer(distance_px=canvas.px(inner, cell.count), ink=min(inks, 2) - 1))
    return layers


def _foil(x: Tensor, y: Tensor, reach: float, radius: float) -> Tensor:
    """Four discs on a cross and the square between them; folded coordinates."""
    lobe = torch.minimum(torch.hypot(x - reach, y), torch.hypot(x, y - reach)) - radius
    return torch.minimum(lobe, torch.maximum(x, y) - reach)


_DROP: tuple[sdf.Knot, ...] = (
    (-0.03, 0.16, 0.26), (-0.012, 0.07, 0.248), (0.016, -0.02, 0.218), (0.05, -0.1, 0.18),
    (0.083, -0.17, 0.143), (0.108, -0.23, 0.113), (0.122, -0.285, 0.089), (0.122, -0.335, 0.07),
    (0.107, -0.378, 0.055), (0.078, -0.41, 0.043), (0.04, -0.425, 0.033), (0.0, -0.42, 0.025),
    (-0.034, -0.4, 0.017),
)  # fmt: skip


def _paisley(canvas: Canvas, inks: int) -> Layers:
    """The bent drop with its curled tip: a rim, a smaller drop inside, a flower in its belly."""
    cell = canvas.cells(_PAISLEYS)
    every_second = alternate(cell)
    x, y = sdf.rotate(cell.x, cell.y, (canvas.turn - 0.5) * math.radians(_PAISLEY_SWING_DEG))
    if every_second is not None:
        x, y = torch.where(every_second, -x, x), torch.where(every_second, -y, y)
    drop = sdf.stroke(x, y, _DROP) - canvas.between(-0.03, 0.0)
    rim = (drop + 0.055).abs() - 0.018
    heart = torch.minimum(drop + 0.115, sdf.circle(x, y - 0.15, torch.tensor(0.02)))
    bloom = sdf.lobes(x, y - 0.15, 0.095, 6, depth=0.45)
    second = min(inks, 2) - 1
    count = cell.count
    layers = [
        Layer(distance_px=canvas.px(drop, count)),
        Layer(distance_px=canvas.px(rim, count), ink=-1 if inks < 3 else 2, vein=True),
        Layer(distance_px=canvas.px(heart, count), ink=-1 if inks < 2 else 1, vein=True),
        Layer(distance_px=canvas.px(bloom, count), ink=0, vein=True),
        Layer(distance_px=canvas.px(torch.hypot(x, y - 0.15) - 0.03, count), ink=-1, vein=True),
    ]
    crumbs = _beads(x, y)
    layers.append(Layer(distance_px=canvas.px(crumbs, count), ink=second, vein=True))
    return layers


def _beads(x: Tensor, y: Tensor) -> Tensor:
    """Beads around the belly, from one flank to the other."""
    angle = torch.atan2(x, y - 0.15)
    step = math.pi / 9
    place = (torch.round(angle / step)).clamp(-6, 5) * step
    return torch.hypot(x - 0.32 * torch.sin(place), y - 0.15 - 0.32 * torch.cos(place)) - 0.02


_PAISLEYS: Counts = (6, 4, 2, 1)
_PAISLEY_SWING_DEG = 50.0

# The key on a grid of 7 by 7: a running line that folds into itself once in every unit.
_KEY: tuple[tuple[float, float, float, float], ...] = (
    (0, 5, 7, 5), (0, 5, 0, 0), (0, 0, 5, 0), (5, 0, 5, 3), (5, 3, 2, 3), (2, 3, 2, 2),
)  # fmt: skip


def _greek_key(canvas: Canvas, inks: int) -> Layers:
    """Rows of meander; further inks draw the rails between the rows."""
    across, down = _KEYS[canvas.scale]
    x = torch.remainder(canvas.u * across, 1.0) * 7
    row = canvas.v * down
    y = torch.remainder(row, 1.0) * 8 - 1.5
    # The line's end belongs to the unit before and after as well.
    best = torch.full_like(x, FAR)
    for ax, ay, bx, by in _KEY:
        for shift in (-7.0, 0.0, 7.0):
            cx, cy = (ax + bx) / 2 + shift, (ay + by) / 2
            half = torch.full_like(canvas.fill, 0.5)
            line = sdf.box(x - cx, y - cy, half * (abs(bx - ax) + 1), half * (abs(by - ay) + 1))
            best = torch.minimum(best, line)
    unit_px = canvas.size_px / (across * 7)
    tall_px = canvas.size_px / (down * 8)
    layers = [Layer(distance_px=(best + 0.0 * canvas.fill) * min(unit_px, tall_px))]
    if inks > 1:
        rail = (torch.remainder(row + 0.5, 1.0) - 0.5).abs() * 8 - 0.35
        layers.append(Layer(distance_px=(rail + 0.0 * canvas.fill) * tall_px, ink=1))
    return layers


_KEYS = ((8, 8), (6, 6), (4, 4), (2, 2))


def _discs(
    canvas: Canvas, across: int, rows: int, reach: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Rows of touching discs, back to front: (dx, dy, row), dx and dy in diameters.

    Every second row stands half a disc aside; the lower row lies in front of the upper one. The
    discs of `reach` rows below a pixel can cover it.
    """
    x, y = canvas.u * across, canvas.v * rows
    first = torch.floor(y)
    found = []
    for step in range(reach + 1):
        row = first + step
        shift = torch.remainder(row, 2) * 0.5
        dx = torch.remainder(x - shift, 1.0) - 0.5
        found.append((dx, (y - row) * (across / rows), row))
    return found


def _seigaiha(canvas: Canvas, inks: int) -> Layers:
    """Wave crests: ringed discs in rows a quarter of their width apart, the lower one in front."""
    across = (12, 8, 4, 2)[canvas.scale]
    layers: Layers = []
    ring = canvas.between(0.032, 0.042)
    for dx, dy, row in _discs(canvas, across, across * 4, 2):
        away = torch.hypot(dx, dy)
        turns = torch.remainder(row, 2) > 0.5
        layers.append(Layer(distance_px=canvas.px(away - 0.5 + 0 * ring, across), ink=-1))
        for place, radius in enumerate((0.465, 0.335, 0.205, 0.06)):
            band = (away - radius).abs() - ring
            ink = min(inks, 2) - 1 if place % 2 else 0
            layers.append(
                Layer(distance_px=canvas.px(band, across), ink=ink, turns=None if ink else turns)
            )
    return layers


def _deco_fan(canvas: Canvas, inks: int) -> Layers:
    """Fans in rows: nine rays from the foot of each, under two arcs."""
    across = (8, 6, 4, 2)[canvas.scale]
    layers: Layers = []
    for dx, dy, row in _discs(canvas, across, across * 2, 1):
        away = torch.hypot(dx, dy)
        foot = torch.hypot(dx, dy - 0.5)
        angle = torch.atan2(dx, 0.5 - dy) * (9 / 2.6) + 0.5
        ray = ((torch.remainder(angle, 1.0) - 0.5).abs() - canvas.between(0.27, 0.36)) * (
            foot * (2.6 / 9)
        )
        ray = torch.maximum(ray, torch.maximum(away - 0.36, 0.12 - foot))
        arc = (away - 0.41).abs() - 0.018
        rim = (away - 0.485).abs() - 0.018
        turns = torch.remainder(row, 2) > 0.5
        accent = min(inks, 2) - 1
        layers += [
            Layer(distance_px=canvas.px(away - 0.5, across), ink=-1),
            Layer(distance_px=canvas.px(ray, across), turns=turns),
            Layer(distance_px=canvas.px(arc, across), ink=accent),
            Layer(distance_px=canvas.px(rim, across), ink=accent),
        ]
    return layers


_OGIVAL = ((12, 8), (6, 4), (3, 2), (2, 1))

FAMILIES: dict[str, Motif] = {
    "ogee": Motif(paint=_ogee, repeats=_OGIVAL),
    "damask": Motif(paint=_damask, repeats=_OGIVAL, inks_large_max=3),
    "paisley": Motif(
        paint=_paisley,
        repeats=square((3, 2, 1, 1)),
        cells=_PAISLEYS,
        swing_deg=_PAISLEY_SWING_DEG,
        densities=("even", "sparse"),
        tosses=True,
        inks_large_max=3,
    ),
    "quatrefoil": Motif(paint=_quatrefoil, repeats=square((8, 4, 2, 2)), inks_large_max=3),
    "moroccan": Motif(paint=_moroccan, repeats=_OGIVAL),
    "greek-key": Motif(paint=_greek_key, repeats=_KEYS, inks_max=2),
    "deco-fan": Motif(paint=_deco_fan, repeats=((8, 8), (6, 6), (4, 4), (2, 2))),
    "seigaiha": Motif(paint=_seigaiha, repeats=((12, 24), (8, 16), (4, 8), (2, 4))),
}
