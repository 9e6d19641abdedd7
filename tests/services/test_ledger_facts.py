"""Daily facts, midnight, the two invariants: seen to hold, and to fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from analytics.sink import Sink
from schemas.names import STOP_INTERVAL
from tests.services.ledger_child import Ledger, running
from tests.services.ledger_lives import (
    CPU,
    ask,
    hang_up,
    refresh,
    write,
    writer,
)
from tests.unit.analytics import events
from tests.unit.analytics.events import at, pattern

HOUR_US = 3_600_000_000
ROUNDED = Decimal("1e-9")
FACTS_S_MAX = 40
"""Lives are copied every ten seconds and facts looked after every twenty, each after the last."""


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


def test_facts_are_made_without_being_asked(ledger: Ledger, sink: Sink) -> None:
    """The engine refreshes all five by itself: what was written while it ran stands in every daily
    view within `FACTS_S_MAX`, and nobody has asked for it."""
    of = pattern("alone", tenant="alone")
    used = events.usage({("alone.1", 1): 3_000_000}, event_id="alone/0", pool="alone")
    write(sink, [events.routed(of), used, events.generated(of), events.published(of)])
    waiting = {
        "daily_patterns": "tenant = 'alone' AND published = 1",
        "daily_costs": "tenant = 'alone' AND kind = 'direct'",
        "daily_latency": "tenant = 'alone'",
        "daily_machines": "pool = 'alone'",
    }
    deadline_s = time.monotonic() + FACTS_S_MAX
    while waiting:
        assert time.monotonic() < deadline_s, f"nobody makes {sorted(waiting)}"
        for view, holds in list(waiting.items()):
            if ask(ledger, f"SELECT * FROM {view} WHERE {holds}"):  # noqa: S608 - from above
                del waiting[view]
        threading.Event().wait(0.25)
    sql = "SELECT view, exception FROM system.view_refreshes ORDER BY view"
    client = ledger.client("writer")
    found = client.query(sql).result_rows
    client.close()
    assert [view for view, _ in found] == [
        "facts_costs", "facts_latency", "facts_lives", "facts_machines", "facts_patterns"
    ]  # fmt: skip
    assert {trouble for _, trouble in found} == {""}


def test_an_interval_across_midnight_counts_on_both_days(ledger: Ledger, sink: Sink) -> None:
    """Three seconds before midnight, nine long: a third yesterday, two thirds today."""
    of = pattern("owl", tenant="owl")
    record = replace(
        events.usage({("owl.1", 1): 27_000_003}, 0, 7, incarnation="owl", event_id="owl/0"),
        duration_us=9_000_000,
    )
    write(sink, [events.routed(of), record, record])
    days = ask(ledger, "SELECT day, duration_us FROM costs WHERE tenant = 'owl' ORDER BY day")
    assert [(row["day"].day, row["duration_us"]) for row in days] == [
        (3, 9_000_001),
        (4, 18_000_002),
    ]
    refresh(ledger)
    same = ask(ledger, "SELECT day, duration_us FROM daily_costs WHERE tenant = 'owl' ORDER BY day")
    assert same == days
    assert ask(ledger, "SELECT * FROM audit_forwards WHERE event_id = 'owl/0'") == []
    assert ask(ledger, "SELECT * FROM audit_states WHERE incarnation = 'owl'") == []


def test_planted_faults_are_seen_by_the_invariants(ledger: Ledger, sink: Sink) -> None:
    """A part too many, a lost share, a hole in a worker's life: each is one row of its audit."""
    life = [
        replace(events.usage({}, n, n * 10, incarnation="hole", event_id=f"hole/{n}"),
                duration_us=10_000_000, forwards=(), state="idle")
        for n in range(3)
    ]  # fmt: skip
    write(sink, life)
    sql = (
        "SELECT provisioned_us, states_us, missing FROM audit_states WHERE incarnation = {i:String}"
    )
    assert ask(ledger, sql, i="hole") == []
    write(sink, [replace(one, incarnation="gap", event_id=f"gap/{n}")
                 for n, one in enumerate(life) if n != 1])  # fmt: skip
    gap = {"provisioned_us": 30_000_000, "states_us": 20_000_000, "missing": 1}
    assert ask(ledger, sql, i="gap") == [gap]
    late = replace(life[2], started_at=at(21))
    write(sink, [*[replace(one, incarnation="late", event_id=f"late/{n}")
                   for n, one in enumerate((life[0], life[1], late))]])  # fmt: skip
    late_row = {"provisioned_us": 31_000_000, "states_us": 30_000_000, "missing": 0}
    assert ask(ledger, sql, i="late") == [late_row]
    write(sink, [events.usage({("plant.1", 1): 5}, 0, 0, incarnation="plant", event_id="plant/0")])
    sql = "SELECT forward, duration_us, parts_us FROM audit_forwards WHERE event_id LIKE 'plant/%'"
    assert ask(ledger, sql) == []
    client = ledger.client("writer")
    client.command(
        "INSERT INTO heddle.usage_shares (event_id, request_id, ordinal, attempt, duration_us,"
        " incarnation, started_at) VALUES ('plant/0', 'plant', 2, 1, 7, 'plant', now())"
    )
    assert ask(ledger, sql) == [{"forward": 0, "duration_us": 5, "parts_us": 12}]
    client.command(
        "INSERT INTO heddle.raw_usage (event_id, incarnation, started_at, forwards.kind,"
        " forwards.duration_us, forwards.parts, forwards.parts_us)"
        " VALUES ('plant/1', 'plant', now(), ['denoise'], [10], [2], [9])"
    )
    assert {"forward": 1, "duration_us": 10, "parts_us": 9} in ask(ledger, sql)


def test_a_killed_workers_tail_is_booked_from_its_stop(ledger: Ledger, sink: Sink) -> None:
    """What it never reported is `failed` time, cut at midnight, less what comes late; once."""
    life = [
        replace(events.usage({}, n, n * 5 - 15, incarnation="killed", event_id=f"killed/{n}",
                             pool="killed"), duration_us=5_000_000, forwards=(), state="busy")
        for n in range(4)
    ]  # fmt: skip
    stop = replace(life[0], event_id="killed/stop", state="stopped", started_at=at(-20),
                   interval=STOP_INTERVAL, duration_us=37_000_000)  # fmt: skip
    sql = (
        "SELECT day, state, duration_us, cost FROM {} WHERE pool = 'killed' AND state = 'failed'"
        " ORDER BY day"
    )
    write(sink, [*life[:3], stop, stop])
    # Midnight is at 10 s: reported until 0 s, stopped at 17 s.
    priced = [(us, CPU * us / HOUR_US) for us in (10_000_000, 7_000_000)]
    refresh(ledger)
    for view in ("machine_time", "daily_machines"):
        found = ask(ledger, sql.format(view))
        assert [row["day"].day for row in found] == [3, 4]
        assert [row["duration_us"] for row in found] == [us for us, _ in priced]
        for row, (_, cost) in zip(found, priced, strict=True):
            assert abs(row["cost"] - cost) < ROUNDED
    audit = "SELECT * FROM audit_states WHERE incarnation = 'killed'"
    assert ask(ledger, audit) == []
    write(sink, [life[3], life[3]], 90)
    assert [row["duration_us"] for row in ask(ledger, sql.format("machine_time"))] == [
        5_000_000, 7_000_000
    ]  # fmt: skip
    assert ask(ledger, audit) == []


def test_a_worker_killed_before_its_first_report_is_booked_whole(
    ledger: Ledger, sink: Sink
) -> None:
    """Its supervisor knows when it started; nobody else ever heard of it."""
    stop = events.usage({}, STOP_INTERVAL, 60, incarnation="young", event_id="young/stop",
                        state="stopped", pool="young", duration_us=4_000_000)  # fmt: skip
    write(sink, [stop])
    sql = "SELECT state, duration_us, price_id FROM machine_time WHERE pool = 'young'"
    assert ask(ledger, sql) == [
        {"state": "failed", "duration_us": 4_000_000, "price_id": "cpu-2026"}
    ]
    assert ask(ledger, "SELECT * FROM audit_states WHERE incarnation = 'young'") == []


def test_finishing_that_failed_is_waste(ledger: Ledger, sink: Sink) -> None:
    """75 s of a CPU are 0.001 EUR, twice where it was done twice; no asset makes it good."""
    of = pattern("gate", tenant="gate")
    first = events.failed(of, 6, stage="finish", cpu_us=75_000_000)
    second = replace(first, failed_at=at(7), cpu_us=150_000_000)
    write(sink, [events.routed(of), events.generated(of), first, first])
    facts = (
        "SELECT sum(f.cost) AS c, sum(f.waste_cost) AS w, sum(f.failed) AS n"
        " FROM daily_patterns AS f WHERE tenant = 'gate'"
    )
    rows = (
        "SELECT cost AS c, waste_cost AS w, outcome = 'failed' AS n"
        " FROM patterns WHERE tenant = 'gate'"
    )
    for records, cost, waste, failed in (
        ([first], "0.001", "0.001", 1),
        ([second, first, second], "0.003", "0.003", 1),
        ([events.published(of, cpu_us=75_000_000), first], "0.004", "0.003", 0),
    ):
        write(sink, records, 20)
        refresh(ledger)
        for sql in (facts, rows):
            found = tuple(ask(ledger, sql)[0].values())
            assert found == (Decimal(cost), Decimal(waste), failed)
    sql = "SELECT stage, kind, attempt, duration_us FROM costs WHERE tenant = 'gate' ORDER BY ALL"
    assert [tuple(row.values()) for row in ask(ledger, sql)] == [
        ("finish", "direct", 1, 75_000_000),
        ("finish", "waste", 0, 225_000_000),
    ]
