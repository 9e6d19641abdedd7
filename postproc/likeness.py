"""Has this been drawn before? A fingerprint of a repeat that does not care where it is cut.

The magnitude of the cloth's Fourier transform stays the same when the tile is rolled; the usual
picture hashes do not. Distances are reported to people; nothing is ever refused by them. A new
colouring of the same art is another pattern to this fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from postproc.colour import Bytes, oklab_planes
from postproc.figures import Figure, of_part, reported
from postproc.lattice import Lattice, expand_to_straight
from schemas.errors import Rejected

SIDE_PX: Final = 128
REACH: Final = 16
"""Cells of waves in each direction; a cell is two waves of the straight unit each way."""
LEVELS: Final = 15
"""A cell's strength is kept in steps, two to a byte."""
CELLS: Final = REACH * 2 * REACH
FAINT: Final = 20.0
"""Strength (summed OKLab) that counts as the strongest where a tile has nothing stronger."""


def fingerprint(rgb: Bytes, lattice: Lattice) -> str:
    """CELLS hexadecimal digits: the strongest wave of each cell, to the strongest of all."""
    straight = Image.fromarray(expand_to_straight(rgb, lattice))
    small = np.asarray(straight.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX))
    waves = np.sqrt((np.abs(np.fft.fft2(oklab_planes(small).astype(np.float64))) ** 2).sum(axis=0))
    waves[0, 0] = 0
    # One half of the plane is enough: a real picture's other half is its mirror.
    turned = np.roll(waves, 2 * REACH, axis=1)[: 2 * REACH, : 4 * REACH]
    cells = turned.reshape(REACH, 2, 2 * REACH, 2).max(axis=(1, 3))
    kept = np.rint(cells / max(float(waves.max()), FAINT) * LEVELS).astype(np.uint8).ravel()
    packed = (kept[0::2] << 4 | kept[1::2]).astype(np.uint8)
    return str(packed.tobytes().hex())


def distance(one: str, other: str) -> float:
    """0 for the same cloth to 1 for nothing in common; weighted Jaccard over the cells."""
    first, second = _levels(one), _levels(other)
    most = np.maximum(first, second).sum()
    return float(1 - np.minimum(first, second).sum() / most) if most else 0.0


def is_fingerprint(text: object) -> bool:
    """Whether this is what `fingerprint` answers."""
    return isinstance(text, str) and len(text) == CELLS and set(text) <= set("0123456789abcdef")


def _levels(text: str) -> npt.NDArray[np.int64]:
    if not is_fingerprint(text):
        raise Rejected(
            "a fingerprint is not of this kind",
            field="known",
            limit=f"{CELLS} hexadecimal digits",
        )
    return np.array([int(digit, 16) for digit in text], dtype=np.int64)


def nearest_figure(own: str, known: Iterable[tuple[str, str]]) -> Figure:
    """The distance to the nearest of the (name, fingerprint) pairs, reported with its name.

    The name is in the artefact too, `tile:r7.1`, for readers of events. 1 and no name where there
    is nothing to compare with.
    """
    least, where = 1.0, ""
    for name, other in known:
        apart = distance(own, other)
        if apart < least:
            least, where = apart, name
    figure = reported("nearest_likeness", least, where=where)
    return of_part(figure, where) if where else figure
