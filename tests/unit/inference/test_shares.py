"""Machine time is divided exactly, fairly and the same way everywhere."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import Row
from inference.shares import forward, split, weight

WEIGHTS = st.lists(st.integers(1, 2**40), min_size=1, max_size=40)


@given(total=st.integers(0, 2**50), weights=WEIGHTS)
def test_parts_sum_to_the_whole(total: int, weights: list[int]) -> None:
    """No microsecond is lost or invented, whatever the weights."""
    parts = split(total, weights)
    assert sum(parts) == total
    assert len(parts) == len(weights)


@given(total=st.integers(0, 2**50), weights=WEIGHTS)
def test_no_part_is_a_unit_off(total: int, weights: list[int]) -> None:
    """Every part is its exact share rounded down or up."""
    for part, one in zip(split(total, weights), weights, strict=True):
        assert abs(part - Fraction(total * one, sum(weights))) < 1


@given(total=st.integers(0, 2**50), weights=WEIGHTS)
def test_heavier_never_pays_less(total: int, weights: list[int]) -> None:
    """The order of the parts is the order of the weights."""
    paid = sorted(zip(weights, split(total, weights), strict=True))
    assert [part for _, part in paid] == sorted(part for _, part in paid)


@given(total=st.integers(0, 2**50), count=st.integers(1, 40))
def test_equal_rows_pay_equal_and_earlier_ones_the_rest(total: int, count: int) -> None:
    """Ties go to the earlier row, so two machines divide alike."""
    parts = split(total, [3] * count)
    assert list(parts) == sorted(parts, reverse=True)
    assert parts[0] - parts[-1] <= 1


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, []), (1, [0]), (1, [1, -1])])
def test_impossible_divisions_are_refused(total: int, weights: list[int]) -> None:
    """Negative time, nobody and non-positive weights are programming errors."""
    with pytest.raises(ValueError, match="cannot divide"):
        split(total, weights)


def test_guidance_doubles_the_weight() -> None:
    """Above 1 the model runs twice; at 1 it does not."""
    assert weight(64, 32, 1.0) == 2048
    assert weight(64, 32, 1.01) == 4096


def test_forward_names_every_row() -> None:
    """A forward's parts carry pattern and attempt in the order of its rows."""
    rows = [
        Row(
            pattern_id=f"r.{at}",
            attempt=at,
            prompt="",
            seed=0,
            lattice="straight",
            width_px=64,
            height_px=64,
            model="m",
        )
        for at in (1, 2)
    ]
    made = forward("decode", [(rows[0], 3), (rows[1], 1)], started_at=5, duration_us=101)
    assert [(p.pattern_id, p.attempt, p.duration_us) for p in made.parts] == [
        ("r.1", 1, 76),
        ("r.2", 2, 25),
    ]
