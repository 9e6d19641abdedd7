"""Figurative families: heart, star, moon, bird. Refuses to be lifelike."""

from __future__ import annotations

import torch

from training import sdf
from training.motifs.canvas import Canvas, Counts, Layer, Layers, Motif, alternate, in_cells, square


def _heart(canvas: Canvas, inks: int) -> Layers:
    cell, size = canvas.cells(), canvas.between(0.33, 0.42)
    shape = sdf.heart(cell.x, cell.y, size)
    return in_cells(canvas, shape, sdf.heart(cell.x, cell.y, size * 0.5), inks=inks, cell=cell)


def _star(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.38, 0.48)
    shape = sdf.star(cell.x, cell.y, radius)
    return in_cells(canvas, shape, sdf.star(cell.x, cell.y, radius * 0.5), inks=inks, cell=cell)


def _moon(canvas: Canvas, inks: int) -> Layers:
    cell, radius = canvas.cells(), canvas.between(0.32, 0.42)
    accent = sdf.star(cell.x - radius * 0.55, cell.y, radius * 0.42)
    return in_cells(canvas, sdf.crescent(cell.x, cell.y, radius), accent, inks=inks, cell=cell)


def _bird(canvas: Canvas, inks: int) -> Layers:
    """A perching songbird from the side, looking the other way in every second cell."""
    cell = canvas.cells(_BIRDS)
    size = canvas.between(0.95, 1.1)
    x, y = cell.x / size, cell.y / size + 0.02
    every_second = alternate(cell)
    if every_second is not None:
        x = torch.where(every_second, -x, x)
    body = sdf.stroke(
        x, y,
        ((0.22, -0.16, 0.105), (0.12, -0.03, 0.15), (0.0, 0.06, 0.165), (-0.14, 0.08, 0.1),
         (-0.27, 0.04, 0.05), (-0.42, 0.0, 0.055)),
    )  # fmt: skip
    beak = sdf.stroke(x, y, ((0.31, -0.17, 0.045), (0.42, -0.14, 0.005)))
    legs = torch.minimum(
        sdf.stroke(x, y, ((0.02, 0.2, 0.014), (0.06, 0.36, 0.012), (0.12, 0.36, 0.01))),
        sdf.stroke(x, y, ((-0.07, 0.18, 0.014), (-0.03, 0.36, 0.012), (0.03, 0.36, 0.01))),
    )
    wing = sdf.stroke(
        x, y, ((0.05, 0.0, 0.09), (-0.08, 0.02, 0.085), (-0.2, 0.0, 0.055), (-0.3, -0.06, 0.012))
    )
    eye = torch.hypot(x - 0.25, y + 0.19) - 0.026
    count = cell.count
    second = min(inks, 2) - 1
    return [
        Layer(distance_px=canvas.px(torch.minimum(beak, legs), count), ink=second, vein=True),
        Layer(distance_px=canvas.px(body, count), turns=every_second),
        Layer(distance_px=canvas.px(wing - 0.022, count), ink=-1),
        Layer(distance_px=canvas.px(wing, count), ink=second),
        Layer(distance_px=canvas.px(eye, count), ink=-1, vein=True),
    ]


_BIRDS: Counts = (6, 4, 2, 1)
_SPARSE = ("even", "sparse")

FAMILIES: dict[str, Motif] = {
    "heart": Motif(paint=_heart, repeats=square(), densities=_SPARSE, tosses=True, lines=True),
    "star": Motif(paint=_star, repeats=square(), densities=_SPARSE, tosses=True, lines=True),
    "moon": Motif(paint=_moon, repeats=square(), densities=_SPARSE, tosses=True, lines=True),
    "bird": Motif(
        paint=_bird, repeats=square((3, 2, 1, 1)), cells=_BIRDS, densities=_SPARSE, lines=True
    ),
}
