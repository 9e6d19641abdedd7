"""Trains the autoencoder on small periodic tiles, and turns whole tiles into latents.

A 64 px tile of a coarse scale has the very strokes of a fine scale at 256 px, so small tiles teach
the same strokes for a sixteenth of the work. Refuses to touch the diffusion model.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from inference.seamless import Wrap
from training import render
from training.lattice import Lattice
from training.model import reduced
from training.seedling import plant
from training.state import Average, load_state, save_state

LOG = logging.getLogger(__name__)

CROP_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how to train; the wall time is a bound, whatever the steps say."""

    steps: int = 12000
    batch: int = 8
    rate: float = 1e-3
    pool: int = 16000
    seed: int = 1
    wall_s_max: float = 900.0
    size_px: int = CROP_PX
    decoder_only: bool = False


def pool(plan: Plan) -> Tensor:
    """Rendered tiles (N, 3, size, size) as uint8 of coarse scales; half of them off the grid."""
    generator = torch.Generator().manual_seed(plan.seed)
    tiles: list[Tensor] = []
    while len(tiles) * 8 < plan.pool:
        motif, _, lattice = render.draw_group(generator)
        scale = ("medium", "large")[_pick(generator, 2)]
        members = [render.draw_swatch((motif, scale, lattice), generator) for _ in range(8)]
        moved = torch.rand(2, generator=generator) * (_pick(generator, 2) > 0)
        shift = (float(moved[0]), float(moved[1]))
        tiles.append((render.render(members, plan.size_px, shift=shift) * 255).round().byte())
    return torch.cat(tiles)


def _pick(generator: torch.Generator, below: int) -> int:
    return int(torch.randint(below, (1,), generator=generator))


def loss(decoded: Tensor, wanted: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Absolute and squared error, the same of the edges, and a weak pull towards a unit normal."""
    error = decoded - wanted
    edges = _edges(decoded) - _edges(wanted)
    spread = (mean**2 + logvar.exp() - 1 - logvar).mean()
    return error.abs().mean() + 2 * (error**2).mean() + 0.5 * edges.abs().mean() + 1e-5 * spread


def _edges(x: Tensor) -> Tensor:
    across = x[..., 1:, 1:] - x[..., 1:, :-1]
    down = x[..., 1:, 1:] - x[..., :-1, 1:]
    return torch.cat([across, down], 1)


def train(model: AutoencoderKL, plan: Plan, folder: Path, *, device: str = "cpu") -> float:
    """Train or go on training; answers the last batch's PSNR in dB (nan if finished before).

    Writes `autoencoder.safetensors`, or `decoder.safetensors`, where the encoder stays as it is
    and latents already made from it stay valid. Borders are padded with zeros here, as plain
    diffusers does; inside, a wrapped tile looks the same, and half of the tiles are shifted.
    """
    model.to(device=device, memory_format=torch.channels_last).train()
    start = _begin(model, plan, folder)
    if start >= plan.steps:
        return float("nan")
    checkpoint = _checkpoint(plan, folder)
    average = Average(model, 0.995)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=1e-4
    )
    tiles = pool(plan)
    generator = torch.Generator().manual_seed(plan.seed + start)
    began = time.monotonic()
    seen_db = 0.0
    for step in range(start, plan.steps):
        spent = (time.monotonic() - began) / plan.wall_s_max
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = _rate(plan, max(step / plan.steps, spent), step)
        rows = torch.randint(len(tiles), (plan.batch,), generator=generator)
        seen_db = _step(model, tiles[rows].to(device), optimiser)
        average.follow(model)
        if step % 100 == 0:
            LOG.info("autoencoder step %d psnr_db %.2f", step, seen_db)
        if step % 200 == 199:
            save_state(checkpoint, average.model, step + 1)
    model.load_state_dict(average.model.state_dict())
    save_state(checkpoint, model, plan.steps)
    return seen_db


def _checkpoint(plan: Plan, folder: Path) -> Path:
    return folder / ("decoder.safetensors" if plan.decoder_only else "autoencoder.safetensors")


def _begin(model: AutoencoderKL, plan: Plan, folder: Path) -> int:
    """Load the checkpoint, or what comes before it; answers the steps already done."""
    for part in (model.encoder, model.quant_conv):
        part.requires_grad_(not plan.decoder_only)
    start = load_state(_checkpoint(plan, folder), model)
    if start == 0 and plan.decoder_only:
        load_state(folder / "autoencoder.safetensors", model)
    elif start == 0:
        plant(model)
    return start


def _rate(plan: Plan, share: float, step: int) -> float:
    """Cosine from `rate` to a fiftieth of it, after forty steps of warming."""
    warm = min(1.0, (step + 1) / 40)
    return warm * plan.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def _step(model: AutoencoderKL, tiles: Tensor, optimiser: torch.optim.Optimizer) -> float:
    wanted = tiles.to(memory_format=torch.channels_last).float() / 127.5 - 1
    posterior = model.encode(wanted).latent_dist
    latents = posterior.mean + 0.05 * torch.randn_like(posterior.mean)
    decoded = model.decode(latents).sample
    value = loss(decoded, wanted, posterior.mean, posterior.logvar)
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return psnr_db(decoded.detach(), wanted)


def psnr_db(decoded: Tensor, wanted: Tensor) -> float:
    """Peak signal to noise of pictures in -1..1, over the whole batch, in decibels."""
    error = functional.mse_loss(decoded.clamp(-1, 1) / 2, wanted / 2)
    return float(-10 * torch.log10(error.clamp(min=1e-12)))


@torch.no_grad()
def encode(model: AutoencoderKL, wrap: Wrap, tiles: Tensor, lattice: Lattice) -> Tensor:
    """Latent means (B, 4, H/8, W/8) of tiles in 0..1 that all repeat on one lattice.

    Two tiles at a time stay in the cache of a CPU, which is three times as fast as sixteen.
    """
    wrap.use(lattice)
    wanted = (tiles * 2 - 1).to(memory_format=torch.channels_last)
    with reduced(tiles.device.type):
        pairs = [model.encode(pair).latent_dist.mean.float() for pair in wanted.split(2)]
    return torch.cat(pairs)
