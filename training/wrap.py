"""Convolutions that wrap around the tile, for training: the model learns what it will be shown.

Refuses to decide the lattice per picture: one lattice at a time, set for the whole batch.
"""

from __future__ import annotations

import torch
from diffusers.models.downsampling import Downsample2D
from torch import Tensor, nn
from torch.nn import functional

from training.lattice import Lattice


class Wrap:
    """Makes every convolution of the given modules wrap; `lattice` may be changed at any time."""

    def __init__(self, *modules: nn.Module) -> None:
        self.lattice = Lattice.STRAIGHT
        for module in modules:
            for part in module.modules():
                if isinstance(part, nn.Conv2d) and part.padding != (0, 0):
                    self._bend(part, int(part.padding[0]))
                elif isinstance(part, Downsample2D) and part.padding == 0:
                    # Its constant one-sided pad is code, not a layer; wrap it here instead.
                    part.padding = -1
                    self._bend_strided(part)

    def pad(self, x: Tensor, before: int, after: int) -> Tensor:
        """Wrap (B, C, H, W) by `before` pixels left and above, `after` right and below."""
        half_h = x.shape[-2] // 2 if self.lattice is Lattice.HALF_DROP else 0
        half_w = x.shape[-1] // 2 if self.lattice is Lattice.BRICK else 0
        if not half_h and not half_w:
            return functional.pad(x, (before, after, before, after), mode="circular")
        if half_h:
            x = self._sides(x, before, after, half_h)
            return self._sides(x.mT, before, after, 0).mT
        x = self._sides(x.mT, before, after, half_w).mT
        return self._sides(x, before, after, 0)

    @staticmethod
    def _sides(x: Tensor, before: int, after: int, shift: int) -> Tensor:
        left, right = x[..., x.shape[-1] - before :], x[..., :after]
        if shift:
            left, right = left.roll(-shift, -2), right.roll(shift, -2)
        return torch.cat([left, x, right], -1)

    def _bend(self, conv: nn.Conv2d, width: int) -> None:
        def forward(x: Tensor) -> Tensor:
            return functional.conv2d(
                self.pad(x, width, width), conv.weight, conv.bias, conv.stride
            )

        conv.forward = forward  # type: ignore[method-assign]

    def _bend_strided(self, down: Downsample2D) -> None:
        conv = down.conv

        def forward(hidden_states: Tensor, *_args: object, **_kwargs: object) -> Tensor:
            return functional.conv2d(
                self.pad(hidden_states, 0, 1), conv.weight, conv.bias, conv.stride
            )

        down.forward = forward
