"""When a dead process is tried again."""

from __future__ import annotations

import pytest

from heddle.stack.restarts import RestartPolicy, hopeless
from schemas.errors import (
    EXIT_MISSING_PART,
    EXIT_PORT_TAKEN,
    EXIT_UNREACHABLE,
    EXIT_UNUSABLE,
    EXIT_USAGE,
)

_POLICY = RestartPolicy(
    delay_ms_first=100, delay_ms_max=1_000, healthy_ms=5_000, quick_deaths_max=7
)


def test_waits_double_up_to_the_limit_and_then_end() -> None:
    """Each death in a row doubles the wait; the limit holds; the seventh death is the last."""
    waits = [_POLICY.delay_ms(deaths) for deaths in range(1, 9)]
    assert waits == [100, 200, 400, 800, 1_000, 1_000, None, None]


@pytest.mark.parametrize(("lived_ms", "counted"), [(0, 4), (4_999, 4), (5_000, 1), (90_000, 1)])
def test_a_healthy_while_forgets(lived_ms: int, counted: int) -> None:
    """Deaths add up only while each comes before the healthy while is over."""
    assert _POLICY.quick_deaths(3, lived_ms=lived_ms) == counted


@pytest.mark.parametrize(
    "exit_code", [EXIT_USAGE, EXIT_UNUSABLE, EXIT_MISSING_PART, EXIT_PORT_TAKEN]
)
def test_a_person_is_asked_only_at_the_beginning(exit_code: int) -> None:
    """What never worked and asks for a person is not tried again; what once worked is."""
    assert hopeless(exit_code, was_ready=False)
    assert not hopeless(exit_code, was_ready=True)


@pytest.mark.parametrize("exit_code", [-9, 0, 1, 127, EXIT_UNREACHABLE])
def test_other_deaths_are_tried_again(exit_code: int) -> None:
    """A kill, a crash and an absent broker may all pass."""
    assert not hopeless(exit_code, was_ready=False)
