"""Moves each clean tile over its own repeat until it lies as near as it can to its noise.

A repeat has no first pixel: every roll of a tile is the same pattern, so which roll meets which
noise is free to choose. Chosen by chance, the best guess from much noise is the mean of all rolls,
a flat colour, and a young model spends its training on finding where the motifs are. Chosen
nearest, noise says where they are, at its loudest already, and a few steps are enough.

Both ends keep their laws: noise is drawn before the roll is chosen, and rolls of a pattern are as
likely as each other whatever the noise. The idea is the coupling of flow matching by optimal
transport (A. Tong and others, 2023) over a group of symmetries (L. Klein and others, Equivariant
flow matching, 2023), here the translations of a lattice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.lattice import Lattice, straight_unit


def meet(clean: Tensor, noise: Tensor, lattice: Lattice, *, last: int = 0) -> Tensor:
    """Rows of `clean` (B, C, H, W), each rolled over `lattice` to its nearest place to `noise`.

    Nearest is the greatest inner product of the `last` channels, or of all of them at 0, found for
    all H x W rolls at once by Fourier transforms.
    """
    plane, other = straight_unit(clean, lattice), straight_unit(noise[:, -last:], lattice)
    size = (plane.shape[-2], plane.shape[-1])
    across = torch.fft.rfft2(other) * torch.fft.rfft2(plane[:, -last:]).conj()
    likeness = torch.fft.irfft2(across.sum(1), s=size)
    best = likeness.flatten(1).argmax(1).tolist()
    height, width = clean.shape[-2:]
    return torch.stack(
        [
            row.roll((place // size[1], place % size[1]), (-2, -1))[:, :height, :width]
            for row, place in zip(plane, best, strict=True)
        ]
    )
