"""Errors cross process pools whole."""

from __future__ import annotations

import inspect
import pickle

import pytest

from schemas import errors
from schemas.errors import (
    Busy,
    Conflict,
    Deadly,
    HeddleError,
    MissingPart,
    Rejected,
    Transient,
    Undecodable,
    Unusable,
)

ALL: list[HeddleError] = [
    HeddleError("h"),
    Busy(delay_ms=250),
    Rejected("r", outcome="expired", field="f", limit="l", dead_letter=False),
    Undecodable("u", field="f", limit="l"),
    Conflict("c", field="f", limit="l"),
    Deadly("d"),
    Transient("t", delay_ms=250),
    Unusable("u", exit_code=errors.EXIT_PORT_TAKEN),
    MissingPart("m"),
]


def test_the_whole_tree_is_here() -> None:
    """Every error class of the tree has an example below, and there is one tree."""
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    ours = {kind for kind in classes if issubclass(kind, Exception)}
    assert ours == {type(error) for error in ALL}
    assert all(issubclass(kind, HeddleError) for kind in ours)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error: HeddleError) -> None:
    """Kind, sentence and every detail are the same on the other side."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - what a process pool does
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_what_was_spent_survives_too() -> None:
    """A process of the pool measures it, the stage tells of it."""
    refused = Rejected("r", outcome="failed")
    refused.cpu_us = 75_000_000
    assert pickle.loads(pickle.dumps(refused)).cpu_us == 75_000_000  # noqa: S301 - as above
