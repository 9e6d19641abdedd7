"""Lattice waves: four more channels of a latent, which say where in the repeat every place lies.

Two plane waves, each as cosine and sine, with one period per repeat of what the tile shows. A model
that denoises them beside the picture decides first, from much noise, how large the repeat is and
where it stands; what to draw at a place is then a matter of that place alone. Convolutions that
wrap have no other way to know: they see every place alike. The decoder never looks at them.

A sheared lattice has sheared waves: both are the same at every point of the lattice, so that they
meet themselves across every edge of the tile. Refuses to say anything about loose parts but the
grid they were thrown on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from training.lattice import Lattice, grid
from training.motifs import IN_CELLS, MOTIFS, SCALES
from training.motifs.texture import CHIPS

CHANNELS = 4
HEIGHT = 2.5
"""Amplitude, where pictures have unit variance: waves stand out of noise before pictures do."""
_PERIOD_MIN = 2.5
"""In latent places; a finer wave is drawn at half its frequency, which says more and is seen."""
_THROWN = {"terrazzo": CHIPS}
"""Cells to a side of families whose parts lie loosely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Two waves: their periods across and down a tile, and where they stand.

    `staggered` ones drop, on a sheared lattice, by half a period per column or row of motifs;
    `turns` move each wave by a share of its period.
    """

    periods: tuple[int, int]
    lattice: Lattice
    staggered: bool
    turns: tuple[float, float] = (0.0, 0.0)

    def waves(self, side: int, moved: float = 0.0) -> Tensor:
        """(CHANNELS, side, side) of a window moved by a share of the tile, right and down."""
        u, v = grid(side)
        x, y = (count * (way + moved) for count, way in zip(self.periods, (u, v), strict=True))
        if self.staggered and self.lattice is Lattice.HALF_DROP:
            y = y - x / 2
        elif self.staggered and self.lattice is Lattice.BRICK:
            x = x - y / 2
        phases = [(at + turn) * (2 * math.pi) for at, turn in zip((x, y), self.turns, strict=True)]
        return HEIGHT * torch.stack([f(phase) for phase in phases for f in (torch.cos, torch.sin)])


@cache
def waves(motif: str, scale: str, lattice: Lattice, side: int) -> Tensor:
    """(CHANNELS, side, side) of a tile drawn unmoved at this scale, `side` in latent places."""
    drawn = counted(periods(motif, scale), side)
    return Plane(periods=drawn, lattice=lattice, staggered=motif in IN_CELLS).waves(side)


def periods(motif: str, scale: str) -> tuple[int, int]:
    """Repeats across and down a tile; a family that does not change one way has the other way's."""
    place = SCALES.index(scale)
    if motif in _THROWN:
        count = _THROWN[motif][place]
        return count, count
    across, down = MOTIFS[motif].repeats[place]
    return across or down, down or across


def counted(repeats: tuple[int, int], side: int) -> tuple[int, int]:
    """The periods of the waves of so many repeats: half as many where they would be too fine."""
    first, second = (count // 2 if side / count < _PERIOD_MIN else count for count in repeats)
    return first, second


def ways(across: int, down: int, lattice: Lattice) -> tuple[bool, ...]:
    """Whether waves of these periods may be staggered, or may not, or both; empty if neither.

    The sheared wrap moves by half a tile: that must be whole periods, or whole ones and the half by
    which as many staggered ones have dropped.
    """
    if lattice is Lattice.STRAIGHT:
        return (False,)
    along, moved = (across, down) if lattice is Lattice.HALF_DROP else (down, across)
    return (True,) * ((along - moved) % 2 == 0) + (False,) * (moved % 2 == 0)
