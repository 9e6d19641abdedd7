"""The bounds of a reader's question, in force: each ends one, and may be lowered, never raised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.services.ledger_child import Ledger, running

ROWS = 30_000
BOUNDS = {
    "max_execution_time": 3,
    "max_memory_usage": 200_000_000,
    "max_threads": 2,
    "max_rows_to_read": 20_000,
    "max_result_rows": 5_000,
    "max_result_bytes": 1_000_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A setting, the code that tells of it, a question over it and one under it."""

    setting: str
    code: int
    over: str
    under: str
    lower: int
    """With so much, the question under the bound is over it."""


BOUNDED = [
    Bound(
        setting="max_execution_time",
        code=159,
        over="WITH range(1000) AS r SELECT count() FROM (SELECT arrayJoin(r) a) x,"
        " (SELECT arrayJoin(r) b) y, (SELECT arrayJoin(r) c) z, (SELECT arrayJoin(r) d) w",
        under="",  # What takes a second here takes a tenth elsewhere: see the test by its message.
        lower=1,
    ),
    Bound(
        setting="max_memory_usage",
        code=241,
        over="SELECT groupArray(a) FROM (SELECT arrayJoin(range(50000000)) a)",
        under="SELECT length(groupArray(a)) FROM (SELECT arrayJoin(range(2000000)) a)",
        lower=5_000_000,
    ),
    Bound(
        setting="max_rows_to_read",
        code=158,
        over="SELECT topic, recorded FROM offsets",
        under="SELECT * FROM quarantine",
        lower=10,
    ),
    Bound(
        setting="max_result_rows",
        code=396,
        over="SELECT a.name FROM system.settings AS a, (SELECT arrayJoin(range(10)) b) c",
        under="SELECT name FROM system.settings",
        lower=10,
    ),
    Bound(
        setting="max_result_bytes",
        code=396,
        over="SELECT repeat('x', 5000) FROM system.settings",
        under="SELECT name FROM system.settings",
        lower=100,
    ),
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(
        tmp_path_factory.mktemp("ledger"),
        read_s_max=BOUNDS["max_execution_time"],
        read_memory_bytes_max=BOUNDS["max_memory_usage"],
        read_threads_max=BOUNDS["max_threads"],
        scanned_rows_max=BOUNDS["max_rows_to_read"],
        result_rows_max=BOUNDS["max_result_rows"],
        result_bytes_max=BOUNDS["max_result_bytes"],
    ) as one:
        client = one.client("writer")
        rows = [["t", 0, number] for number in range(ROWS)]
        client.insert("heddle.raw_offsets", rows, ["_topic", "_partition", "_offset"])
        client.insert("heddle.raw_quarantine", [[f"e{n}"] for n in range(100)], ["event_id"])
        client.close()
        yield one


@pytest.fixture(scope="module", params=["reader", "reader_acme"])
def reader(ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[Any]:
    client = ledger.client(request.param, autogenerate_session_id=False)
    yield client
    client.close()


def asked(reader: Any, sql: str, form: str, **settings: int) -> bytes:
    """The bare answer; the driver's own checks of settings left out."""
    reader.params.update({name: str(value) for name, value in settings.items()})
    try:
        answer: bytes = reader.raw_query(sql, fmt=form)
    finally:
        for name in settings:
            reader.params.pop(name)
    return answer


def in_force(reader: Any, **settings: int) -> dict[str, int]:
    sql = "SELECT name, value FROM system.settings WHERE changed"
    lines = asked(reader, sql, "TSV", **settings).decode().splitlines()
    found = dict(line.split("\t") for line in lines)
    return {name: int(found[name]) for name in BOUNDS}


def test_the_bounds_are_set_as_configured(reader: Any) -> None:
    """As the engine itself tells a reader."""
    assert in_force(reader) == BOUNDS


@pytest.mark.parametrize("name", BOUNDS)
def test_a_reader_may_lower_each_bound_but_not_raise_it(reader: Any, name: str) -> None:
    """Less is taken; more, nought, which is the engine's word for none, and less than nought are
    ours."""
    assert in_force(reader, **{name: BOUNDS[name] - 1}) == {**BOUNDS, name: BOUNDS[name] - 1}
    for more in (BOUNDS[name] + 1, 10**12, 0, -1):
        assert in_force(reader, **{name: more}) == BOUNDS


@pytest.mark.parametrize("form", ["TSV", "JSON"])
@pytest.mark.parametrize("bound", BOUNDED, ids=lambda bound: bound.setting)
def test_each_bound_ends_a_question(ledger: Ledger, bound: Bound, form: str) -> None:
    """By ClickHouse's own code, streamed or whole, also where the reader asks for more; and one
    that a reader has lowered ends a question that ours lets pass."""
    client = ledger.client("reader", autogenerate_session_id=False)
    try:
        for settings in ({}, {bound.setting: 10**12}, {bound.setting: 0}):
            with pytest.raises(DatabaseError) as refusal:
                asked(client, bound.over, form, **settings)
            assert refusal.value.code == bound.code
        if bound.under:
            assert asked(client, bound.under, form)
        with pytest.raises(DatabaseError) as refusal:
            asked(client, bound.under or bound.over, form, **{bound.setting: bound.lower})
        assert refusal.value.code == bound.code
        if not bound.under:
            assert re.search(rf"maximum: {bound.lower * 1000}(\.0+)? ms", str(refusal.value))
    finally:
        client.close()


def test_a_reader_lifts_no_lock(ledger: Ledger) -> None:
    """`readonly` in the address is no setting here, and other locks are refused by name."""
    client = ledger.client("reader")
    client.params["readonly"] = "0"
    with pytest.raises(DatabaseError) as refusal:
        client.command("DROP TABLE heddle.pattern_life")
    assert refusal.value.code == 497
    client.params["allow_ddl"] = "1"
    with pytest.raises(DatabaseError, match="allow_ddl") as refusal:
        client.query("SELECT 1")
    assert refusal.value.code == 164
    client.close()
