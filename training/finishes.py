"""What is done to a painted swatch: thinned, outlined, bled like watercolour, woven, grained.

Refuses to break the repeat: noise comes from the canvas, which folds it onto the tile.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from training.motifs.canvas import FAR, Canvas, Layers, Motif

TEXTURES: tuple[str, ...] = ("plain", "linen", "watercolour", "grain")
STYLES: tuple[str, ...] = ("fill", "line")
LAYOUTS: tuple[str, ...] = ("set", "tossed")
_LINE_PX = (0.7, 0.9, 1.2, 1.8)
"""Half of an outline's width by scale, at 256 px."""


def thinned(canvas: Canvas, motif: Motif, layers: Layers) -> Layers:
    """Every second cell left empty, checkerwise; for families of one shape to a cell."""
    cell = canvas.bare(motif.cells[canvas.scale])
    empty = torch.remainder(cell.column + cell.row, 2) > 0.5
    kept = []
    for layer in layers:
        distance = layer.distance_px
        far = torch.full_like(distance, FAR * canvas.size_px)
        kept.append(replace(layer, distance_px=torch.where(empty, far, distance)))
    return kept


def outlined(canvas: Canvas, layers: Layers) -> Layers:
    """Shapes become their outlines; lines stay lines, and what was cut out is drawn instead."""
    half_px = _LINE_PX[canvas.scale] * canvas.size_px / 256
    drawn = []
    for layer in layers:
        if layer.vein:
            drawn.append(replace(layer, ink=max(layer.ink, 0)))
        elif layer.ink >= 0:
            drawn.append(replace(layer, distance_px=layer.distance_px.abs() - half_px))
    return drawn


def bled(canvas: Canvas, layers: Layers) -> Layers:
    """Edges that wander a little, as wet paint does; finer than the finest stroke is broad."""
    wander = canvas.noise(32, 32, 70) + 0.6 * canvas.noise(64, 64, 71) - 0.8
    reach_px = (1.6, 2.4, 3.4, 4.4)[canvas.scale] * canvas.size_px / 256
    return [
        layer if layer.vein else replace(layer, distance_px=layer.distance_px + wander * reach_px)
        for layer in layers
    ]


def woven(canvas: Canvas, picture: Tensor, texture: str) -> Tensor:
    """The picture (B, 3, H, W) on its cloth or paper; the mean of every colour hardly moves."""
    if texture == "linen":
        return (picture * (1 + _linen(canvas)[:, None])).clamp(0, 1)
    if texture == "grain":
        speck = canvas.noise(128, 128, 81) + canvas.noise(64, 64, 82) - 1
        return (picture + 0.13 * speck[:, None]).clamp(0, 1)
    if texture == "watercolour":
        pool = canvas.noise(6, 6, 83) + 0.6 * canvas.noise(16, 16, 84) - 0.8
        paper = canvas.noise(96, 96, 85) - 0.5
        return (picture * (1 + 0.1 * pool + 0.05 * paper)[:, None]).clamp(0, 1)
    return picture


def _linen(canvas: Canvas) -> Tensor:
    """Light and shade of threads, (B, H, W) around 0: each has its own, some are slubs."""
    warp = canvas.noise(64, 8, 86) - 0.5
    weft = canvas.noise(8, 64, 87) - 0.5
    wave = torch.sin(canvas.u * (128 * torch.pi)) * torch.sin(canvas.v * (128 * torch.pi))
    return 0.15 * warp + 0.15 * weft + 0.035 * wave
