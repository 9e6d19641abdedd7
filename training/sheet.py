"""Contact sheets: many tiles in one picture, for a person to look at."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from training import motifs, render
from training.lattice import Lattice
from training.ranges import FIRST, Range

LABEL_PX = 18


def swatch_sheet(
    seed: int, size_px: int, of: Range = FIRST, scales: tuple[str, ...] = motifs.SCALES
) -> tuple[Tensor, list[str]]:
    """Every motif in these scales, lattices in turn: (motifs x scales, 3, size, size), words."""
    generator = torch.Generator().manual_seed(seed)
    lattices = tuple(Lattice)
    members = [
        render.draw_swatch((motif, scale, lattices[(row + column) % 3]), generator, of)
        for row, motif in enumerate(of.motifs)
        for column, scale in enumerate(scales)
    ]
    labels = [
        one.motif if one.scale == scales[0] else f"{one.scale}, {one.lattice.value}"
        for one in members
    ]
    return render.render(members, size_px), labels


def save_sheet(
    tiles: Tensor,
    path: Path,
    *,
    columns: int = 8,
    cell_px: int = 128,
    labels: list[str] | None = None,
) -> None:
    """Save tiles (N, 3, H, W) in 0..1 as one PNG; the last row may stay partly white.

    With `labels`, one per tile, a line of words stands under each.
    """
    small = functional.interpolate(tiles.float(), size=(cell_px, cell_px), mode="area")
    gap = LABEL_PX if labels else 0
    small = functional.pad(small, (0, 0, 0, gap), value=1.0)
    missing = -len(small) % columns
    small = torch.cat([small, torch.ones(missing, 3, cell_px + gap, cell_px)])
    rows = small.reshape(-1, columns, 3, cell_px + gap, cell_px).permute(0, 3, 1, 4, 2)
    pixels = (rows.reshape(-1, columns * cell_px, 3).clamp(0, 1) * 255).round().byte()
    picture = Image.fromarray(pixels.numpy())
    if labels:
        pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=LABEL_PX * 0.62)
        for place, text in enumerate(labels):
            row, column = divmod(place, columns)
            corner = (column * cell_px + 2, row * (cell_px + gap) + cell_px + 1)
            pen.text(corner, text, fill="black", font=font)
        # Labelled sheets go into pages: 256 colours are enough to see, for a third of the bytes.
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
