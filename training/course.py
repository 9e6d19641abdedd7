"""The whole course of training, stage by stage, each resumable: one command does them in order.

Autoencoder, then reading, then shards of latents, then diffusion. Refuses nothing that exists
already: a stage whose result lies in the folder is not done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer

from training import autoencode, diffuse, reader, vocabulary
from training.export import Card, Parts, export, pipeline
from training.latents import Shards, write_shard
from training.model import Shape, autoencoder, text_encoder, unet
from training.state import load_state
from training.wrap import Wrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Everything a run is made of; the folder holds its checkpoints."""

    folder: Path
    shape: Shape = Shape()
    device: str = "cpu"
    shards: int = 12
    autoencode: autoencode.Plan = field(default_factory=autoencode.Plan)
    reader: reader.Plan = field(default_factory=reader.Plan)
    diffuse: diffuse.Plan = field(default_factory=diffuse.Plan)


def prepare(course: Course) -> AutoencoderKL:
    """Train the autoencoder, or load it if it is finished."""
    torch.manual_seed(course.autoencode.seed)
    model = autoencoder(course.shape)
    autoencode.train(model, course.autoencode, course.folder, device=course.device)
    return model.eval().requires_grad_(False)


def fill(course: Course) -> None:
    """Write the shards that are missing; may run beside a training that reads them."""
    model = prepare(course)
    wrap = Wrap(model)
    for index in range(course.shards):
        write_shard(model, wrap, course.folder / "shards", index, device=course.device)


def read(course: Course) -> tuple[nn.ModuleDict, CLIPTokenizer]:
    """A fresh UNet beside a text encoder that has learned to read."""
    torch.manual_seed(course.reader.seed)
    tokenizer = vocabulary.write(course.folder / "tokenizer")
    text = text_encoder(course.shape, len(tokenizer), tokenizer.eos_token_id)
    reader.train(text, tokenizer, course.reader, course.folder, device=course.device)
    torch.manual_seed(course.diffuse.seed)
    return nn.ModuleDict({"unet": unet(course.shape), "text": text}), tokenizer


def weave(course: Course) -> diffuse.Progress:
    """Train UNet and text encoder on the shards at hand, from the last checkpoint if any."""
    model, tokenizer = read(course)
    run = diffuse.Run(model, tokenizer, course.diffuse, course.folder, course.device)
    return run.train(Shards(course.folder / "shards"))


def train(course: Course) -> diffuse.Progress:
    """All stages in order; interrupt it and start it again as often as you like."""
    fill(course)
    return weave(course)


def parts(course: Course) -> Parts:
    """The averaged model of the last checkpoint, on the CPU, in full precision."""
    model, tokenizer = read(course)
    run = diffuse.Run(model, tokenizer, course.diffuse, course.folder, "cpu")
    vae = autoencoder(course.shape)
    load_state(course.folder / "autoencoder.safetensors", vae)
    averaged = run.average.model
    return Parts(
        autoencoder=vae.eval(),
        unet=averaged["unet"],
        text=averaged["text"],
        tokenizer=tokenizer,
        spread=Shards(course.folder / "shards").spread(),
    )


def ship(course: Course, target: Path, card: Card) -> int:
    """Export the averaged model; answers the bytes of its weights."""
    return export(parts(course), target, card)


__all__ = ["Course", "fill", "parts", "pipeline", "prepare", "read", "ship", "train", "weave"]
