"""Wishes to stop: whose they are, and what they stop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.codec import Codec
from schemas.errors import Rejected
from schemas.records import EPOCH, CancelRequested, Pattern
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.stages.wishes import Wishes

MINE = Pattern(request_id="r1", ordinal=2, count=3, tenant="acme")


def wishes(*given: tuple[str, int]) -> Wishes:
    """Those of (tenant, ordinal) for request r1, in order."""
    codec = Codec()
    made = Wishes(Connection(bootstrap="nowhere:1"), Events(codec=codec))
    for offset, (tenant, ordinal) in enumerate(given):
        wish = CancelRequested(
            event_id=f"w{offset}",
            request_id="r1",
            tenant=tenant,
            happened_at=EPOCH,
            ordinal=ordinal,
        )
        place = Place("patterns.cancel-requested", 0, offset)
        made.apply(Message(place, b"r1", codec.encode(wish)))
    return made


@pytest.mark.parametrize(("ordinal", "stops"), [(0, True), (2, True), (1, False)])
def test_a_wish_stops_its_pattern_or_the_whole_request(ordinal: int, stops: bool) -> None:
    """Ordinal 0 is every pattern of the request."""
    assert wishes(("acme", ordinal)).stopped(MINE) is stops


def test_a_strangers_wish_neither_stops_nor_unmakes_the_owners() -> None:
    """Another tenant that names the request after its owner changes nothing."""
    assert not wishes(("rival", 0)).stopped(MINE)
    assert wishes(("acme", 0), ("rival", 0)).stopped(MINE)


def test_a_bad_wish_is_skipped() -> None:
    """Bytes that are no wish, and a tombstone, leave the others in force."""
    made = wishes(("acme", 0))
    for value in (b"garbage", None):
        made.apply(Message(Place("patterns.cancel-requested", 0, 9), b"r1", value))
    assert made.stopped(MINE)


def test_too_late_is_expired_and_cancelled_is_cancelled() -> None:
    """Neither makes a dead letter."""
    for made, outcome in ((wishes(("acme", 0)), "cancelled"), (wishes(), "expired")):
        late = Pattern(request_id="r1", ordinal=2, count=3, tenant="acme", deadline=EPOCH)
        with pytest.raises(Rejected) as refused:
            made.check(late, now=EPOCH + timedelta(seconds=1))
        assert (refused.value.outcome, refused.value.dead_letter) == (outcome, False)
