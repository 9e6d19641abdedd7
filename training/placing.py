"""Finds the lattice waves of tiles that came without: a house's own, of which only words are known.

The model itself tells: in training some tiles come with noise in the place of their waves and
little in the picture's, and the waves are to be found. Refuses nothing; whether a model knows waves
is for the caller to ask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.model import PICTURE_CHANNELS
from training.waves import CHANNELS, HEIGHT

STEP = 250
"""The timestep at which the picture is shown: nearly clean, within what training showed."""
LOOKS = 4
"""Guesses from different noise are averaged, and their height set right again."""


def knows_waves(unet: nn.Module) -> bool:
    """Whether the model has room for waves behind the picture's channels."""
    config: Any = unet.config
    return bool(config.in_channels == PICTURE_CHANNELS + CHANNELS)


@torch.no_grad()
def place(pipe: Any, pictures: Tensor, words: Tensor, generator: torch.Generator) -> Tensor:
    """(B, CHANNELS, h, w) for latents (B, 4, h, w) of one lattice, which the wrap must be set to.

    `words` are the text encoder's states, (B, tokens, width).
    """
    kept = pipe.scheduler.alphas_cumprod[STEP].sqrt()
    lost = (1 - pipe.scheduler.alphas_cumprod[STEP]).sqrt()
    steps = torch.full((len(pictures),), STEP)
    size = (len(pictures), PICTURE_CHANNELS + CHANNELS, *pictures.shape[2:])
    found = torch.zeros(len(pictures), CHANNELS, *pictures.shape[2:])
    for _ in range(LOOKS):
        shown = torch.randn(size, generator=generator)
        shown[:, :PICTURE_CHANNELS] = kept * pictures + lost * shown[:, :PICTURE_CHANNELS]
        guess = pipe.unet(shown, steps, words).sample
        found += (kept * shown - lost * guess)[:, PICTURE_CHANNELS:]
    pairs = found.unflatten(1, (CHANNELS // 2, 2))
    return (HEIGHT * pairs / pairs.norm(dim=2, keepdim=True).clamp(min=1e-6)).flatten(1, 2)
