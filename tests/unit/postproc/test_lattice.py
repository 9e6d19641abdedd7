"""What the lattice promises: exact shears, windows of endless cloth, honest refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postproc.lattice import (
    BRICK,
    HALF_DROP,
    LATTICES,
    STRAIGHT,
    expand_to_straight,
    parse_lattice,
    step_and_repeat,
    window,
    wrap_pad,
)
from schemas.errors import Rejected

TILE = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6)


def test_straight_expands_to_itself() -> None:
    """A straight tile already is its own straight rectangle."""
    assert np.array_equal(expand_to_straight(TILE, STRAIGHT), TILE)


def test_half_drop_expands_to_two_columns_the_second_half_a_height_lower() -> None:
    """The straight rectangle of a half-drop is 2W x H."""
    straight = expand_to_straight(TILE, HALF_DROP)
    assert straight.shape == (4, 12)
    assert np.array_equal(straight[:, :6], TILE)
    assert np.array_equal(straight[:, 6:], np.roll(TILE, 2, axis=0))


def test_brick_expands_to_two_rows_the_second_half_a_width_further() -> None:
    """The straight rectangle of a brick is W x 2H."""
    straight = expand_to_straight(TILE, BRICK)
    assert straight.shape == (8, 6)
    assert np.array_equal(straight[4:], np.roll(TILE, 3, axis=1))


@pytest.mark.parametrize("lattice", LATTICES.values(), ids=lambda lattice: lattice.name)
@given(
    corner=st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
    steps=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_the_cloth_is_the_same_one_lattice_step_away(lattice: Any, corner: Any, steps: Any) -> None:
    """A window moved by whole steps of the lattice shows the same cloth, at any distance."""
    (left, top), (right, up) = corner, steps
    dx, dy = right * 6, right * lattice.column_shift_px(4)
    dx, dy = dx + up * lattice.row_shift_px(6), dy + up * 4
    here = window(TILE, lattice, left=left, top=top, width=13, height=11)
    there = window(TILE, lattice, left=left + dx, top=top + dy, width=13, height=11)
    assert np.array_equal(here, there)


@pytest.mark.parametrize("lattice", LATTICES.values(), ids=lambda lattice: lattice.name)
def test_a_pad_larger_than_the_tile_is_still_the_cloth(lattice: Any) -> None:
    """A margin of several tiles holds the tile in its middle and agrees with step and repeat."""
    padded = wrap_pad(TILE, lattice, margin_px=12)
    assert padded.shape == (28, 30)
    assert np.array_equal(padded[12:16, 12:18], TILE)
    cloth = step_and_repeat(TILE, lattice, columns=3, rows=4)
    assert np.array_equal(padded[12:28, 12:30], cloth)


def test_half_drop_preview_shifts_the_second_column_down() -> None:
    """The top of the second column continues half a tile above its own corner."""
    cloth = step_and_repeat(TILE, HALF_DROP, columns=2, rows=2)
    assert np.array_equal(cloth[2:6, 6:], TILE)


@pytest.mark.parametrize(("lattice", "shape"), [(HALF_DROP, (5, 6)), (BRICK, (4, 5))])
def test_odd_sides_are_refused_by_name_and_limit(lattice: Any, shape: tuple[int, int]) -> None:
    """A side that cannot be halved is Rejected with the side and the multiple it must be."""
    with pytest.raises(Rejected) as caught:
        expand_to_straight(np.zeros(shape, np.uint8), lattice)
    assert caught.value.limit == "a multiple of 2 px"
    assert caught.value.field in {"canvas.height_px", "canvas.width_px"}


def test_unknown_lattices_are_refused_with_the_known_ones() -> None:
    """The limit of an unknown name lists what there is."""
    with pytest.raises(Rejected, match="not known") as caught:
        parse_lattice("herringbone")
    assert caught.value.limit == "one of straight, half-drop, brick"


def test_even_side_keeps_what_the_lattice_can_shear() -> None:
    """Target sides are rounded to whole steps, never to nothing."""
    assert HALF_DROP.even_side(7559.06, "height") == 7560
    assert HALF_DROP.even_side(7559.06, "width") == 7559
    assert BRICK.even_side(0.2, "width") == 2
