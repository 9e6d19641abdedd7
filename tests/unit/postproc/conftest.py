"""Tiles that are periodic by construction: sums of cosines that the lattice leaves as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from postproc.lattice import Lattice

Tile = npt.NDArray[np.uint8]
PALETTE = np.array(
    [(24, 36, 84), (246, 238, 214), (205, 32, 44), (44, 150, 70), (248, 220, 60), (130, 190, 235)],
    dtype=np.float64,
)


def wave(generator: np.random.Generator, lattice: Lattice, *, side_px: int) -> Any:
    """A smooth field [side, side] in [-1, 1] that repeats by the lattice.

    A wave (k, l) keeps still under the lattice's second vector when half of its other number is
    taken off: half-drop k - l / 2, brick l - k / 2.
    """
    down, across = np.mgrid[0:side_px, 0:side_px] / side_px
    field = np.zeros((side_px, side_px))
    for _ in range(7):
        k, m = (int(n) for n in generator.integers(-3, 4, 2))
        k += k == m == 0
        u = k - float(lattice.column_step) * m
        v = m - float(lattice.row_step) * k
        field += np.cos(2 * np.pi * (u * across + v * down + generator.random()))
    return field / np.abs(field).max()


@pytest.fixture(scope="session")
def periodic() -> Callable[..., Tile]:
    """A maker of flat-colour tiles, edges blurred by `soft`: `periodic(lattice, seed=0)`."""

    def make(
        lattice: Lattice, *, seed: int = 0, side_px: int = 64, colours: int = 4, soft: float = 0.02
    ) -> Tile:
        generator = np.random.default_rng(seed)
        field = wave(generator, lattice, side_px=side_px)
        steps = np.quantile(field, np.linspace(0, 1, colours + 1)[1:-1])
        picture = np.broadcast_to(PALETTE[0], (side_px, side_px, 3)).copy()
        for step, colour in zip(steps, PALETTE[1:colours], strict=True):
            share = 1 / (1 + np.exp(-np.clip((field - step) / soft, -50, 50)))[..., None]
            picture = picture * (1 - share) + colour * share
        return np.rint(picture).astype(np.uint8)

    return make
