"""The audits as metrics: what is planted is found, each by itself, and no day's edge is a loss."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.sink import Sink
from schemas.records import Record
from tests.services.ledger_child import Ledger, running
from tests.services.ledger_lives import ask, hang_up, writer
from tests.unit.analytics import events
from tests.unit.analytics.events import pattern

PATIENCE_S = 20.0
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One that looks whenever it is asked."""
    with running(tmp_path_factory.mktemp("ledger"), audit_s_min=0) as process:
        yield process
        hang_up()


@pytest.fixture(scope="module")
def sink(ledger: Ledger) -> Iterator[Sink]:
    sink = writer(ledger)
    yield sink
    sink.close()


def figures(ledger: Ledger, name: str) -> dict[tuple[str, ...], float]:
    """A gauge's series by the values of their labels, in the order of the labels' names."""
    status, page = ledger.page("/metrics")
    assert status == 200
    found = re.findall(rf"^heddle_ledger_{name}(?:\{{(.*)\}})? (\S+)$", page, re.MULTILINE)
    return {tuple(re.findall(r'"([^"]*)"', labels)): float(value) for labels, value in found}


def note(
    sink: Sink,
    offsets: list[int],
    *,
    record: Record | None = None,
    at: datetime | None = None,
    topic: str = "seen",
    partition: int = 0,
) -> None:
    """These offsets were recorded, dated `at` (now)."""
    at = at or datetime.now(UTC)
    sink.write([(record, topic, partition, n, at) for n in offsets])


def life(name: str, number: int, at: datetime) -> Record:
    """One idle interval of ten seconds."""
    return replace(
        events.usage({}, number, incarnation=name, event_id=f"{name}/{number}", state="idle"),
        started_at=at,
        duration_us=10_000_000,
        forwards=(),
    )


def test_lost_and_doubled_offsets_stand_by_partition(ledger: Ledger, sink: Sink) -> None:
    """A hole and a repeated event, each with its partition, in the metric and in the view."""
    word = events.feedback(pattern("gauge"))
    note(sink, [1, 2, 3], topic="holed", partition=0)
    note(sink, [1, 2, 5], topic="holed", partition=7)
    note(sink, [1, 2], topic="holed", partition=9, record=word)
    missing, doubled = (figures(ledger, f"offsets_{one}") for one in ("missing", "doubled"))
    wanted = {"0": (0, 0), "7": (2, 0), "9": (0, 1)}
    for partition, pair in wanted.items():
        series = (partition, "holed")
        assert (missing[series], doubled[series]) == pair
    sql = "SELECT partition, missing, doubled FROM offsets WHERE topic = 'holed'"
    assert {str(row["partition"]): (row["missing"], row["doubled"])
            for row in ask(ledger, sql)} == wanted  # fmt: skip
    note(sink, [3, 4], topic="holed", partition=7)
    assert figures(ledger, "offsets_missing")["7", "holed"] == 0, "what came late is not lost"


def test_the_days_edge_is_no_loss(ledger: Ledger, sink: Sink) -> None:
    """Neither what the day before has recorded, nor its own gaps, nor an offset dated back."""
    past = datetime.now(UTC) - 25 * HOUR
    note(sink, [1, 2, 9], at=past, topic="edge")
    note(sink, [20, 22], topic="edge")
    note(sink, [21], at=past, topic="edge")
    assert figures(ledger, "offsets_missing")["0", "edge"] == 0
    note(sink, [24], topic="edge")
    assert figures(ledger, "offsets_missing")["0", "edge"] == 1
    note(sink, [1, 3], at=past, topic="old")
    assert ("0", "old") not in figures(ledger, "offsets_missing")


def test_planted_faults_of_the_day_are_counted(ledger: Ledger, sink: Sink) -> None:
    """A torn forward, a share too many and a hole in a life: a row each; repetition adds none."""
    before = figures(ledger, "audit_rows")
    assert set(before) == {("forwards",), ("states",)}
    now = datetime.now(UTC)
    old = [life("old", n, now - 25 * HOUR + n * HOUR / 360) for n in range(3)]
    # Across the edge of the day: what lies before it is not missing.
    long = [life("long", n, now - 24 * HOUR + (n - 12) * HOUR / 360) for n in range(20)]
    whole = [life("whole", n, now + (n - 9) * HOUR / 360) for n in range(3)]
    used = replace(events.usage({("plant.1", 1): 5}, event_id="plant/0"), started_at=now - HOUR,
                   incarnation="plant")  # fmt: skip
    records = [*(old[0], old[2]), *long, *whole, used]
    for start in (0, 100):
        sink.write([(one, "u", 0, start + n, now) for n, one in enumerate(records)])
    assert figures(ledger, "audit_rows") == before
    holed = [life("holed", n, now + (n - 9) * HOUR / 360) for n in (0, 2)]
    late = [life("headless", 1, now - HOUR)]
    sink.write([(one, "u", 0, 200 + n, now) for n, one in enumerate([*holed, *late])])
    client = ledger.client("writer")
    client.command(
        "INSERT INTO heddle.usage_shares (event_id, request_id, ordinal, attempt, duration_us,"
        " incarnation, started_at)"
        " VALUES ('plant/0', 'plant', 2, 1, 7, 'plant', now() - INTERVAL 1 HOUR)"
    )
    client.command(
        "INSERT INTO heddle.raw_usage (event_id, incarnation, started_at, forwards.kind,"
        " forwards.duration_us, forwards.parts, forwards.parts_us) VALUES"
        " ('torn/0', 'torn', now(), ['denoise', 'load'], [10, 3], [2, 0], [10, 0]),"
        " ('torn/1', 'torn', now(), ['denoise', 'load'], [10, 3], [2, 0], [9, 0])"
    )
    client.close()
    after = figures(ledger, "audit_rows")
    # torn: a forward, and two intervals without their shares; as the views count them.
    assert after["forwards",] - before["forwards",] == 1 + 1 + 2
    assert after["states",] - before["states",] == 2


def test_one_audit_that_fails_leaves_the_others(ledger: Ledger) -> None:
    """Its figures stay with their time, which stands still while the others' go on."""
    rows = figures(ledger, "audit_rows")
    first = figures(ledger, "audited_timestamp_seconds")
    assert set(first) == {("offsets",), ("forwards",), ("states",), ("facts",)}
    assert all(abs(stamp - time.time()) < 60 for stamp in first.values())
    client = ledger.client("writer")
    client.command("RENAME TABLE heddle.usage_shares TO heddle.usage_shares_away")
    try:
        later = figures(ledger, "audited_timestamp_seconds")
        assert later["forwards",] == first["forwards",]
        assert all(later[name] > first[name] for name in set(first) - {("forwards",)})
        assert figures(ledger, "audit_rows") == rows
    finally:
        client.command("RENAME TABLE heddle.usage_shares_away TO heddle.usage_shares")
        client.close()
    assert figures(ledger, "audited_timestamp_seconds")["forwards",] > first["forwards",]


def test_the_age_of_the_facts_is_known(ledger: Ledger) -> None:
    """As soon as each was made once; until then it is infinite, never nought."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (age_s := figures(ledger, "facts_age_seconds")[()]) == float("inf"):
        assert time.monotonic() < deadline_s, "the facts were never made"
        threading.Event().wait(0.2)
    assert 0 <= age_s < 120


def test_a_failed_audit_is_not_tried_again_within_its_minute(tmp_path: Path) -> None:
    """Nor any other: a ledger in trouble is asked once, however often somebody scrapes."""
    with running(tmp_path) as second:
        client = second.client("writer")
        client.command("RENAME TABLE heddle.usage_shares TO heddle.usage_shares_away")
        stamps = figures(second, "audited_timestamp_seconds")
        assert stamps.pop(("forwards",)) == 0.0, "never looked at"
        assert all(stamps.values())
        client.command("RENAME TABLE heddle.usage_shares_away TO heddle.usage_shares")
        client.close()
        assert figures(second, "audited_timestamp_seconds") == {("forwards",): 0.0, **stamps}
