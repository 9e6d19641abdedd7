"""Shards of latents with their labels on disk, and batches that share one lattice.

Refuses to render while a model trains: shards are written beforehand or by another process.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from training import render
from training.autoencode import encode
from training.labels import FIELDS, label
from training.lattice import Lattice
from training.model import TILE_PX
from training.wrap import Wrap

LOG = logging.getLogger(__name__)

SHARD_TILES = 2048
GROUP_TILES = 16
_LATTICE = list(FIELDS).index("lattice")


def write_shard(
    model: AutoencoderKL, wrap: Wrap, folder: Path, index: int, *, device: str = "cpu"
) -> None:
    """Render and encode one shard, unless it exists; its contents follow from `index` alone."""
    path = folder / f"shard-{index:04d}.safetensors"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1000 + index)
    latents, labels = [], []
    for _ in range(SHARD_TILES // GROUP_TILES):
        group = render.draw_group(generator)
        members = [render.draw_swatch(group, generator) for _ in range(GROUP_TILES)]
        tiles = render.render(members, TILE_PX, device=device)
        latents.append(encode(model, wrap, tiles, group[2]).to("cpu", torch.float16))
        labels.extend(label(member) for member in members)
    draft = path.with_suffix(".draft")
    packed = {
        "latents": torch.cat(latents).contiguous(),
        "labels": torch.tensor(labels, dtype=torch.int16),
    }
    save_file(packed, draft)
    os.replace(draft, path)
    LOG.info("shard %d written", index)


class Shards:
    """All shards found so far, held in memory (16 MB each)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: set[str] = set()
        self.latents = torch.empty(0, 4, TILE_PX // 8, TILE_PX // 8, dtype=torch.float16)
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

    def spread(self) -> float:
        """Standard deviation of all latents; its inverse is the model's scaling factor."""
        return float(self.latents[: 8 * SHARD_TILES].float().std())

    def batch(
        self, lattice: Lattice, size: int, generator: torch.Generator
    ) -> tuple[Tensor, list[list[int]]]:
        """Float latents (size, 4, h, w) of one lattice, and their labels."""
        rows = self._rows[lattice]
        if not len(rows):
            raise ValueError(f"no tiles of lattice {lattice} in the shards")
        picked = rows[torch.randint(len(rows), (size,), generator=generator)]
        return self.latents[picked].float(), self.labels[picked].tolist()
