"""What became of a request, from its events in any order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.outcome import Ending, Endings
from client.reading import Seen
from schemas.records import EPOCH, AssetPublished, Pattern, PatternFailed


def published(ordinal: int, count: int, request_id: str = "r") -> AssetPublished:
    """An asset of a request."""
    return AssetPublished(
        event_id=f"{request_id}.{ordinal}.p",
        pattern=Pattern(request_id=request_id, ordinal=ordinal, count=count),
        files=(),
        gates=(),
        seed=0,
        attempt=1,
        steps=1,
        guidance=0.0,
        model_hash="",
        recipe_hash="",
        manifest_key="",
        generated_at=EPOCH,
        published_at=EPOCH,
    )


def failed(ordinal: int, count: int, request_id: str = "r") -> PatternFailed:
    """A failure of a request."""
    return PatternFailed(
        event_id=f"{request_id}.{ordinal}.f",
        pattern=Pattern(request_id=request_id, ordinal=ordinal, count=count),
        stage="finish",
        outcome="failed",
        reason="",
    )


def fold(*events: Any) -> Ending:
    """An ending after some events."""
    ending = Ending("r")
    for event in events:
        ending.add(event)
    return ending


@pytest.mark.parametrize(
    ("events", "complete"),
    [
        ([], False),
        ([published(1, 2)], False),
        ([published(1, 2), published(1, 2)], False),
        ([published(1, 2), failed(1, 2)], False),
        ([published(1, 2), failed(2, 2)], True),
        ([failed(1, 1)], True),
        ([failed(0, 0)], True),
        ([failed(0, 0), published(1, 2)], False),
        ([published(1, 1), failed(0, 0)], True),
    ],
)
def test_a_request_is_complete_when_every_pattern_ended(events: list[Any], complete: bool) -> None:
    """Repeats and failures of published patterns count nothing; a refusal ends what never split."""
    assert fold(*events).complete is complete


EVENTS = st.lists(
    st.builds(published, st.integers(1, 4), st.just(4))
    | st.builds(failed, st.integers(1, 4), st.just(4))
    | st.just(failed(0, 0)),
    max_size=12,
)


@given(EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_order_and_repetition_do_not_matter(pair: tuple[list[Any], list[Any]]) -> None:
    """Any order of the same events, repeated, gives the same result, each ordinal in one place."""
    events, other = pair
    one, two = fold(*events), fold(*other, *events)
    assert one.result() == two.result()
    assert one.complete == two.complete
    result = one.result()
    assert not result.published.keys() & result.failed.keys()
    assert list(result.failed) == sorted(result.failed)
    if result.count:
        assert result.refused is None
        assert one.complete == (len(result.published) + len(result.failed) == result.count)
        assert result.all_published == (len(result.published) == result.count)


def test_each_request_is_handed_over_once() -> None:
    """Requests come out as they complete, strangers and late repeats are passed over."""
    endings = Endings(["a", "b", "c"])
    for event in (published(1, 1, "a"), published(1, 1, "x"), published(1, 2, "b")):
        endings.add(event)
    assert [result.request_id for result in endings.take()] == ["a"]
    endings.add(published(1, 1, "a"))
    assert endings.take() == []
    assert len(endings) == 2
    assert "b, c" in endings.shortage()
    endings.add(failed(2, 2, "b"))
    assert [result.request_id for result in endings.take()] == ["b"]


def test_a_superseded_refusal_is_taken_back() -> None:
    """A refusal not yet handed over gives way to the patterns of a replay."""
    endings = Endings(["r"])
    endings.add(failed(0, 0))
    endings.add(published(1, 2))
    assert endings.take() == []
    endings.add(published(2, 2))
    (result,) = endings.take()
    assert result.all_published


def test_what_was_seen_is_bounded() -> None:
    """The newest ids are remembered, a repetition makes an id new again, the oldest goes."""
    seen = Seen(2)
    assert [seen.again(name) for name in "aba"] == [False, False, True]
    assert [seen.again(name) for name in "ca"] == [False, True]
    assert seen.again("b") is False
