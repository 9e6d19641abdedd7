"""Rolling a tile over its own repeat to lie nearest to noise: the same pattern, another place."""

from __future__ import annotations

import pytest
import torch

from training.lattice import Lattice, lower_neighbour, right_neighbour
from training.phase import meet


def rolls(tile: torch.Tensor, lattice: Lattice) -> list[torch.Tensor]:
    """Every window of the infinite pattern, found by laying tiles out, not by Fourier."""
    right = right_neighbour(tile, lattice)
    upper = torch.cat([tile, right, right_neighbour(right, lattice)], -1)
    lower = lower_neighbour(tile, lattice)
    after = lower_neighbour(right, lattice)
    below = torch.cat([lower, after, right_neighbour(after, lattice)], -1)
    plane = torch.cat([upper, below], -2)
    height, width = tile.shape[-2:]
    return [
        plane[:, top : top + height, left : left + width]
        for top in range(height)
        for left in range(2 * width)
    ]


@pytest.mark.parametrize("lattice", list(Lattice))
def test_the_nearest_of_all_windows_is_found(lattice: Lattice) -> None:
    """What is chosen is a window of the pattern, and none of the others is nearer to the noise."""
    generator = torch.Generator().manual_seed(3)
    clean, noise = torch.randn(2, 2, 3, 4, 6, generator=generator).unbind(0)
    for tile, near, chosen in zip(clean, noise, meet(clean, noise, lattice), strict=True):
        windows = rolls(tile, lattice)
        assert any(torch.equal(chosen, window) for window in windows)
        best = max(float((window * near).sum()) for window in windows)
        assert float((chosen * near).sum()) == pytest.approx(best, rel=1e-5)


def test_the_last_channels_alone_can_choose() -> None:
    """With `last`, the others move along, wherever that leaves them."""
    generator = torch.Generator().manual_seed(4)
    clean, noise = torch.randn(2, 1, 4, 6, 6, generator=generator).unbind(0)
    chosen = meet(clean, noise, Lattice.STRAIGHT, last=2)
    assert torch.equal(chosen[:, 2:], meet(clean[:, 2:], noise[:, 2:], Lattice.STRAIGHT))
    assert any(torch.equal(chosen[0], window) for window in rolls(clean[0], Lattice.STRAIGHT))
    assert not torch.equal(chosen, meet(clean, noise, Lattice.STRAIGHT))


def test_noise_does_not_choose_among_patterns() -> None:
    """Every row keeps its own values: nothing but the place changes."""
    clean = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    moved = meet(clean, torch.randn_like(clean), Lattice.STRAIGHT)
    assert torch.equal(moved.flatten(1).sort(1).values, clean.flatten(1).sort(1).values)
