"""Muon: directions made orthogonal, and a problem that it solves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.muon import Muon, orthogonal


@pytest.mark.parametrize(("rows", "columns"), [(24, 24), (16, 72), (72, 16)])
def test_every_direction_counts_alike(rows: int, columns: int) -> None:
    """All singular values lie near one, whatever they were, and the directions stay."""
    generator = torch.Generator().manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(rows, min(rows, columns), generator=generator))
    right, _ = torch.linalg.qr(torch.randn(columns, min(rows, columns), generator=generator))
    values = torch.logspace(-1, 1, min(rows, columns))
    turned = orthogonal(((left * values) @ right.mT)[None])[0]
    seen = torch.diagonal(left.mT @ turned @ right)
    assert seen.min() > 0.5
    assert seen.max() < 1.4


def test_a_convolution_learns() -> None:
    """A hundred steps bring a convolution near the one that made the answers."""
    torch.manual_seed(2)
    wanted, learner = (nn.Conv2d(4, 6, 3, bias=False) for _ in range(2))
    optimiser = Muon(learner.parameters(), 0.1)
    for step in range(100):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 100)
        pictures = torch.randn(16, 4, 6, 6)
        value = nn.functional.mse_loss(learner(pictures), wanted(pictures).detach())
        learner.zero_grad()
        value.backward()
        optimiser.step()
    assert (learner.weight - wanted.weight).norm() < 0.1 * wanted.weight.norm()


def test_vectors_are_refused() -> None:
    """A bias belongs to another optimiser, and is told so at once."""
    with pytest.raises(ValueError, match="not vectors"):
        Muon([nn.Parameter(torch.zeros(3))], 0.1)
