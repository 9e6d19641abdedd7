"""What is told of an error that nobody expected: its kind and its spot, never its words."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from streams.kafka.message import Message, Place
from streams.loop.hops import about
from streams.loop.verdicts import given_up

MESSAGE = Message(Place("patterns.requested", 0, 3), b"r1", b"value")


def surprise(words: str) -> None:
    """Raises where a line number of this file can be told."""
    raise KeyError(words)


def told(error: Exception | None) -> str:
    """The reason of the refusal."""
    assert error is not None
    return given_up(error, 1, MESSAGE).reason


def test_an_error_here_is_told_by_its_spot() -> None:
    """Kind, file and line; the words may be anybody's."""
    try:
        surprise("secret words")
    except KeyError as error:
        reason = told(error)
    assert reason.startswith("unexpected KeyError at test_verdicts.py:")
    assert "secret" not in reason


def test_an_error_in_a_pools_process_is_told_by_the_spot_there() -> None:
    """Not by the line of the library that brought it over."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(surprise, "secret words").exception(60)
    assert isinstance(error, KeyError)
    reason = told(error)
    assert reason.startswith("unexpected KeyError at test_verdicts.py:")
    assert "secret" not in reason


def test_a_key_that_is_no_request_id_is_not_logged() -> None:
    """A stranger may have keyed by prompt."""
    keyed = Message(MESSAGE.place, b"navy dots, very secret", b"value")
    assert about(MESSAGE)["request_id"] == "r1"
    assert "secret" not in str(about(keyed))
