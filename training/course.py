"""The whole course of training, stage by stage, each resumable: one command does them in order.

Autoencoder, then reading, then shards of latents, then diffusion. Refuses nothing that exists
already: a stage whose result lies in the folder is not done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from inference.seamless import make_seamless
from training import autoencode, diffuse, reader, vocabulary
from training.export import Card, Parts, export
from training.latents import SHARD_TILES, ShardPlan, Shards, write_shard
from training.model import (
    PICTURE_CHANNELS,
    SHIPPED,
    TILE_PX,
    Shape,
    autoencoder,
    refitted,
    text_encoder,
    unet,
)
from training.state import load_state, save_state

_TILES_PX = {"quarter": TILE_PX // 4, "half": TILE_PX // 2, "whole": TILE_PX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Everything a run is made of; the folder holds its checkpoints.

    `quarter_share` and `half_share` of the time are spent when half and whole tiles join.
    """

    folder: Path
    shape: Shape = SHIPPED
    device: str = "cpu"
    shards: int = 12
    shard_tiles: int = SHARD_TILES
    quarter_share: float = 0.35
    half_share: float = 0.5
    autoencode: autoencode.Plan = field(default_factory=autoencode.Plan)
    reader: reader.Plan = field(default_factory=reader.Plan)
    diffuse: diffuse.Plan = field(default_factory=diffuse.Plan)


def begin_from(course: Course, base: Path) -> None:
    """Take autoencoder and text encoder of a diffusers folder for finished; what is there stays.

    The UNet is trained from nothing all the same. Raises RuntimeError where a shape is another one.
    """
    kept = {
        "autoencoder": (_narrow(base / "vae"), autoencoder(course.shape)),
        "reader": (CLIPTextModel.from_pretrained(base / "text_encoder"), _text(course)[0]),
    }
    for name, (theirs, ours) in kept.items():
        if not (course.folder / f"{name}.safetensors").exists():
            ours.load_state_dict(theirs.float().state_dict())
            save_state(course.folder / f"{name}.safetensors", ours, course.autoencode.steps)


def _narrow(folder: Path) -> AutoencoderKL:
    return refitted(AutoencoderKL.from_pretrained(folder).float(), PICTURE_CHANNELS)


def prepare(course: Course) -> AutoencoderKL:
    """Train the autoencoder, or load it if it is finished."""
    torch.manual_seed(course.autoencode.seed)
    model = autoencoder(course.shape)
    autoencode.train(model, course.autoencode, course.folder, device=course.device)
    return model.eval().requires_grad_(False)


def fill(course: Course) -> None:
    """Write the shards that are missing; may run beside a training that reads them."""
    model = prepare(course)
    wrap = make_seamless(model)
    for name, tile_px in _TILES_PX.items():
        for index in range(course.shards):
            plan = ShardPlan(tile_px=tile_px, tiles=course.shard_tiles, device=course.device)
            write_shard(model, wrap, course.folder / name, index=index, plan=plan)


def read(course: Course) -> tuple[nn.ModuleDict, CLIPTokenizer]:
    """A fresh UNet beside a text encoder that has learned to read."""
    torch.manual_seed(course.reader.seed)
    text, tokenizer = _text(course)
    reader.train(text, tokenizer, course.reader, course.folder, device=course.device)
    torch.manual_seed(course.diffuse.seed)
    return nn.ModuleDict({"unet": unet(course.shape), "text": text}), tokenizer


def _text(course: Course) -> tuple[CLIPTextModel, CLIPTokenizer]:
    tokenizer = vocabulary.load(course.folder / "tokenizer")
    return text_encoder(course.shape, len(tokenizer), tokenizer.eos_token_id), tokenizer


def weave(course: Course) -> diffuse.Progress:
    """Train UNet and text encoder on the shards at hand, from the last checkpoint if any.

    The smaller a tile the more of them are seen, and strokes and words are the same on all: quarter
    tiles come first, which hold one repeat or four, then half ones join, then whole ones, which
    large repeats need.
    """
    model, tokenizer = read(course)
    run = diffuse.Run(
        model, tokenizer, plan=course.diffuse, folder=course.folder, device=course.device
    )
    quarter, half, whole = (Shards(course.folder / name, px) for name, px in _TILES_PX.items())
    run.train([quarter], course.quarter_share)
    run.train([quarter, half], course.half_share)
    return run.train([half, whole, whole])


def polish(course: Course) -> float:
    """Train the decoder further against the finished encoder; may run beside the diffusion."""
    torch.manual_seed(course.autoencode.seed + 1)
    plan = replace(course.autoencode, decoder_only=True, seed=course.autoencode.seed + 1)
    return autoencode.train(autoencoder(course.shape), plan, course.folder, device=course.device)


def train(course: Course) -> diffuse.Progress:
    """All stages in order; interrupt it and start it again as often as you like."""
    fill(course)
    polish(course)
    return weave(course)


def parts(course: Course) -> Parts:
    """The averaged model of the last checkpoint, on the CPU, in full precision."""
    model, tokenizer = read(course)
    run = diffuse.Run(model, tokenizer, plan=course.diffuse, folder=course.folder, device="cpu")
    vae = autoencoder(course.shape)
    for stage in ("autoencoder", "decoder"):
        load_state(course.folder / f"{stage}.safetensors", vae)
    averaged = run.average.model
    return Parts(
        autoencoder=vae.eval(),
        unet=averaged["unet"],
        text=averaged["text"],
        tokenizer=tokenizer,
        spread=run.progress.spread,
    )


def ship(course: Course, target: Path, card: Card) -> int:
    """Export the averaged model; answers the bytes of its weights."""
    return export(parts(course), target, card)
