"""What live stores and keeps: stored form, view, bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.live.kept import Kept
from streams.live.status import MS_MAX, Completed, Ending, PatternStatus, RequestStatus
from streams.live.stored import dump, load, view

_MS = st.none() | st.integers(0, MS_MAX)
_ENDINGS = st.builds(
    Ending,
    at_ms=st.integers(0, MS_MAX),
    outcome=st.sampled_from(["failed", "cancelled", "expired", "rejected"]),
    stage=st.text(max_size=5),
    reason=st.text(max_size=5),
    field=st.text(max_size=5),
    limit=st.text(max_size=5),
)
_ORDINALS = st.lists(st.integers(1, 64)).map(tuple)
_STATUSES = st.builds(
    RequestStatus,
    request_id=st.text(min_size=1, max_size=8),
    tenant=st.text(max_size=5),
    tier=st.text(max_size=5),
    session=st.none() | st.text(min_size=1, max_size=5),
    labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
    requested_ms=st.integers(0, MS_MAX),
    count=st.just(3),
    patterns=st.dictionaries(
        st.integers(1, 3),
        st.builds(
            PatternStatus,
            routed_ms=_MS,
            generated_ms=_MS,
            published_ms=_MS,
            ending=st.none() | _ENDINGS,
        ),
    ),
    refusal=st.none() | _ENDINGS,
    completed=st.none()
    | st.builds(
        Completed,
        at_ms=st.integers(0, MS_MAX),
        published=_ORDINALS,
        failed=_ORDINALS,
        cancelled=_ORDINALS,
        expired=_ORDINALS,
    ),
)


def request(number: int, *, at_ms: int, ended: bool = True, tier: str = "draft") -> RequestStatus:
    """A request of one pattern, last touched at `at_ms`."""
    known = PatternStatus(routed_ms=at_ms, published_ms=at_ms if ended else None)
    return RequestStatus(request_id=f"r{number}", tier=tier, count=1, patterns={1: known})


def put(kept: Kept, status: RequestStatus, partition: int = 0) -> None:
    """Keep a status under its own key."""
    kept.put(partition, status.request_id.encode(), status)


@given(_STATUSES)
def test_a_status_survives_its_stored_form(status: RequestStatus) -> None:
    """Loaded from its JSON a status is the same, and so are the bytes of a second dump."""
    assert load(dump(status)) == status
    assert dump(load(dump(status))) == dump(status)


@given(_STATUSES)
def test_a_view_is_json_with_every_ordinal(status: RequestStatus) -> None:
    """The answer to a reader is plain JSON and names every pattern of the count."""
    answer = json.loads(json.dumps(view(status)))
    assert [part["ordinal"] for part in answer["patterns"]] == [1, 2, 3]
    assert sum(answer["counts"].values()) == 3


def test_an_asset_hides_the_failure_before_it() -> None:
    """A failed pattern shows its failure; a published one shows none, even at time 0."""
    ending = Ending(at_ms=1, outcome="failed", reason="seam")
    known = {1: PatternStatus(published_ms=0, ending=ending), 2: PatternStatus(ending=ending)}
    part, lost = view(RequestStatus(request_id="r", count=2, patterns=known))["patterns"]
    assert lost["failure"]["reason"] == "seam"
    assert (part["state"], part["failure"]) == ("published", None)
    assert part["ended_at"] == "1970-01-01T00:00:00.000+00:00"


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"v":2,"id":"r"}', b'{"v":1}', b"\xff"])
def test_foreign_bytes_are_refused(value: bytes) -> None:
    """Whatever `dump` did not write raises ValueError and nothing else."""
    with pytest.raises(ValueError):  # noqa: PT011  The type is the promise.
        load(value)


def test_ended_requests_go_before_running_ones() -> None:
    """Over the maximum the longest untouched ended request goes first, running ones last."""
    kept = Kept(requests_max=2)
    put(kept, request(1, at_ms=1, ended=False))
    put(kept, request(2, at_ms=2))
    put(kept, request(3, at_ms=3))
    put(kept, request(4, at_ms=4))
    gone = kept.expired(now_ms=5, expired_max=10)
    assert [(e.key, e.running) for e in gone] == [(b"r2", False), (b"r3", False)]
    put(kept, request(5, at_ms=5, ended=False))
    put(kept, request(6, at_ms=5, ended=False))
    gone = kept.expired(now_ms=5, expired_max=10)
    assert [e.key for e in gone] == [b"r2", b"r3", b"r4", b"r1"]


def test_old_requests_go_by_age() -> None:
    """Untouched for longer than the maximum age, ended or not, a request is expired."""
    kept = Kept(age_ms_max=10)
    put(kept, request(1, at_ms=1, ended=False), partition=3)
    put(kept, request(2, at_ms=5))
    assert kept.expired(now_ms=11, expired_max=10) == []
    assert [(e.partition, e.key) for e in kept.expired(now_ms=15, expired_max=10)] == [(3, b"r1")]
    assert len(kept.expired(now_ms=16, expired_max=10)) == 2
    assert len(kept.expired(now_ms=16, expired_max=1)) == 1


def test_recovery_order_is_mended() -> None:
    """After a recovery in any order the longest untouched request is first again."""
    kept = Kept(requests_max=1)
    put(kept, request(2, at_ms=9))
    put(kept, request(1, at_ms=1))
    kept.in_order()
    assert [e.key for e in kept.expired(now_ms=9, expired_max=10)] == [b"r1"]


def test_counts_follow_every_change() -> None:
    """Counts by tier and state are those of the requests kept, whatever happened."""
    kept = Kept()
    put(kept, request(1, at_ms=1, ended=False))
    put(kept, request(2, at_ms=1), partition=1)
    put(kept, request(3, at_ms=1, tier="premium"))
    put(kept, request(1, at_ms=2))
    assert kept.counts() == {"draft": {"published": 2}, "premium": {"published": 1}}
    kept.keep_only({0})
    assert kept.get(b"r2") is None
    kept.remove(b"r3")
    kept.remove(b"never seen")
    assert kept.counts() == {"draft": {"published": 1}}
    assert len(kept) == 1
