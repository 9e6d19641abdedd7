"""What things cost stays as it was first told, and everything that machines took is on somebody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from analytics.bill import bill
from analytics.link import Address
from analytics.prices import read_prices
from analytics.sink import Sink
from schemas.errors import Unusable
from schemas.names import STOP_INTERVAL
from tests.services.ledger_child import READER_PASSWORD, Ledger, running
from tests.services.ledger_lives import ask, hang_up, refresh, write, writer
from tests.unit.analytics import events
from tests.unit.analytics.events import at, pattern


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process
        hang_up()


@pytest.fixture(scope="module")
def sink(ledger: Ledger) -> Iterator[Sink]:
    sink = writer(ledger)
    yield sink
    sink.close()


def test_another_book_changes_no_cost(ledger: Ledger, sink: Sink) -> None:
    """A replay under a dearer book: the price that was applied first stays, with its id.

    Of shares, of machines that nobody used, and of the tail that a killed one left.
    """
    idle = events.usage({}, 1, 0, incarnation="book", event_id="book/1", device="abacus",
                        state="idle", duration_us=5_000_000, pool="unused")  # fmt: skip
    stop = replace(idle, event_id="book/stop", state="stopped", interval=STOP_INTERVAL,
                   duration_us=60_000_000)  # fmt: skip
    records = [
        events.routed(pattern("book", tenant="book")),
        events.usage({("book.1", 1): 75_000_000}, 0, -900, event_id="book/0", device="abacus"),
        idle,
        stop,
    ]
    write(sink, records)
    asked = (
        "SELECT cost, price_id FROM costs WHERE tenant = 'book'",
        "SELECT state, cost, price_id FROM machine_time WHERE device = 'abacus' ORDER BY ALL",
        "SELECT state, cost, price_per_hour FROM daily_machines WHERE device = 'abacus'"
        " ORDER BY ALL",
    )
    refresh(ledger)
    before = [ask(ledger, sql) for sql in asked]
    assert [row["price_id"] for row in before[0]] == ["any-2020"]
    assert {row["price_id"] for row in before[1]} == {"any-2020"}
    assert {row["state"] for row in before[1]} == {"busy", "failed", "idle"}
    dear = read_prices(
        '[[price]]\nid = "dear"\nfrom = 2020-01-01\nper_hour = 100\ncurrency = "EUR"\n'
    )
    other = Sink(url=ledger.url, user="heddle_writer", password="write-me", prices=dear)
    write(other, records)
    write(other, records, 50)
    other.close()
    refresh(ledger)
    assert [ask(ledger, sql) for sql in asked] == before


def test_an_edited_book_is_refused(ledger: Ledger, sink: Sink) -> None:
    """An entry that changes under its id would change old bills: nothing is written by it."""
    sink.prepare()
    edited = read_prices(
        '[[price]]\nid = "any-2020"\nfrom = 2020-01-01\nper_hour = 0.06\ncurrency = "EUR"\n'
    )
    other = Sink(url=ledger.url, user="heddle_writer", password="write-me", prices=edited)
    with pytest.raises(Unusable, match="any-2020: per_hour is not what was applied"):
        write(other, [events.routed(pattern("edited"))])
    other.close()
    assert ask(ledger, "SELECT * FROM patterns WHERE request_id = 'edited'") == []


def test_idle_time_is_borne_by_the_work_of_its_day(ledger: Ledger, sink: Sink) -> None:
    """On the loaded basis a machine's whole day is paid; on the direct one, what was used."""
    lives = [events.routed(pattern(f"load{n}", tenant=f"load{n}")) for n in (1, 2)]
    used = {("load1.1", 1): 75_000_000, ("load2.1", 1): 150_000_000}
    busy = replace(
        events.usage(used, 45, 600, incarnation="load", event_id="load/1", pool="loaded"),
        duration_us=225_000_000,
    )
    idle = replace(busy, interval=0, event_id="load/0", state="idle", forwards=(),
                   started_at=at(600 - 450), duration_us=450_000_000)  # fmt: skip
    write(sink, [*lives, *events.cut(idle), *events.cut(busy)])
    refresh(ledger)
    sql = (
        "SELECT tenant, cost, loaded_cost FROM {} WHERE startsWith(tenant, 'load') ORDER BY tenant"
    )
    expected = [
        ("load1", Decimal("0.001"), Decimal("0.003")),
        ("load2", Decimal("0.002"), Decimal("0.006")),
    ]
    for view in ("daily_costs", "daily_patterns"):
        found = ask(ledger, sql.format(view))
        assert [tuple(row.values()) for row in found] == expected
    sql = "SELECT state, cost FROM daily_machines WHERE pool = 'loaded' ORDER BY state"
    assert [tuple(row.values()) for row in ask(ledger, sql)] == [
        ("busy", Decimal("0.003")),
        ("idle", Decimal("0.006")),
    ]


def test_getting_ready_is_told_apart_from_waiting(ledger: Ledger, sink: Sink) -> None:
    """Loaded cost is what was used, a share of getting ready, and one of all other time."""
    lives = [events.routed(pattern(f"ready{n}", tenant=f"ready{n}")) for n in (1, 2)]
    used = {("ready1.1", 1): 15_000_000, ("ready2.1", 1): 30_000_000}
    busy = replace(
        events.usage(used, 14, 300, incarnation="ready", event_id="ready/busy", pool="ready"),
        duration_us=45_000_000,
    )
    others = [
        replace(busy, interval=first, event_id=f"ready/{state}", state=state, forwards=(),
                started_at=at(300 - seconds), duration_us=us)
        for state, first, seconds, us in (
            ("loading", 0, 135, 15_000_000), ("warming", 2, 120, 30_000_000),
            ("idle", 5, 90, 90_000_000),
        )
    ]  # fmt: skip
    write(sink, [*lives, *(piece for one in [*others, busy] for piece in events.cut(one))])
    refresh(ledger)
    sql = (
        "SELECT tenant, cost, load_cost, idle_cost, loaded_cost FROM daily_costs"
        " WHERE startsWith(tenant, 'ready') ORDER BY tenant"
    )
    # Six ten-thousandths were used, as much went into getting ready, twelve into waiting.
    assert [tuple(row.values()) for row in ask(ledger, sql)] == [
        (name, *(Decimal(part) * of_all / 3 for part in ("0.0006", "0.0006", "0.0012", "0.0024")))
        for name, of_all in (("ready1", 1), ("ready2", 2))
    ]


def test_a_month_of_work_alone_has_its_currency(ledger: Ledger, sink: Sink) -> None:
    """Asked for in October, made in November: the bill knows whose money it counts."""
    asked_at = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    of = pattern("eve", tenant="eve", requested_at=asked_at)
    work = events.usage({("eve.1", 1): 5_000_000}, 0, incarnation="eve", event_id="eve/0")
    write(sink, [events.routed(of), work])
    refresh(ledger)
    address = Address(url=ledger.url, user="heddle_reader", password=READER_PASSWORD)
    found = bill(address, tenant="eve", month=date(2026, 11, 1))
    assert (found.patterns, found.currency) == (0, "EUR")
    assert found.cost > 0
