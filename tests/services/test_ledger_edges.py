"""Edges that random houses rarely show: each with as few events as show it, beside the model.

Each has a pool, a worker and a tenant by its own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analytics.prices import STORAGE, PriceBook
from analytics.sink import Sink
from schemas.errors import Unusable
from schemas.names import STOP_INTERVAL, STOPPED
from schemas.records import Record
from tests.services.ledger_child import WRITER_PASSWORD, Ledger, running
from tests.services.ledger_compare import faults
from tests.services.ledger_lives import ask, hang_up, refresh
from tests.services.ledger_model import House
from tests.services.ledger_weaver import BOOK, FIRST
from tests.unit.analytics import events

NOON = FIRST + timedelta(hours=12)
MIDNIGHT = FIRST + timedelta(days=1)
OFFSETS = iter(range(10**9))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process
        hang_up()


def told(ledger: Ledger, records: list[Record], book: PriceBook = BOOK) -> House:
    """Write them under a book, at offsets of their own; the house that heard the same."""
    rows = [(one, "few", 0, next(OFFSETS), NOON) for one in records]
    sink = Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=book)
    sink.write(rows)
    sink.close()
    house = House(BOOK)
    house.hear(rows)
    return house


def wrong(ledger: Ledger, house: House, view: str, name: str) -> list[str]:
    """What a view says of one test's own that the model does not, and the reverse."""
    return [one for one in faults(ledger, house, view) if repr(name) in one]


def interval(name: str, number: int, started_at: datetime, us: int, **given: Any) -> Record:
    """Of a CPU that idles."""
    base = events.usage({}, number, event_id=f"{name}/{number}", incarnation=name, pool=name,
                        state="idle", forwards=(), model="", version="")  # fmt: skip
    return replace(base, started_at=started_at, duration_us=us, **given)


def stop(name: str, started_at: datetime, stopped_at: datetime) -> Record:
    """As the supervisor of that CPU saw its end."""
    us = (stopped_at - started_at) // timedelta(microseconds=1)
    return interval(name, STOP_INTERVAL, started_at, us, state=STOPPED)


def test_a_word_on_a_pattern_without_files_counts_in_no_day(ledger: Ledger) -> None:
    """It shows in `patterns`; `daily_patterns` counts words on what was published alone."""
    of = events.pattern("open", tenant="open", requested_at=NOON)
    word = replace(events.feedback(of, "ordered"), happened_at=NOON)
    house = told(ledger, [events.routed(of), word])
    refresh(ledger)
    assert wrong(ledger, house, "patterns", "open.1") == []
    assert wrong(ledger, house, "daily_patterns", "open") == []


def test_a_tail_of_odd_microseconds_is_no_fault_of_its_worker(ledger: Ledger) -> None:
    """5.000999 s, then 0.000999 s, then a tail until 6 s: all the time there was is in a state."""
    second = timedelta(seconds=1)
    house = told(ledger, [
        interval("odd", 0, NOON, 5_000_999),
        interval("odd", 1, NOON + 5 * second, 999),
        stop("odd", NOON, NOON + 6 * second),
    ])  # fmt: skip
    assert wrong(ledger, house, "audit_states", "odd") == []


def test_the_time_of_a_life_with_a_tail_and_a_hole_is_exact(ledger: Ledger) -> None:
    """Interval 0 was lost; the other ended at 5.000999 s, the stop was at 6 s: six seconds."""
    life = [interval("hole", 1, NOON, 5_000_999), stop("hole", NOON, NOON + timedelta(seconds=6))]
    house = told(ledger, life)
    assert wrong(ledger, house, "audit_states", "hole") == []


@pytest.mark.parametrize("view", ["machine_time", "daily_machines"])
def test_each_day_of_a_tail_has_that_days_price(ledger: Ledger, view: str) -> None:
    """Prices change at the midnight that it crosses: a second at the old one, one at the new."""
    second, name = timedelta(seconds=1), f"night-{view}"
    house = told(ledger, [stop(name, MIDNIGHT - second, MIDNIGHT + second)])
    refresh(ledger)
    assert wrong(ledger, house, view, name) == []


@pytest.mark.parametrize("view", ["machine_time", "daily_machines"])
def test_another_book_changes_no_price_of_machines(ledger: Ledger, view: str) -> None:
    """The same interval and stop, written again when everything is dearer: as it was at first."""
    name = f"book-{view}"
    life = [interval(name, 0, NOON, 5_000_000), stop(name, NOON, NOON + timedelta(seconds=6))]
    house = told(ledger, life)
    told(ledger, life, dearer())
    refresh(ledger)
    assert wrong(ledger, house, view, name) == []


def test_another_book_of_the_same_days_is_refused_for_storage(ledger: Ledger) -> None:
    """Days that are over are billed: what would price them anew is refused before it is noted."""
    of = events.pattern("shelf", tenant="shelf", requested_at=NOON)
    records: list[Record] = [events.published(of, generated_at=NOON, published_at=NOON)]
    house = told(ledger, records)
    with pytest.raises(Unusable, match=r"z-shelf-\w+: shelf-\w+ already prices storage"):
        told(ledger, records, dearer(with_storage=True))
    refresh(ledger)
    assert ask(ledger, "SELECT count() AS days FROM daily_storage") != [{"days": 0}]
    assert wrong(ledger, house, "daily_storage", "shelf") == []


def test_an_old_refusal_that_comes_again_is_old(ledger: Ledger) -> None:
    """Refused at noon, and again an hour later; noon's event is then doubled at a new offset."""
    of = events.pattern("no", ordinal=0, count=0, tenant="no")
    first = events.failed(of, outcome="rejected", stage="route", failed_at=NOON, reason="first")
    again = replace(first, failed_at=NOON + timedelta(hours=1), reason="again")
    house = told(ledger, [first, again, first])
    assert wrong(ledger, house, "refusals", "no") == []


def dearer(*, with_storage: bool = False) -> PriceBook:
    """Entries of other names for the same machines and dates, ten times as dear; files as before,
    unless they are asked for.

    Its names come before the others', so that the order of names keeps no old price.
    """
    return PriceBook(
        entries=tuple(
            replace(one, price_id=f"z-{one.price_id}", per_hour=one.per_hour * Decimal(10))
            if one.device != STORAGE or with_storage
            else one
            for one in BOOK.entries
        )
    )
