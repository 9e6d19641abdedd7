"""Teaches the text encoder to read before it has to steer a picture.

Captions are free, so the encoder first learns to name a caption's attributes; the UNet then starts
with tokens that already mean something. The heads that name them are thrown away afterwards.
"""

from __future__ import annotations

import logging
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from training import captions, render
from training.labels import FIELDS, label
from training.state import load_state, save_state

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to read; the wall time is a bound."""

    steps: int = 2500
    batch: int = 96
    rate: float = 1.5e-3
    seed: int = 2
    wall_s_max: float = 240.0


def tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Token ids (B, model_max_length), padded and cut as the pipeline does it."""
    coded = tokenizer(
        texts,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    ids: Tensor = coded.input_ids
    return ids


def train(
    model: CLIPTextModel, tokenizer: CLIPTokenizer, plan: Plan, folder: Path, *, device: str = "cpu"
) -> float:
    """Train if no `reader.safetensors` exists; answers the share of attributes read rightly.

    An attribute that a caption leaves out counts as an error, so the share cannot reach 1.
    """
    checkpoint = folder / "reader.safetensors"
    model.to(device)
    if load_state(checkpoint, model):
        return float("nan")
    width = model.config.hidden_size
    heads = nn.ModuleList(nn.Linear(width, size) for size in FIELDS.values()).to(device)
    weights = [*model.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=plan.rate, weight_decay=1e-3)
    generator = torch.Generator().manual_seed(plan.seed)
    dice = random.Random(plan.seed)  # noqa: S311  (words, not secrets)
    began = time.monotonic()
    right = 0.0
    for step in range(plan.steps):
        spent = max(step / plan.steps, (time.monotonic() - began) / plan.wall_s_max)
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            warm = min(1, (step + 1) / 100)
            group["lr"] = plan.rate * warm * 0.5 * (1 + math.cos(math.pi * spent))
        swatches = [
            render.draw_swatch(render.draw_group(generator), generator) for _ in range(plan.batch)
        ]
        texts = [captions.caption(swatch, dice) for swatch in swatches]
        wanted = torch.tensor([label(swatch) for swatch in swatches], device=device)
        value, right = _grade(model, heads, tokens(tokenizer, texts).to(device), wanted)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        if step % 100 == 0:
            LOG.info("reader step %d loss %.3f right %.3f", step, float(value.detach()), right)
    save_state(checkpoint, model, plan.steps)
    return right


def _grade(
    model: CLIPTextModel, heads: nn.ModuleList, ids: Tensor, wanted: Tensor
) -> tuple[Tensor, float]:
    """Mean cross entropy of every attribute at the caption's end and at the last pad."""
    states = model(ids).last_hidden_state
    ends = (ids == ids.max()).int().argmax(1)
    value, hits = torch.zeros((), device=ids.device), 0.0
    for state in (states[torch.arange(len(ids)), ends], states[:, -1]):
        for place, head in enumerate(heads):
            guess = head(state)
            value = value + functional.cross_entropy(guess, wanted[:, place])
            hits += float((guess.argmax(1) == wanted[:, place]).float().mean())
    return value / (2 * len(heads)), hits / (2 * len(heads))
