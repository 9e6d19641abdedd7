"""What the enlarging network learns from: crops of whole tiles, large and as a tile comes to us.

The large one is drawn, four times the tile's side. The small one is the large one averaged, or the
same swatch drawn at the tile's size, or a drawn one sent through the built-in model's autoencoder:
that blur is what the table meets, but it changes with every model, so it is mixed with the sharp
tile by chance. Refuses photographs: a renderer knows the true edge, a photograph only
guesses it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from inference.seamless import Wrap
from training import render
from training.model import TILE_PX
from training.ranges import FIRST, WHOLE

LOG = logging.getLogger(__name__)

SCALE = 4
CROP_PX = 48
"""Of the small picture; the large one's is four times that."""
CROPS_PER_TILE = 8
PART_TILES = 32
HELD_OUT_SEED = 77_000
"""Tiles that are only ever measured; training's seeds are below."""
KINDS = ("averaged", "drawn", "painted")
"""How a small tile came about. Half of the pool is painted, a quarter each of the others."""
_KIND_SHARES = (0.25, 0.25, 0.5)
_PAINTED_RMS_MAX = 0.06
"""Of what painting changes in a pool's tile: past that it is another picture, not a blurred one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One tile, small as it comes to the table and large as it should leave it; 0..1."""

    swatch: render.Swatch
    kind: str
    small: Tensor
    """(3, tile_px, tile_px)."""
    large: Tensor
    """(3, 4 tile_px, 4 tile_px)."""


Paint = Callable[[Tensor, str, torch.Generator], Tensor]
"""A sharp tile (3, H, W), its lattice's name, chance: the tile as a model would paint it."""


class Painted:
    """The blur of the built-in model: its autoencoder there and back, wrapped as the tile wraps."""

    def __init__(self, folder: Path) -> None:
        self._model = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
        self._model.eval().requires_grad_(False)
        self._wrap = Wrap([self._model], None)

    @torch.no_grad()
    def __call__(self, tile: Tensor, lattice: str, generator: torch.Generator) -> Tensor:
        """A tile (3, H, W) in 0..1 as the model would paint it: latents never come out exact."""
        self._wrap.use(lattice)
        latents = self._model.encode(tile[None] * 2 - 1).latent_dist.mean
        amount = 0.08 * float(torch.rand(1, generator=generator))
        latents = latents + amount * torch.randn(latents.shape, generator=generator)
        picture: Tensor = self._model.decode(latents).sample
        return (picture[0] / 2 + 0.5).clamp(0, 1)


def pair(seed: int, paint: Paint, *, kind: str = "", tile_px: int = TILE_PX) -> Pair:
    """The pair of a seed, always the same one; without a `kind` the seed chooses it.

    A painted tile of a named kind is painted wholly, to be measured; else by as much as the seed
    says. Painted ones are of the first range: what an autoencoder never saw it draws wrong.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen, share = torch.rand(2, generator=generator).tolist()
    rms_max = 1.0 if kind else _PAINTED_RMS_MAX * share
    kind = kind or _kind(chosen)
    of = FIRST if kind == "painted" else WHOLE
    swatch = render.draw_swatch(render.draw_group(generator, of), generator, of)
    shift = tuple(torch.rand(2, generator=generator).tolist())
    large = render.render([swatch], SCALE * tile_px, shift=(shift[0], shift[1]))[0]
    if kind == "averaged":
        small = functional.avg_pool2d(large, SCALE)
    else:
        small = render.render([swatch], tile_px, shift=(shift[0], shift[1]))[0]
    if kind == "painted":
        painted = paint(small, swatch.lattice.value, generator)
        rms = float(functional.mse_loss(painted, small).sqrt())
        small = torch.lerp(small, painted, min(1.0, rms_max / max(rms, 1e-6)))
    return Pair(swatch=swatch, kind=kind, small=small, large=large)


def _kind(chosen: float) -> str:
    """The kind at `chosen` in 0..1 of all shares laid end to end."""
    for kind, share in zip(KINDS, _KIND_SHARES, strict=True):
        chosen -= share
        if chosen < 0:
            return kind
    return KINDS[-1]


def fill(folder: Path, paint: Paint, *, tiles: int, tile_px: int = TILE_PX) -> None:
    """Write crops of `tiles` tiles in parts; parts that are there stay, so it can go on.

    `tile_px` must be more than CROP_PX.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(-(-tiles // PART_TILES)):
        path = folder / f"crops-{part:03d}.safetensors"
        if path.exists():
            continue
        smalls, larges = zip(*_crops(part, paint, tile_px), strict=True)
        draft = path.with_suffix(".draft")
        save_file({"small": torch.stack(smalls), "large": torch.stack(larges)}, draft)
        os.replace(draft, path)
        LOG.info("part %d of %d", part + 1, -(-tiles // PART_TILES))


def _crops(part: int, paint: Paint, tile_px: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of crops as bytes, (3, CROP_PX, CROP_PX) and four times that, of one part's tiles."""
    generator = torch.Generator().manual_seed(part)
    for tile in range(part * PART_TILES, (part + 1) * PART_TILES):
        one = pair(tile, paint, tile_px=tile_px)
        for _ in range(CROPS_PER_TILE):
            low = torch.randint(tile_px - CROP_PX, (2,), generator=generator).tolist()
            yield _cut(one.small, low, 1), _cut(one.large, low, SCALE)


def _cut(picture: Tensor, low: list[int], scale: int) -> Tensor:
    top, left, side = scale * low[0], scale * low[1], scale * CROP_PX
    return (picture[:, top : top + side, left : left + side] * 255).round().byte().contiguous()


def load(folder: Path) -> tuple[Tensor, Tensor]:
    """All crops that are there, small and large, as bytes."""
    parts = [load_file(path) for path in sorted(folder.glob("crops-*.safetensors"))]
    return torch.cat([part["small"] for part in parts]), torch.cat([p["large"] for p in parts])
