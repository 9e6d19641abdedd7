"""What happens from line to line of a picture: mean jumps, bends and strays, in OKLab.

And where along a line it happens: `flaws` keeps each join's stretches apart. The measure under the
seam gate, in memory that does not grow with the length of the lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Bytes, Floats, oklab_planes

BLOCK_PIXELS_MAX: Final = 1 << 16
BINS_MAX: Final = 64
"""Stretches of a line that are told apart; a line shorter than that has one for each pixel."""
ALONE_TIMES: Final = 3.0
"""A jump counts as a flaw by what it has over so many times the larger jump beside it. An edge that
was drawn, however sharp its paint, seldom does; one that was cut, or stained up to a line, does."""


@dataclass(frozen=True, slots=True)
class LineMeans:
    """Means over the length of each of n lines, each line or join once."""

    jumps: Floats
    """[n - 1] length of the jump from a line to the next."""
    bends: Floats
    """[n - 3] how far a jump differs from the average of the jumps beside it."""
    strays: Floats
    """[n - 2] how far a line stands off both its neighbours in one direction."""
    flaws: Floats
    """[n - 3, bins] how far a jump stands alone, means over stretches of the line."""


def line_means(lines: Bytes) -> LineMeans:
    """The means of 8-bit RGB lines [n, m, 3], or of a plate's [n, m, 1]; n at least 4."""
    count, length = lines.shape[:2]
    jumps = np.zeros(count - 1)
    bends = np.zeros(count - 3)
    strays = np.zeros((lines.shape[2], count - 2))
    bins = min(BINS_MAX, length)
    flaws = np.zeros((count - 3, bins))
    step = max(1, BLOCK_PIXELS_MAX // count)
    for start in range(0, length, step):
        steps = np.diff(_planes(lines[:, start : start + step]), axis=1)
        lengths = _norm(steps)
        jumps += lengths.sum(axis=1)
        bends += _norm(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2).sum(axis=1)
        strays += _offsets(steps).sum(axis=2)
        alone = lengths[1:-1] - ALONE_TIMES * np.maximum(lengths[:-2], lengths[2:])
        places = np.arange(start, start + lengths.shape[1]) * bins // length
        firsts = np.flatnonzero(np.diff(places, prepend=-1))
        flaws[:, places[firsts]] += np.add.reduceat(np.maximum(alone, 0), firsts, axis=1)
    flaws /= np.bincount(np.arange(length) * bins // length)
    return LineMeans(
        (jumps / length).astype(np.float32),
        (bends / length).astype(np.float32),
        _norm(strays / length).astype(np.float32),
        flaws.astype(np.float32),
    )


def _planes(lines: Bytes) -> Floats:
    """[c, n, m]: a picture in OKLab; of a plate how much of it prints, black on white being 1."""
    if lines.shape[2] == 1:
        return lines.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    return oklab_planes(lines)


def _offsets(steps: Floats) -> Floats:
    """[c, n, m] signed offsets of each pixel from both neighbours, 0 where it lies between them.

    Monotone edges count nothing: an offset needs both jumps in one direction, and is the smaller.
    """
    before, after = steps[:, :-1], steps[:, 1:]
    offset = np.where(before * after < 0, np.minimum(np.abs(before), np.abs(after)), 0)
    return np.copysign(offset, before)


def _norm(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    lengths: npt.NDArray[Any] = np.sqrt(sum(plane**2 for plane in planes))
    return lengths
