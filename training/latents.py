"""Shards of latents with their labels on disk, and batches that share one lattice.

Refuses to render while a model trains: shards are written beforehand or by another process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from inference.seamless import Wrap
from training import render
from training.autoencode import encode
from training.labels import FIELDS, label, swatch
from training.lattice import Lattice
from training.model import LATENT_STRIDE, PICTURE_CHANNELS, TILE_PX
from training.motifs import SCALES
from training.waves import waves

LOG = logging.getLogger(__name__)

SHARD_TILES = 1024
GROUP_TILES = 16
_LATTICE = list(FIELDS).index("lattice")
_UNIT_PX_MIN = 32
_SAME = 1e-3
"""Levels of 0..1; a renderer's float error is far below."""


# Families whose small strokes, on half a tile, would be finer than any on a whole one.
_COARSE_ONLY = ("check", "terrazzo", "scallop", "chevron", "wave", "trellis")


def _group(generator: torch.Generator, tile_px: int) -> tuple[render.Group, str]:
    """A group for tiles of this side, and the scale that its strokes have on a whole tile."""
    while True:
        motif, drawn, lattice = render.draw_group(generator)
        scale = named(motif, drawn, tile_px)
        if scale is not None:
            return (motif, drawn, lattice), scale


def named(motif: str, drawn: str, tile_px: int) -> str | None:
    """What the scale `drawn` on a tile of this side is called on a whole one; None for too fine."""
    scale: str | None = drawn
    while tile_px < TILE_PX and scale is not None:
        scale = _finer(motif).get(scale)
        tile_px *= 2
    return scale


def _finer(motif: str) -> dict[str, str]:
    """The scale that a half tile of each scale is labelled with."""
    if motif == "check":
        return {"medium": "tiny", "large": "medium"}
    finer = {"small": "tiny", "medium": "small", "large": "medium"}
    if motif in _COARSE_ONLY:
        finer.pop("small")
    return finer


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """What a shard holds: `tiles` (a multiple of GROUP_TILES) of `tile_px`, made on `device`."""

    tile_px: int = TILE_PX
    tiles: int = SHARD_TILES
    device: str = "cpu"


def shard_labels(index: int, plan: ShardPlan) -> list[list[int]]:
    """The labels of a shard, known from its index alone, drawn or not."""
    return [
        label(replace(member, scale=scale))
        for members, scale in _shard_members(index, plan)
        for member in members
    ]


def _shard_members(index: int, plan: ShardPlan) -> Iterator[tuple[list[render.Swatch], str]]:
    """The shard's swatches, group by group, and the scale that each group is labelled with."""
    generator = torch.Generator().manual_seed(1000 + index)
    for _ in range(plan.tiles // GROUP_TILES):
        group, scale = _group(generator, plan.tile_px)
        yield [render.draw_swatch(group, generator) for _ in range(GROUP_TILES)], scale


def write_shard(
    model: AutoencoderKL, wrap: Wrap, folder: Path, *, index: int, plan: ShardPlan
) -> None:
    """Render and encode one shard, unless it exists; its contents follow from `index` alone.

    Half and quarter tiles hold the same strokes as whole ones, only fewer of them, at a quarter or
    a sixteenth of the work; they carry the label of the whole tile that they would be cut from.
    """
    path = folder / f"shard-{index:04d}.safetensors"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    latents: list[Tensor] = []
    labels: list[list[int]] = []
    for members, scale in _shard_members(index, plan):
        tiles = render.render(members, plan.tile_px, device=plan.device)
        latents.append(encoded(model, wrap, tiles, members[0].lattice).to("cpu", torch.float16))
        labels.extend(label(replace(member, scale=scale)) for member in members)
    draft = path.with_suffix(".draft")
    packed = {
        "latents": torch.cat(latents).contiguous(),
        "labels": torch.tensor(labels, dtype=torch.int16),
    }
    save_file(packed, draft)
    os.replace(draft, path)
    LOG.info("shard %d written", index)


def encoded(model: AutoencoderKL, wrap: Wrap, tiles: Tensor, lattice: Lattice) -> Tensor:
    """Latents of tiles of one group; of those that repeat inside, a unit is encoded and laid out.

    The same to float error, because a wrapped encoder cannot tell a unit from its repeats.
    """
    height, width = unit_px(tiles, lattice)
    down, across = tiles.shape[-2] // height, tiles.shape[-1] // width
    if down * across == 1:
        return encode(model, wrap, tiles, lattice)
    unit = tiles[..., :height, :width]
    return encode(model, wrap, unit, Lattice.STRAIGHT).repeat(1, 1, down, across)


def unit_px(tiles: Tensor, lattice: Lattice) -> tuple[int, int]:
    """Height and width of the smallest straight unit of (B, 3, H, W); the tile itself if none."""
    sides = []
    for dim in (-2, -1):
        size = tiles.shape[dim]
        shares = (size // 8, size // 4, size // 2)
        whole = (px for px in shares if px >= _UNIT_PX_MIN and _repeats(tiles, px, dim))
        sides.append(next(whole, size))
    sheared = {Lattice.HALF_DROP: 0, Lattice.BRICK: 1}.get(lattice)
    if sheared is not None and sides[sheared] > tiles.shape[sheared - 2] // 2:
        # The shear moves by half a tile, which is no whole number of these.
        return tiles.shape[-2], tiles.shape[-1]
    return sides[0], sides[1]


def _repeats(tiles: Tensor, px: int, dim: int) -> bool:
    return bool((tiles - tiles.roll(px, dim)).abs().max() < _SAME)


class Shards:
    """All shards of one tile size found so far, held in memory (8 MB each at most)."""

    def __init__(self, folder: Path, tile_px: int) -> None:
        self._folder = folder
        self._loaded: set[str] = set()
        side = tile_px // LATENT_STRIDE
        self.tile_px = tile_px
        self.latents = torch.empty(0, PICTURE_CHANNELS, side, side, dtype=torch.float16)
        self.labels = torch.empty(0, len(FIELDS), dtype=torch.int16)
        self._rows: dict[Lattice, Tensor] = {}
        self.look_again()

    def look_again(self) -> None:
        """Take in shards that another process has finished since."""
        for path in sorted(self._folder.glob("shard-*.safetensors")):
            if path.name not in self._loaded:
                packed = load_file(path)
                self.latents = torch.cat([self.latents, packed["latents"]])
                self.labels = torch.cat([self.labels, packed["labels"]])
                self._loaded.add(path.name)
        for place, lattice in enumerate(Lattice):
            self._rows[lattice] = torch.nonzero(self.labels[:, _LATTICE] == place)[:, 0]

    def holds(self, lattice: Lattice) -> bool:
        """Whether any tile found so far repeats on this lattice."""
        return len(self._rows[lattice]) > 0

    def spread(self) -> float:
        """Standard deviation of the first shard; its inverse is the model's scaling factor."""
        return float(self.latents[:SHARD_TILES].float().std())

    def batch(
        self, lattice: Lattice, size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, list[list[int]]]:
        """Latents (size, 4, h, w) of one lattice, their waves of the same shape, their labels."""
        rows = self._rows[lattice]
        if not len(rows):
            raise ValueError(f"no tiles of lattice {lattice} in the shards")
        picked = rows[torch.randint(len(rows), (size,), generator=generator)]
        kept = self.labels[picked].tolist()
        return self.latents[picked].float(), torch.stack([self._waves(row) for row in kept]), kept

    def _waves(self, row: list[int]) -> Tensor:
        said = swatch(row)
        scales = (drawn for drawn in SCALES if named(said.motif, drawn, self.tile_px) == said.scale)
        return waves(said.motif, next(scales), said.lattice, self.latents.shape[-1])
