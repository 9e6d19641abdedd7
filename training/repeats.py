"""How often a tile repeats inside: what its owner may say, and what its pixels tell.

Refuses to guess at motifs that only resemble each other: their owner says how many there are.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import torch
from torch import Tensor

from training.lattice import Lattice, straight_unit
from training.waves import counted, ways

REPEATS_MAX: Final = 32
"""Repeats across or down a tile, at most: finer ones have no place among the latents."""
_ALIKE = 0.98
"""Correlation of a tile with itself, moved by one repeat."""


def fits(across: int, down: int, lattice: Lattice, side: int) -> bool:
    """Whether a tile on this lattice can show so many repeats at all."""
    return bool(ways(*counted((across, down), side), lattice))


def count(tile: Tensor, lattice: Lattice, side: int) -> tuple[int, int]:
    """How often pixels (3, H, W) repeat across and down: the most that look alike; (1, 1) if none.

    `side` is that of its latents, for which the repeats must fit.
    """
    unit = straight_unit(tile, lattice)
    flat = unit - unit.mean((-2, -1), keepdim=True)
    power = torch.fft.rfft2(flat).abs().square().sum(0)
    alike = torch.fft.irfft2(power, s=(unit.shape[-2], unit.shape[-1]))
    alike = alike / alike[0, 0].clamp(min=1e-9)
    height, width = tile.shape[-2:]
    best = (1, 1)
    for across, down in product(range(1, REPEATS_MAX + 1), repeat=2):
        if across * down <= best[0] * best[1]:
            continue
        right, below = width / across, height / down
        for staggered in ways(*counted((across, down), side), lattice):
            half_down = below / 2 * (staggered and lattice is Lattice.HALF_DROP)
            half_right = right / 2 * (staggered and lattice is Lattice.BRICK)
            moves = ((right, half_down), (half_right, below))
            if all(float(_at(alike, *move)) >= _ALIKE for move in moves):
                best = (across, down)
    # What never changes one way, as stripes do, has the other way's count.
    return (min(best),) * 2 if REPEATS_MAX in best else best


def _at(values: Tensor, right: float, down: float) -> Tensor:
    """The value between places, which wrap."""
    height, width = values.shape
    left, top = int(right // 1), int(down // 1)
    across, along = right - left, down - top
    rows = values[[top % height, (top + 1) % height]][:, [left % width, (left + 1) % width]]
    weights = torch.tensor([[1 - along], [along]]) * torch.tensor([1 - across, across])
    return (rows * weights).sum()
