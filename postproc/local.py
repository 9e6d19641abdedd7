"""The worst single stretch of a join, against the worst single stretches of the lines inside.

Means over a whole edge drown a stain or one cut motif. Here windows of several lengths slide along
every line; a line's *stretch* is the most that a window holds over the line's own median window, so
that a stripe, strong along all of its line, counts nothing. A join whose stretch is far above that
of every line inside is cut there. What is no edge inside cannot be told apart from a join: a motif
whose own straight edge lies on the border by right is as strong as its other edges, and passes.

Where the art itself has stretches as sharp and as strong, a weaker flaw on the border hides among
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Floats
from postproc.lines import BINS_MAX

WINDOW_SHARES: Final = (32, 16, 8, 4)
"""Windows are these parts of the edge, 1 / n."""
WINDOW_PX_MIN: Final = 8
"""Shorter ones hold too little to be told from chance, and no person sees them."""
NEAR_SHARE: Final = 32
NEAR_LINES_MIN: Final = 4
"""Lines within 1 / NEAR_SHARE of the join, at least so many, are no inside: a stain ends there."""
FLAW_FLOOR: Final = 0.02
"""Mean OKLab jump of a stretch, alone, below which nothing can be seen."""
LINES_ENOUGH: Final = 256
"""So many lines say how strong stretches of this art are; fewer are held to be as much weaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """The worst stretch of one join."""

    ratio: float = 0.0
    """How far it stands over the strongest stretch inside; 0 where the edge has no stretches."""
    start: float = 0.0
    stop: float = 0.0
    """Shares of the edge, from its left or upper end; `stop` is past 1 where the stretch goes on
    around the corner."""

    def pixels(self, side_px: int) -> tuple[int, int]:
        """First and last pixel of the stretch on an edge of `side_px`, up to its end."""
        return int(self.start * side_px), min(round(self.stop * side_px), side_px)


def worst_local(flaws: Floats, *, length_px: int) -> Local:
    """The worst stretch of a join, by `LineMeans.flaws` of lines `length_px` long.

    The last row is the join; rows from the first, which is the join's other side, are inside.
    """
    joins, bins = flaws.shape
    near = max(NEAR_LINES_MIN, joins // NEAR_SHARE)
    if bins < BINS_MAX // 2 or joins <= 2 * near + 1:
        return Local()
    few = max(1.0, LINES_ENOUGH / joins)
    worst = Local()
    for share in WINDOW_SHARES:
        width = max(1, bins // share)
        if width * length_px < WINDOW_PX_MIN * bins:
            continue
        held = _windows(flaws, width)
        stretches = held.max(axis=1) - np.median(held, axis=1)
        inside = float(stretches[1 + near : -1 - near].max())
        ratio = float(stretches[-1]) / (max(inside, FLAW_FLOOR) * few)
        if ratio > worst.ratio:
            start = int(np.argmax(held[-1]))
            worst = Local(ratio=ratio, start=start / bins, stop=(start + width) / bins)
    return worst


def _windows(flaws: Floats, width: int) -> npt.NDArray[Any]:
    """Means over `width` bins from each bin on, around the corner too."""
    around = np.concatenate([flaws, flaws[:, : width - 1]], axis=1)
    sums = np.cumsum(around, axis=1, dtype=np.float64)
    sums[:, width:] = sums[:, width:] - sums[:, :-width]
    return sums[:, width - 1 :] / width
