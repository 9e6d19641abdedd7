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


@cache
def waves(motif: str, scale: str, lattice: Lattice, side: int) -> Tensor:
    """(CHANNELS, side, side) of a tile drawn unmoved at this scale, `side` in latent places."""
    across, down = _counts(motif, SCALES.index(scale), side)
    u, v = grid(side)
    x, y = across * u, down * v
    if motif in IN_CELLS and lattice is Lattice.HALF_DROP:
        y = y - x / 2
    elif motif in IN_CELLS and lattice is Lattice.BRICK:
        x = x - y / 2
    turns = [phase * (2 * math.pi) for phase in (x, y)]
    return HEIGHT * torch.stack([f(turn) for turn in turns for f in (torch.cos, torch.sin)])


def _counts(motif: str, scale: int, side: int) -> tuple[int, int]:
    """Periods across and down; a family that does not change one way has the other way's."""
    if motif in _THROWN:
        count = _THROWN[motif][scale]
        return count, count
    across, down = MOTIFS[motif].repeats[scale]
    counts = (across or down, down or across)
    first, second = (count // 2 if side / count < _PERIOD_MIN else count for count in counts)
    return first, second
