"""Request status: a join, so order, duplicates and replays do not matter."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Rejected
from schemas.names import event_id
from schemas.records import (
    EPOCH,
    AssetPublished,
    File,
    Pattern,
    PatternFailed,
    PatternRouted,
    Prompt,
    RequestCompleted,
    TileGenerated,
)
from streams.live import status as live
from streams.live.status import Event, RequestStatus

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
FILE = File(
    role="tile", key="a/b.png", display_name="b", media_type="image/png", size_bytes=1, sha256="00"
)


def pattern(ordinal: int, count: int, request_id: str = "r1") -> Pattern:
    """One pattern of a small request."""
    return Pattern(
        request_id=request_id,
        ordinal=ordinal,
        count=count,
        tenant="mill",
        session="s1",
        labels={"po": "7"} if ordinal else {},
        tier="draft",
        requested_at=START,
    )


def routed(ordinal: int, count: int) -> PatternRouted:
    """The pattern was split off."""
    return PatternRouted(
        event_id=f"r{ordinal}", pattern=pattern(ordinal, count), prompt=Prompt(text="x"), seed=1
    )


def generated(ordinal: int, count: int, second: int = 5) -> TileGenerated:
    """Its tile lies on the shelf."""
    return TileGenerated(
        event_id=f"g{ordinal}",
        pattern=pattern(ordinal, count),
        file=FILE,
        gates=(),
        manifest_key="k",
        generated_at=START + timedelta(seconds=second),
        seed=1,
        attempt=1,
        steps=20,
        guidance=3.0,
        model_hash="m",
    )


def published(ordinal: int, count: int, second: int = 9) -> AssetPublished:
    """Its files lie on the shelf."""
    at = START + timedelta(seconds=second)
    return AssetPublished(
        event_id=f"p{ordinal}",
        pattern=pattern(ordinal, count),
        files=(FILE,),
        gates=(),
        recipe_hash="h",
        manifest_key="k",
        generated_at=at,
        published_at=at,
        seed=1,
        attempt=1,
        steps=20,
        guidance=3.0,
        model_hash="m",
    )


def failed(ordinal: int, count: int, outcome: str = "failed", second: int = 7) -> PatternFailed:
    """It ended without an asset."""
    return PatternFailed(
        event_id=f"f{ordinal}",
        pattern=pattern(ordinal, count),
        stage="finish",
        outcome=outcome,
        reason="seam",
        field="seam_p",
        limit="1.2",
        failed_at=START + timedelta(seconds=second),
    )


def run(events: list[Event]) -> tuple[RequestStatus, list[RequestCompleted]]:
    """The status after all of them, and what was sent on the way."""
    status: RequestStatus | None = None
    sent = []
    for event in events:
        status, completed = live.apply(status, event, at_ms=START_MS)
        sent += [completed] if completed else []
    assert status is not None
    return status, sent


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Everything that may be said of a request, complete or not, in the order it happens."""
    count = draw(st.integers(1, 5))
    events: list[Event] = [failed(0, 0, "rejected")] if draw(st.booleans()) else []
    for ordinal in range(1, count + 1):
        events.append(routed(ordinal, count))
        if draw(st.booleans()):
            events.append(generated(ordinal, count, draw(st.integers(0, 3))))
        outcomes = draw(st.lists(st.sampled_from(live.STATES[4:]), max_size=2))
        events += [failed(ordinal, count, each, draw(st.integers(3, 5))) for each in outcomes]
        if draw(st.booleans()):
            events.append(published(ordinal, count, draw(st.integers(5, 8))))
    return events


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_any_replay_give_the_same_status(
    events: list[Event], chance: random.Random
) -> None:
    """Shuffled, with duplicates, or followed by a whole replay: one and the same status."""
    plain, _ = run(events)
    shuffled = events + chance.choices(events, k=3)
    chance.shuffle(shuffled)
    other, _ = run(shuffled + events)
    assert replace(other, completed=None) == replace(plain, completed=None)


@given(histories(), st.randoms(use_true_random=False))
def test_completion_is_sent_once_and_never_changes(
    events: list[Event], chance: random.Random
) -> None:
    """At most one RequestCompleted whatever comes; exactly one once every pattern has ended."""
    chance.shuffle(events)
    status, sent = run(events + events[::-1])
    assert len(sent) == (status.state == "completed")
    if sent:
        assert live.completed_event(status) == sent[0]
        listed = sent[0].published + sent[0].failed + sent[0].cancelled + sent[0].expired
        assert sorted(listed) == list(range(1, sent[0].count + 1))


@given(histories())
def test_counts_sum_to_the_count(events: list[Event]) -> None:
    """Every pattern of a request is in exactly one state; progress is 1 when all have ended."""
    status, _ = run(events)
    assert sum(status.counts().values()) == status.count
    assert 0 <= status.progress() <= 1
    assert (status.progress() == 1) == (status.state != "running")


def test_completion_lists_outcomes_with_the_derived_id() -> None:
    """The event is named by `request_id.0`, sorts ordinals by outcome, carries session, labels."""
    ended: list[Event] = [published(1, 5), failed(2, 5, "rejected"), failed(3, 5, "cancelled")]
    _, sent = run([*ended, failed(4, 5, "expired"), failed(5, 5, "failed", second=60)])
    (completed,) = sent
    assert completed.event_id == event_id("r1.0", "live", "RequestCompleted")
    assert (completed.published, completed.failed) == ((1,), (2, 5))
    assert (completed.cancelled, completed.expired) == ((3,), (4,))
    assert completed.completed_at == START + timedelta(seconds=60)
    assert (completed.tenant, completed.session, completed.labels) == ("mill", "s1", {"po": "7"})


def test_an_asset_supersedes_a_failure_and_what_was_sent_stays() -> None:
    """A replay that publishes a failed pattern changes the status, not the event already sent."""
    status, sent = run([routed(1, 1), failed(1, 1), published(1, 1)])
    assert status.patterns[1].state == "published"
    assert [event.failed for event in sent] == [(1,)]
    assert live.completed_event(status).failed == (1,)


def test_a_failure_after_the_asset_says_nothing() -> None:
    """A published pattern stays published whatever arrives later."""
    status, sent = run([published(1, 1), failed(1, 1, second=30)])
    assert status.patterns[1].state == "published"
    assert [event.published for event in sent] == [(1,)]


def test_a_refusal_is_a_status_and_completes_nothing() -> None:
    """Ordinal 0 of 0 is kept with reason, field and limit, and makes no RequestCompleted."""
    status, sent = run([failed(0, 0, "rejected")])
    assert (status.state, status.count, sent) == ("rejected", 0, [])
    assert status.refusal is not None
    assert (status.refusal.field, status.refusal.limit) == ("seam_p", "1.2")


def test_a_pattern_supersedes_the_refusal() -> None:
    """After any PatternRouted the request runs, its labels those of the pattern."""
    status, _ = run([failed(0, 0, "rejected"), routed(1, 2)])
    assert (status.state, status.count, status.labels) == ("running", 2, {"po": "7"})
    status, _ = run([routed(1, 2), failed(0, 0, "rejected")])
    assert (status.state, status.count, status.labels) == ("running", 2, {"po": "7"})


def test_the_earliest_of_each_kind_counts() -> None:
    """Of two tellings with different times the earlier stays: tile, asset and failure alike."""
    tile = [generated(1, 2, 8), generated(1, 2, 2), generated(1, 2, 4)]
    asset = [published(1, 2, 30), published(1, 2, 20)]
    ending = [failed(2, 2, "expired", 9), failed(2, 2, "cancelled", 6), failed(2, 2, "failed", 7)]
    status, _ = run([*tile, *asset, *ending])
    assert status.patterns[1].generated_ms == START_MS + 2_000
    assert status.patterns[1].published_ms == START_MS + 20_000
    assert (status.patterns[2].state, status.patterns[2].ended_ms) == (
        "cancelled",
        START_MS + 6_000,
    )


def test_a_time_never_set_is_the_brokers() -> None:
    """An event without a time of its own takes the broker's timestamp, within the calendar."""
    untimed = replace(failed(1, 1), failed_at=EPOCH)
    status, _ = run([untimed])
    assert status.patterns[1].ended_ms == START_MS
    assert live.apply(None, untimed, at_ms=2**62)[0].patterns[1].ended_ms == live.MS_MAX
    assert live.apply(None, untimed, at_ms=-1)[0].patterns[1].ended_ms == 0


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (routed(3, 2), "ordinal"),
        (routed(0, 2), "ordinal"),
        (routed(1, 65), "count"),
        (routed(1, -1), "count"),
        (routed(0, 0), "ordinal"),
        (failed(1, 0), "ordinal"),
        (failed(0, 2), "ordinal"),
    ],
)
def test_an_event_that_cannot_be_is_refused(event: Event, field: str) -> None:
    """Ordinal and count outside their limits are refused by name."""
    with pytest.raises(Rejected) as refused:
        live.apply(None, event, at_ms=START_MS)
    assert refused.value.field == field
    assert refused.value.limit


def test_another_count_and_another_request_are_refused() -> None:
    """A request keeps the count of its split, and a status its request."""
    status, _ = run([routed(1, 2)])
    with pytest.raises(Rejected, match="count is 3"):
        live.apply(status, routed(1, 3), at_ms=START_MS)
    with pytest.raises(Rejected, match="another request"):
        live.apply(replace(status, request_id="r2"), routed(2, 2), at_ms=START_MS)
