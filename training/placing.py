"""Finds the lattice waves of tiles that came without: a house's own.

How often a tile repeats inside is known (`training.repeats`). Where the motifs stand, the model
tells: of all places that waves of so many periods can have, the right one is where it denoises the
picture best. Refuses nothing; whether a model knows waves is for the caller to ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from training.folder import Sample
from training.model import PICTURE_CHANNELS
from training.waves import CHANNELS, Plane, counted, ways

_STEP = 600
"""The timestep at which the picture is shown: waves stand out of its noise, the picture hardly."""
_SEED = 7
_TURNS, _FINER = 4, 8
"""Places tried per period: all at once, then the neighbours of the best one on a finer grid."""


def knows_waves(unet: nn.Module) -> bool:
    """Whether the model has room for waves behind the picture's channels."""
    config: Any = unet.config
    return bool(config.in_channels == PICTURE_CHANNELS + CHANNELS)


@torch.no_grad()
def place(pipe: Any, sample: Sample, picture: Tensor, words: Tensor) -> Plane:
    """Where the motifs of a sample stand, whose latents are `picture` (4, h, w).

    The wrap must be set to its lattice; `words` are the text encoder's states, (1, tokens, width).
    """
    shown = _Shown(pipe, picture, words)
    periods = counted(sample.repeats, picture.shape[-1])
    best = shown.best(
        [
            Plane(
                periods=periods,
                lattice=sample.lattice,
                staggered=staggered,
                turns=(first / _TURNS, second / _TURNS),
            )
            for staggered in ways(*periods, sample.lattice)
            for first, second in product(range(_TURNS), repeat=2)
        ]
    )
    near = product((0, -1 / _FINER, 1 / _FINER), repeat=2)
    across, down = best.turns
    return shown.best(
        [replace(best, turns=(across + first, down + second)) for first, second in near]
    )


class _Shown:
    """One picture in one noise, as the model sees it with different waves."""

    def __init__(self, pipe: Any, picture: Tensor, words: Tensor) -> None:
        alphas = pipe.scheduler.alphas_cumprod
        self.unet, self.picture, self.words = pipe.unet, picture, words
        self.kept, self.lost = alphas[_STEP].sqrt(), (1 - alphas[_STEP]).sqrt()
        size = (PICTURE_CHANNELS + CHANNELS, *picture.shape[1:])
        self.noise = torch.randn(size, generator=torch.Generator().manual_seed(_SEED))

    def best(self, tried: Sequence[Plane]) -> Plane:
        """The one with which the picture is denoised best; the first of equals."""
        waves = (one.waves(self.picture.shape[-1]) for one in tried)
        clean = torch.stack([torch.cat([self.picture, one]) for one in waves])
        noisy = self.kept * clean + self.lost * self.noise
        steps = torch.full((len(tried),), _STEP)
        guess = self.unet(noisy, steps, self.words.expand(len(tried), -1, -1)).sample
        wrong = (guess - (self.kept * self.noise - self.lost * clean))[:, :PICTURE_CHANNELS]
        return tried[int(wrong.square().mean((1, 2, 3)).argmin())]
