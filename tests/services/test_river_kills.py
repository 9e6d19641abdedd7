"""SIGKILL in the middle of the work: nothing lost, nothing twice, nothing made for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics.ask import answer
from analytics.link import Address
from schemas.records import PatternRequested, Prompt, Repeat
from tests.services.line import READER, Line, manifests

REQUESTS = 12
VARIATIONS = 4
PATTERNS = REQUESTS * VARIATIONS


def orders(name: str) -> list[PatternRequested]:
    """48 patterns of 12 requests over the three tiers."""
    return [
        PatternRequested(
            request_id=f"{name}-{number}",
            tenant="acme",
            prompt=Prompt(text=f"pattern {number}"),
            repeat=Repeat(
                lattice=("straight", "half-drop")[number % 2], width_um=64_000, height_um=64_000
            ),
            tier=("draft", "standard", "premium")[number % 3],
            variations=VARIATIONS,
        )
        for number in range(REQUESTS)
    ]


@pytest.fixture(params=["consumer", "classic"])
def line(
    request: pytest.FixtureRequest, broker: str, prefix: str, tmp_path: Path
) -> Iterator[Line]:
    """Every stage, with an engine that takes its time, on both group protocols."""
    slow = {"HEDDLE_STEP_MS": "60", "HEDDLE_ROWS_MAX": "4", "HEDDLE_GROUP_PROTOCOL": request.param}
    made = Line(broker, prefix, tmp_path, extra=slow)
    made.prepare("acme")
    made.start("ledger")
    made.start("route", "generate", "finish", "record", "live")
    yield made
    made.close()


@pytest.mark.timeout(500)
def test_kills_lose_nothing_and_redo_nothing(line: Line) -> None:
    """generate, finish, record, ledger and live are killed in mid-work and started again: every
    pattern is published once by event id, every request completed once, no tile that was on the
    shelf is made again, and the ledger's rows are those of the plain truth."""
    with line.client() as house:
        house.request_many(orders("k"))
        line.until(lambda: len(list(manifests(line, "generate"))) >= 8, 60, "some tiles made")
        line.kill("generate", "finish")
        on_shelf = {pattern_of(manifest) for manifest in manifests(line, "generate")}
        assert len(on_shelf) < PATTERNS, "killed in mid-work"
        worker = incarnations(line)
        line.start("generate", "finish")
        line.until(lambda: len(list(manifests(line, "finish"))) >= 12, 90, "some files made")
        line.kill("record", "live")
        line.kill("ledger")
        line.start("ledger")
        line.start("record", "live")
        ended = {
            r.request_id: r
            for r in house.as_ended([o.request_id for o in orders("k")], timeout_s=120)
        }
    assert all(result.all_published for result in ended.values())
    published = line.events("patterns.published")
    assert len({event.event_id for event in published}) == PATTERNS
    assert line.events("patterns.failed") == []
    made_again = Counter(
        part.pattern_id
        for event in line.events("patterns.usage")
        if event.incarnation not in worker
        for forward in event.forwards
        for part in forward.parts
    )
    assert not on_shelf & set(made_again), "machine time was spent on tiles that were on the shelf"
    completed = line.until(
        lambda: found if len(found := completions(line)) == REQUESTS else None, 90, "completions"
    )
    assert all(event.published == (1, 2, 3, 4) for event in completed.values())
    assert_ledger_is_true(line)
    assert line.stop() == dict.fromkeys(
        ("generate", "finish", "ledger", "record", "live", "route"), 0
    )


def pattern_of(manifest: dict[str, Any]) -> str:
    """Pattern id of a manifest."""
    pattern = manifest["event"]["pattern"]
    return f"{pattern['request_id']}.{pattern['ordinal']}"


def incarnations(line: Line) -> set[str]:
    """Workers that have reported so far."""
    return {event.incarnation for event in line.events("patterns.usage")}


def completions(line: Line) -> dict[str, Any]:
    """RequestCompleted by event id."""
    return {event.event_id: event for event in line.events("patterns.completed")}


def assert_ledger_is_true(line: Line) -> None:
    """One row per pattern, all published, money from usage, no offset lost or doubled."""
    address = Address(
        url=line.environment()["HEDDLE_LEDGER_URL"], user="heddle_reader", password=READER
    )

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return list(answer(address, sql).rows)

    counted = "SELECT count(), uniqExact(pattern_id), countIf(outcome = 'published') FROM patterns"
    line.until(lambda: ask(counted) == [(PATTERNS, PATTERNS, PATTERNS)], 60, "the ledger's rows")
    spent = sum(
        part.duration_us
        for event in {event.event_id: event for event in line.events("patterns.usage")}.values()
        for forward in event.forwards
        for part in forward.parts
    )
    # The table's processor time is on the assets; machine_us is of all stages.
    files = {event.event_id: event for event in line.events("patterns.published")}.values()
    spent += sum(event.cpu_us for event in files)
    line.until(lambda: ask("SELECT sum(machine_us) FROM patterns") == [(spent,)], 60, "its money")
