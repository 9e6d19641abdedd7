"""Contact sheets: many tiles in one picture, for a person to look at."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training import motifs, render
from training.lattice import Lattice


def swatch_sheet(seed: int, size_px: int) -> Tensor:
    """Every motif in every scale, lattices in turn: (motifs x scales, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    lattices = tuple(Lattice)
    members = [
        render.draw_swatch((motif, scale, lattices[(row + column) % 3]), generator)
        for row, motif in enumerate(motifs.NAMES)
        for column, scale in enumerate(motifs.SCALES)
    ]
    return render.render(members, size_px)


def save_sheet(tiles: Tensor, path: Path, *, columns: int = 8, cell_px: int = 128) -> None:
    """Save tiles (N, 3, H, W) in 0..1 as one PNG; the last row may stay partly white."""
    small = functional.interpolate(tiles.float(), size=(cell_px, cell_px), mode="area")
    missing = -len(small) % columns
    small = torch.cat([small, torch.ones(missing, 3, cell_px, cell_px)])
    rows = small.reshape(-1, columns, 3, cell_px, cell_px).permute(0, 3, 1, 4, 2)
    pixels = (rows.reshape(-1, columns * cell_px, 3).clamp(0, 1) * 255).round().byte()
    Image.fromarray(pixels.numpy()).save(path)
