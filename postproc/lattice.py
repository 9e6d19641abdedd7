"""How a tile repeats: the lattice as a thing of its own, exact in whole pixels.

A lattice answers every question of the form "which pixel of the tile is at (x, y) of the endless
cloth?". Everything that wraps (pads, previews, seams, traces) asks it, so that no other module
knows what a half-drop is. It refuses tiles that it cannot shear by whole pixels.

Conventions: arrays are [rows, columns, ...], y grows downwards. In a half-drop each column to the
right sits half a height lower; in a brick each row below sits half a width further right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas.errors import Rejected

Tile = npt.NDArray[Any]
WINDOW_PIXELS_MAX: Final = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """One way to repeat a tile; `column_step` and `row_step` are never both non-zero."""

    name: str
    """As written in requests and file names."""
    column_step: Fraction = Fraction(0)
    """Each next column sits this fraction of the tile's height lower. In [0, 1)."""
    row_step: Fraction = Fraction(0)
    """Each next row sits this fraction of the tile's width further right. In [0, 1)."""

    @property
    def columns_to_straight(self) -> int:
        """Columns of tiles after which the cloth repeats straight (half-drop: 2)."""
        return self.column_step.denominator

    @property
    def rows_to_straight(self) -> int:
        """Rows of tiles after which the cloth repeats straight (brick: 2)."""
        return self.row_step.denominator

    def check_sides(self, width_px: int, height_px: int) -> None:
        """Refuse sides that this lattice cannot shear by whole pixels."""
        _check_side("height", height_px, self.columns_to_straight, self.name)
        _check_side("width", width_px, self.rows_to_straight, self.name)

    def column_shift_px(self, height_px: int) -> int:
        """Pixels by which the right-hand neighbour sits lower."""
        _check_side("height", height_px, self.columns_to_straight, self.name)
        return int(self.column_step * height_px)

    def row_shift_px(self, width_px: int) -> int:
        """Pixels by which the neighbour below sits further right."""
        _check_side("width", width_px, self.rows_to_straight, self.name)
        return int(self.row_step * width_px)

    def even_side(self, side_px: Fraction | float, axis: str) -> int:
        """The whole number of pixels nearest to `side_px` that this lattice can shear.

        `axis` is "width" or "height". Never less than one step of the lattice.
        """
        step = self.rows_to_straight if axis == "width" else self.columns_to_straight
        return max(step, round(side_px / step) * step)


STRAIGHT: Final = Lattice(name="straight")
HALF_DROP: Final = Lattice(name="half-drop", column_step=Fraction(1, 2))
BRICK: Final = Lattice(name="brick", row_step=Fraction(1, 2))
LATTICES: Final = {lattice.name: lattice for lattice in (STRAIGHT, HALF_DROP, BRICK)}


def parse_lattice(name: str) -> Lattice:
    """The lattice called `name`; unknown names are Rejected with the known ones as limit."""
    known = LATTICES.get(name)
    if known is None:
        limit = "one of " + ", ".join(LATTICES)
        raise Rejected(f"lattice {name[:40]!r} is not known", field="repeat.lattice", limit=limit)
    return known


def window(tile: Tile, lattice: Lattice, *, left: int, top: int, width: int, height: int) -> Tile:
    """The rectangle of endless cloth whose corner is at (`left`, `top`) of the tile.

    `tile` is [H, W] or [H, W, C]; the answer is [height, width] or [height, width, C], same type.
    Corners may be negative and rectangles larger than the tile.
    """
    if width * height > WINDOW_PIXELS_MAX:
        raise Rejected(
            f"a window of {width} x {height} px is too large",
            field="window_px",
            limit=f"{WINDOW_PIXELS_MAX} px",
        )
    lattice.check_sides(tile.shape[1], tile.shape[0])
    cloth = np.empty((height, width, *tile.shape[2:]), dtype=tile.dtype)
    side = (tile.shape[1], tile.shape[0])
    for x, y in corners(lattice, side, (left, top), (width, height)):
        _lay(cloth, tile, x - left, y - top)
    return cloth


def corners(
    lattice: Lattice, side: tuple[int, int], corner: tuple[int, int], size: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Corners (x, y) of every copy of a tile of `side` that reaches into a window.

    The window's `corner` is (left, top), its `size` (width, height); all in one unit.
    """
    width_px, height_px = side
    down_px, across_px = lattice.column_shift_px(height_px), lattice.row_shift_px(width_px)
    (left, top), (width, height) = corner, size
    if across_px:
        for row in range(top // height_px, (top + height - 1) // height_px + 1):
            shift = row * across_px
            first = (left - shift) // width_px
            for column in range(first, (left + width - 1 - shift) // width_px + 1):
                yield column * width_px + shift, row * height_px
        return
    for column in range(left // width_px, (left + width - 1) // width_px + 1):
        shift = column * down_px
        first = (top - shift) // height_px
        for row in range(first, (top + height - 1 - shift) // height_px + 1):
            yield column * width_px, row * height_px + shift


def _lay(cloth: Tile, tile: Tile, x: int, y: int) -> None:
    """Copy the tile to (x, y) of the cloth, as much of it as falls inside."""
    rows = slice(max(y, 0), min(y + tile.shape[0], cloth.shape[0]))
    columns = slice(max(x, 0), min(x + tile.shape[1], cloth.shape[1]))
    cloth[rows, columns] = tile[
        rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
    ]


def expand_to_straight(tile: Tile, lattice: Lattice) -> Tile:
    """The smallest rectangle that repeats straight: half-drop 2W x H, brick W x 2H."""
    height_px, width_px = tile.shape[:2]
    return window(
        tile,
        lattice,
        left=0,
        top=0,
        width=width_px * lattice.columns_to_straight,
        height=height_px * lattice.rows_to_straight,
    )


def step_and_repeat(tile: Tile, lattice: Lattice, *, columns: int, rows: int) -> Tile:
    """The cloth of `columns` x `rows` tiles, cut at the first tile's corner."""
    height_px, width_px = tile.shape[:2]
    return window(tile, lattice, left=0, top=0, width=columns * width_px, height=rows * height_px)


def wrap_pad(tile: Tile, lattice: Lattice, *, margin_px: int) -> Tile:
    """The tile with `margin_px` of its own cloth on every side; the margin may exceed the tile."""
    height_px, width_px = tile.shape[:2]
    return window(
        tile,
        lattice,
        left=-margin_px,
        top=-margin_px,
        width=width_px + 2 * margin_px,
        height=height_px + 2 * margin_px,
    )


def _check_side(side: str, side_px: int, step: int, name: str) -> None:
    if side_px < step or side_px % step:
        raise Rejected(
            f"a {name} tile of {side} {side_px} px cannot be shifted by whole pixels",
            field=f"canvas.{side}_px",
            limit=f"a multiple of {step} px",
        )
