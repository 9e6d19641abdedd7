"""Daily facts are made anew of the days that changed, of all of those, and of no other."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from analytics.sink import Sink
from tests.services.ledger_child import Ledger, running
from tests.services.ledger_lives import ask, hang_up, refresh, write, writer
from tests.unit.analytics import events
from tests.unit.analytics.events import pattern

PLANTED = 77
OLD = """
INSERT INTO heddle.pattern_life
    (request_id, ordinal, tenant, is_known, tier, requested_at, published_at, attempt, spent)
SELECT
    concat('old', toString(number)), 1, 'old', 1, 'draft',
    toDateTime64('2026-03-01 12:00:00', 3, 'UTC') + 86400 * (number % 5) AS asked_at,
    asked_at + 60, 1,
    [(number, 1, 75000000, cityHash64(toDate(asked_at), 'generate', 'small', 'cpu'))]
FROM numbers(77)"""
"""As a ledger has them that was written long ago: nothing says when they were touched."""
RATES = """
INSERT INTO heddle.price_rates
    (rate, day, stage, pool, device, price_id, price_per_hour, currency, noted_at)
SELECT
    cityHash64(day, 'generate', 'small', 'cpu'), toDate('2026-03-01') + number AS day,
    'generate', 'small', 'cpu', 'cpu-2026', 0.048, 'EUR', now64(3)
FROM numbers(5)"""
FACTS = (
    "SELECT toDayOfMonth(day) AS d, sum(f.patterns) AS n, sum(f.accepted) AS a"
    " FROM daily_patterns AS f WHERE tenant = 'old' GROUP BY d ORDER BY d"
)


@pytest.fixture
def ledger(tmp_path: Any) -> Iterator[Ledger]:
    with running(tmp_path / "ledger") as process:
        yield process
        hang_up()


@pytest.fixture
def sink(ledger: Ledger) -> Iterator[Sink]:
    sink = writer(ledger)
    sink.prepare()
    yield sink
    sink.close()


def run(ledger: Ledger, *statements: str) -> list[Any]:
    """As the writer, who sees what is hidden."""
    client = ledger.client("writer")
    rows = [client.command(one) for one in statements]
    client.close()
    return rows


def settled(ledger: Ledger) -> None:
    """Three makings: the last finds nothing that the two before it had not seen."""
    for _ in range(3):
        refresh(ledger)


def test_a_late_word_remakes_its_day_and_no_other(ledger: Ledger, sink: Sink) -> None:
    """A false number planted in five days stays in four of them, and is gone from the fifth."""
    run(ledger, RATES, OLD)
    settled(ledger)
    known = [16, 16, 15, 15, 15]
    assert [row["n"] for row in ask(ledger, FACTS)] == known
    plant = "ALTER TABLE heddle.days_patterns UPDATE patterns = patterns + 100 WHERE 1"
    # A making on the engine's own timer would put its rows in the place of the planted ones.
    run(ledger, "SYSTEM STOP VIEWS", f"{plant} SETTINGS mutations_sync = 1", "SYSTEM START VIEWS")
    word = events.feedback(pattern("old7", tenant="old"), "accepted", 60)
    write(sink, [word, word])
    refresh(ledger)
    found = [(row["n"], row["a"]) for row in ask(ledger, FACTS)]
    assert found == [(116, 0), (116, 0), (15, 1), (115, 0), (115, 0)]
    copied = (
        "SELECT uniqExact(pattern) FROM heddle.lives_by_day"
        " WHERE made_at > (SELECT min(made_at) FROM heddle.lives_by_day)"
    )
    assert run(ledger, copied) == [1]


def test_idle_time_of_a_day_remakes_the_loaded_cost_of_its_patterns(
    ledger: Ledger, sink: Sink
) -> None:
    """Nothing was said of any pattern: the machine of 3 March turns out to have idled as long."""
    run(ledger, RATES, OLD)
    settled(ledger)
    sql = (
        "SELECT toDayOfMonth(day) AS d, sum(f.cost) AS c, sum(f.loaded_cost) AS l"
        " FROM daily_patterns AS f WHERE d IN (3, 4) GROUP BY d ORDER BY d"
    )
    cost = Decimal("0.015")
    assert [tuple(row.values()) for row in ask(ledger, sql)] == [(3, cost, cost), (4, cost, cost)]
    run(
        ledger,
        "INSERT INTO heddle.raw_usage (event_id, incarnation, interval, started_at, duration_us,"
        " state, stage, pool, device) SELECT toString(number), 'idle', number,"
        " toDateTime64('2026-03-03 01:00:00', 3, 'UTC') + 75 * number, 75000000,"
        " 'idle', 'generate', 'small', 'cpu' FROM numbers(30)",
    )
    refresh(ledger)
    found = [tuple(row.values()) for row in ask(ledger, sql)]
    assert found == [(3, cost, 2 * cost), (4, cost, cost)]


def test_a_pattern_that_becomes_known_leaves_the_day_without_a_name(
    ledger: Ledger, sink: Sink
) -> None:
    """Machine time before its pattern stands under no tenant, then under the right one, once."""
    of = pattern("slow", tenant="slow")
    used = events.usage({("slow.1", 1): 75_000_000}, event_id="slow/0")
    sql = "SELECT tenant, sum(f.duration_us) AS us FROM daily_costs AS f GROUP BY tenant"
    write(sink, [used])
    refresh(ledger)
    assert ask(ledger, sql) == [{"tenant": "", "us": 75_000_000}]
    write(sink, [events.routed(of), used], 10)
    refresh(ledger)
    assert ask(ledger, sql) == [{"tenant": "slow", "us": 75_000_000}]


def test_a_making_that_broke_off_is_done_again(ledger: Ledger, sink: Sink) -> None:
    """Copies of a making that died half-way are no reason to believe that it came to its end."""
    run(ledger, RATES, OLD)
    settled(ledger)
    ended = run(ledger, "SELECT toString(at) FROM heddle.lives_made")
    run(
        ledger,
        "INSERT INTO heddle.lives_by_day (day, pattern, counts, made_at, due)"
        " VALUES ('2026-03-01', 'broken off', 0, now64(3), 2)",
    )
    assert run(ledger, "SELECT toString(at) FROM heddle.lives_made") == ended
    write(sink, [events.feedback(pattern("old3", tenant="old"), "accepted", 60)])
    refresh(ledger)
    assert [row["a"] for row in ask(ledger, FACTS)] == [0, 0, 0, 1, 0]
    assert run(ledger, "SELECT toString(at) FROM heddle.lives_made") > ended


def test_many_changes_at_once_are_taken_whole(ledger: Ledger, sink: Sink) -> None:
    """More than half a million touched rows: no look-ups, every figure right all the same."""
    run(ledger, OLD)
    settled(ledger)
    run(
        ledger,
        "INSERT INTO heddle.raw_feedback (request_id, ordinal, tenant, kind, happened_at, event_id)"
        " SELECT concat('old', toString(number)), 1, 'old', 'accepted', now64(3), 'w'"
        " FROM numbers(500001)",
    )
    refresh(ledger)
    found = ask(ledger, FACTS)
    assert [row["a"] for row in found] == [row["n"] for row in found]
    assert sum(row["n"] for row in found) == PLANTED
