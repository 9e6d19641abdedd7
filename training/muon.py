"""Muon: momentum whose every matrix is made orthogonal before it moves the weights.

For the inner matrices and convolutions of a network; their ends, norms and biases stay with AdamW.
torch.optim has one for matrices alone, and most of a UNet's weights are convolutions.
Formula and constants of the iteration: K. Jordan and others, Muon (2024); the scale by which a step
is as long as AdamW's: J. Liu and others, Muon is Scalable for LLM Training (2025). Refuses vectors.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_ROUNDS = 5
_FIFTH_ORDER = (3.4445, -4.7750, 2.0315)
_RMS = 0.2
_TINY = 1e-7


def orthogonal(matrices: Tensor) -> Tensor:
    """(N, rows, columns) with all singular values pulled near one, in the type given.

    Newton and Schulz's iteration in fifth order; bfloat16 is enough for it on a GPU.
    """
    a, b, c = _FIFTH_ORDER
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + _TINY)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    # Every round multiplies from the left by a polynomial of x x', which is small and commutes with
    # its own polynomials: the rounds are done there, and x itself is multiplied once.
    square = x @ x.mT
    whole = one = torch.eye(square.shape[-1], dtype=x.dtype, device=x.device)
    for _ in range(_ROUNDS):
        turn = a * one + b * square + c * square @ square
        whole = turn @ whole
        square = turn @ turn @ square
    x = whole @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Parameters of two dimensions or more, taken as (outputs, everything else).

    One state per parameter, `momentum`, shaped like it. Raises ValueError for a vector.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        rate: float,
        *,
        momentum: float = 0.95,
        decay: float = 1e-3,
    ) -> None:
        kept = list(weights)
        if any(weight.ndim < 2 for weight in kept):
            raise ValueError("Muon takes matrices and convolutions, not vectors")
        group = {"params": kept, "peak": rate}
        super().__init__([group], {"lr": rate, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; matrices of one size go through the iteration together."""
        for group in self.param_groups:
            sizes: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    turn = self._turned(weight, group["momentum"]).reshape(weight.shape[0], -1)
                    sizes.setdefault((turn.shape[0], turn.shape[1]), []).append((weight, turn))
            for (rows, columns), members in sizes.items():
                length = group["lr"] * _RMS * max(rows, columns) ** 0.5
                moves = orthogonal(torch.stack([turn for _, turn in members]))
                for (weight, _), move in zip(members, moves, strict=True):
                    weight.mul_(1 - group["lr"] * group["decay"])
                    weight.add_(move.reshape(weight.shape), alpha=-length)

    def _turned(self, weight: nn.Parameter, momentum: float) -> Tensor:
        """The gradient after Nesterov's momentum."""
        grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(grad, 1 - momentum)
        turned: Tensor = grad.lerp(state["momentum"], momentum)
        return turned
