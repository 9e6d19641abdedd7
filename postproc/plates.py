"""From a picture to plates: which ink prints where, at the tile's size and enlarged.

The edge between navy and white passes through every grey. Mapped pixel by pixel it would print a
grey outline, so a pixel on an edge may only become an ink that is settled beside it; and specks of
one or two pixels become their surroundings. Both look across the wrap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Bytes
from postproc.lattice import Lattice, wrap_pad
from postproc.palette import (
    Palette,
    find_palette,
    map_to_inks,
    settled,
    with_coverage,
)

EDGE_REACH_PX: Final = 4
"""How far from its flat areas an edge's pixels may be, at the tile's size."""
ENLARGED_REACH_PX: Final = 2
"""How far an enlarged edge may move from where the tile has it, in the tile's pixels."""
SPECK_PX_MAX: Final = 2
"""Pixels of one ink in a 3 x 3 square up to which the middle one counts as a speck."""
SUPPORT_REACH_PX: Final = 2
SUPPORT_MIN: Final = 4
"""Settled pixels of one ink in a 5 x 5 square from which it is really there."""
_UNMARKED: Final = np.uint8(255)
BLOCK_PIXELS_MAX: Final = 1 << 17
COVERAGE_MIN: Final = 0.001
SETTLED_MIN: Final = float(np.exp(-1))


@dataclass(frozen=True, slots=True)
class Separation:
    """Inks and the map [H, W] uint8 of which ink is where; every ink of the palette is used."""

    palette: Palette
    index_map: Bytes


def separate(rgb: Bytes, lattice: Lattice, *, colours_max: int, seed: int = 0) -> Separation:
    """At most `colours_max` inks for the 8-bit RGB tile [H, W, 3], and where each prints."""
    palette = find_palette(rgb, lattice, colours_max=colours_max, seed=seed)
    while True:
        index_map = _cleaned(rgb, palette, lattice)
        counted = with_coverage(palette, index_map)
        kept = tuple(ink for ink in counted.inks if ink.coverage >= COVERAGE_MIN)
        if len(kept) == len(palette.inks):
            return _by_coverage(counted, index_map)
        palette = Palette(inks=kept)


def enlarge(
    separation: Separation, picture: Bytes, lattice: Lattice, *, despeckle: bool = True
) -> Bytes:
    """The index map of `picture` [h, w, 3], an enlargement of the separated tile.

    Edges follow the picture, to fractions of the tile's pixels; inks come from the separation.
    """
    small = separation.index_map
    count = len(separation.palette.inks)
    near = _present(small, count, lattice, reach_px=ENLARGED_REACH_PX)
    columns = np.arange(picture.shape[1]) * small.shape[1] // picture.shape[1]
    index_map = np.empty(picture.shape[:2], dtype=np.uint8)
    for rows in _blocks(picture.shape):
        source = np.arange(rows.start, rows.stop) * small.shape[0] // picture.shape[0]
        allowed = near.take(source, axis=1).take(columns, axis=2)
        index_map[rows] = map_to_inks(picture[rows], separation.palette, allowed=allowed)
    return without_specks(index_map, count, lattice) if despeckle else index_map


def without_specks(index_map: Bytes, count: int, lattice: Lattice) -> Bytes:
    """The map after pixels that stand alone, or in twos, took the commonest ink around them."""
    padded = wrap_pad(index_map, lattice, margin_px=1)
    cleaned = np.empty_like(index_map)
    for rows in _blocks(index_map.shape):
        cleaned[rows] = _despeckled(padded[rows.start : rows.stop + 2], count)
    return cleaned


def index_of(flat: Bytes, palette: Palette) -> Bytes:
    """The index map [H, W] of a picture [H, W, 3] that holds nothing but the palette's colours."""
    table = np.zeros(1 << 24, dtype=np.uint8)
    colours = palette.rgb().astype(np.int32)
    table[(colours[:, 0] << 16) | (colours[:, 1] << 8) | colours[:, 2]] = range(len(colours))
    index_map = np.empty(flat.shape[:2], dtype=np.uint8)
    for rows in _blocks(flat.shape):
        block = flat[rows].astype(np.int32)
        index_map[rows] = table[(block[..., 0] << 16) | (block[..., 1] << 8) | block[..., 2]]
    return index_map


def _despeckled(padded: Bytes, count: int) -> Bytes:
    here_map = padded[1:-1, 1:-1]
    own, most = np.zeros((2, *here_map.shape), dtype=np.uint8)
    commonest = np.zeros_like(here_map)
    for ink in range(count):
        around = _box_sum(padded == ink, 1)
        here = here_map == ink
        own[here] = around[here]
        larger = around > most
        commonest[larger] = ink
        np.maximum(most, around, out=most)
    return np.where(own <= SPECK_PX_MAX, commonest, here_map)


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows that keep what is in work at a time small."""
    step = max(1, BLOCK_PIXELS_MAX // shape[1])
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _cleaned(rgb: Bytes, palette: Palette, lattice: Lattice) -> Bytes:
    """The index map of the tile; a pixel may only take an ink that is settled near it.

    A thin line is settled along its back, so it keeps its ink; stray settled pixels do not count.
    """
    count = len(palette.inks)
    nearest = map_to_inks(rgb, palette)
    marked = np.where(settled(rgb, lattice) > SETTLED_MIN, nearest, _UNMARKED)
    padded = wrap_pad(marked, lattice, margin_px=SUPPORT_REACH_PX)
    support = np.zeros(marked.shape, dtype=np.uint8)
    for ink in range(count):
        own = marked == ink
        support[own] = _box_sum(padded == ink, SUPPORT_REACH_PX)[own]
    marked = np.where(support >= SUPPORT_MIN, marked, _UNMARKED)
    allowed = _present(marked, count, lattice, reach_px=EDGE_REACH_PX)
    return without_specks(map_to_inks(rgb, palette, allowed=allowed), count, lattice)


def _by_coverage(palette: Palette, index_map: Bytes) -> Separation:
    """The same separation with inks by falling coverage, ties in their old order."""
    order = np.argsort([-ink.coverage for ink in palette.inks], kind="stable")
    rank = np.empty(len(order), dtype=np.uint8)
    rank[order] = np.arange(len(order), dtype=np.uint8)
    return Separation(Palette(inks=tuple(palette.inks[i] for i in order)), rank[index_map])


def _present(marked: Bytes, count: int, lattice: Lattice, *, reach_px: int) -> npt.NDArray[Any]:
    """[count, H, W] of bool: which inks occur within `reach_px` of each pixel of the cloth."""
    padded = wrap_pad(marked, lattice, margin_px=reach_px)
    return np.stack([_box_sum(padded == ink, reach_px) > 0 for ink in range(count)])


def _box_sum(padded: npt.NDArray[Any], reach_px: int) -> Bytes:
    """How many of the square of `reach_px` around each pixel are set; the pad is cut off."""
    side = 2 * reach_px + 1
    height, width = padded.shape[0] - side + 1, padded.shape[1] - side + 1
    marks = padded.astype(np.uint8)
    across = np.zeros((padded.shape[0], width), dtype=np.uint8)
    for k in range(side):
        across += marks[:, k : k + width]
    down = np.zeros((height, width), dtype=np.uint8)
    for k in range(side):
        down += across[k : k + height]
    return down
