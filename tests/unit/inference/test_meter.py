"""Stretches of machine time are measured, merged where they belong, and handed over once."""

from __future__ import annotations

import pytest

from inference.engine import Row
from inference.meter import Meter


class Clock:
    """Ten microseconds pass between two looks at it."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        self.now_us += 10
        return self.now_us


def _row(name: str) -> Row:
    return Row(
        pattern_id=name,
        attempt=1,
        prompt="",
        seed=0,
        lattice="straight",
        width_px=64,
        height_px=64,
        model="m",
    )


def _meter() -> Meter:
    return Meter(monotonic_us=Clock(), unix_us=lambda: 77)


def test_steps_of_the_same_rows_are_one_forward() -> None:
    """Thirty steps of one batch leave one line, with all their time."""
    meter = _meter()
    for _ in range(3):
        with meter.stretch("denoise", [(_row("a"), 1), (_row("b"), 1)]):
            pass
    (one,) = meter.take()
    assert (one.kind, one.duration_us, one.started_at) == ("denoise", 30, 77)
    assert [part.duration_us for part in one.parts] == [15, 15]


def test_two_batches_that_take_turns_are_two_forwards() -> None:
    """A step of the one, a step of the other, many times: one line each, no time lost."""
    meter = _meter()
    for _ in range(5):
        for name in ("a", "b"):
            with meter.stretch("denoise", [(_row(name), 1)]):
                pass
    assert [(one.parts[0].pattern_id, one.duration_us) for one in meter.take()] == [
        ("a", 50),
        ("b", 50),
    ]


def test_a_row_that_leaves_ends_the_stretch() -> None:
    """From then on the others share the time without it."""
    meter = _meter()
    with meter.stretch("denoise", [(_row("a"), 1), (_row("b"), 1)]):
        pass
    with meter.stretch("denoise", [(_row("a"), 1)]):
        pass
    assert [len(one.parts) for one in meter.take()] == [2, 1]


def test_time_is_kept_when_the_work_fails() -> None:
    """A forward that raised was machine time too."""
    meter = _meter()
    with pytest.raises(RuntimeError), meter.stretch("decode", [(_row("a"), 1)]):
        raise RuntimeError
    assert [one.duration_us for one in meter.take()] == [10]


def test_nothing_is_handed_over_twice() -> None:
    """A second take is empty, and a stretch without rows is nobody's."""
    meter = _meter()
    with meter.stretch("load", []):
        pass
    with meter.stretch("encode", [(_row("a"), 1)]):
        pass
    assert [one.kind for one in meter.take()] == ["encode"]
    assert meter.take() == ()
