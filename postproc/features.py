"""How fine is the art: the thinnest line or gap that a screen or a blade would have to hold.

Works on the index map, across the wrap, one ink at a time: a gap between two inks is a line of the
third. Widths are of a round element, so a diagonal line counts by its true width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Bytes
from postproc.lattice import Lattice, wrap_pad

Mask = npt.NDArray[np.bool_]

WIDTHS_PX: Final = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
"""Widths tried, in pixels of the map; thinner than the first cannot be told, thicker is thick."""
LOST_SHARE_MAX: Final = 0.02
"""Share of an ink's area that may lie in thinner parts: corners and tips always do a little."""
LOST_PIXELS_MAX: Final = 24
"""Pixels under which lost corners are not counted at all."""


@dataclass(frozen=True, slots=True)
class Feature:
    """The finest part found."""

    ink: int
    """Index of the ink it is in."""
    width_px: float
    """Largest width tried that every ink keeps; the true one lies below the next."""


def finest_feature(index_map: Bytes, count: int, lattice: Lattice) -> Feature:
    """The ink with the thinnest parts in an index map [H, W] of `count` inks."""
    margin_px = WIDTHS_PX[-1] + 1
    padded = wrap_pad(index_map, lattice, margin_px=margin_px)
    finest = Feature(0, float(WIDTHS_PX[-1]))
    for ink in range(count):
        finest = _thinner(padded == ink, ink, finest, margin_px)
    return finest


def _thinner(mask: Mask, ink: int, finest: Feature, margin_px: int) -> Feature:
    """The finer of what was known and this ink; widths already beaten are not tried."""
    own = (slice(margin_px, -margin_px),) * 2
    area = int(mask[own].sum())
    kept_px = 1.0
    for width_px in WIDTHS_PX:
        if width_px > finest.width_px:
            return finest
        lost = area - int((opened(mask, width_px) & mask)[own].sum())
        if lost > max(LOST_PIXELS_MAX, LOST_SHARE_MAX * area):
            return Feature(ink, kept_px)
        kept_px = float(width_px)
    return finest


def opened(mask: Mask, width_px: int) -> Mask:
    """What a round element of `width_px` covers while it stays inside the mask."""
    offsets = _disc(width_px)
    return grown(~grown(~mask, offsets), [(-dy, -left, -right) for dy, left, right in offsets])


def grown(mask: Mask, rows: list[tuple[int, int, int]]) -> Mask:
    """The union of the mask moved by every offset of an element given in rows (dy, left, right)."""
    result = np.zeros_like(mask)
    spans: dict[tuple[int, int], Mask] = {}
    for dy, one, other in rows:
        left, right = min(one, other), max(one, other)
        if (left, right) not in spans:
            spans[left, right] = _across(mask, left, right)
        _or_moved(result, spans[left, right], dy)
    return result


def disc_of_radius(radius_px: float) -> list[tuple[int, int, int]]:
    """Rows of a disc around a pixel's middle, for growing by a trap."""
    reach = math.floor(radius_px)
    rows = []
    for dy in range(-reach, reach + 1):
        half = math.floor(math.sqrt(max(radius_px**2 - dy**2, 0)))
        rows.append((dy, -half, half))
    return rows


def _disc(width_px: int) -> list[tuple[int, int, int]]:
    """Rows of a disc `width_px` across; even widths are centred between pixels."""
    centre = (width_px - 1) / 2
    rows = []
    for row in range(width_px):
        half = math.sqrt(max((width_px / 2) ** 2 - (row - centre) ** 2, 0.25))
        left, right = math.ceil(centre - half), math.floor(centre + half)
        shift = math.floor(centre)
        rows.append((row - shift, left - shift, right - shift))
    return rows


def _across(mask: Mask, left: int, right: int) -> Mask:
    """The mask moved by every step from `left` to `right` along its rows, as a union."""
    length = right - left + 1
    run = mask.copy()
    covered = 1
    while covered < length:
        step = min(covered, length - covered)
        run[:, step:] |= run[:, :-step].copy()
        covered += step
    return _moved_across(run, left)


def _moved_across(mask: Mask, dx: int) -> Mask:
    moved: Mask = np.zeros_like(mask)
    if dx > 0:
        moved[:, dx:] = mask[:, :-dx]
    elif dx < 0:
        moved[:, :dx] = mask[:, -dx:]
    else:
        moved[:] = mask
    return moved


def _or_moved(result: Mask, mask: Mask, dy: int) -> None:
    if dy > 0:
        result[dy:] |= mask[:-dy]
    elif dy < 0:
        result[:dy] |= mask[-dy:]
    else:
        result |= mask


def knocked_out(index_map: Bytes, ink: int, lattice: Lattice, *, trap_px: float) -> Mask:
    """Where one ink prints: its own area, grown by the trap beneath inks printed after it.

    Inks are printed in palette order. Without a trap, plates meet edge to edge.
    """
    own: Mask = index_map == ink
    if trap_px < 1:
        return own
    margin_px = math.ceil(trap_px)
    padded = wrap_pad(own, lattice, margin_px=margin_px)
    spread = grown(padded, disc_of_radius(trap_px))[margin_px:-margin_px, margin_px:-margin_px]
    mask: Mask = own | (spread & (index_map > ink))
    return mask
