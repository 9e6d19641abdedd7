"""What a reader may and may not do: the views, and nothing by any of the known ways round."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.ask import questions
from analytics.contract import VIEWS
from tests.services.ledger_break_outs import (
    BREAK_OUTS,
    MARK,
    BreakOut,
    Surroundings,
    listening,
    surrounded,
)
from tests.services.ledger_child import Ledger, running

ALLOWED = [
    "SELECT 1",
    "SELECT count() FROM patterns",
    "select count() from heddle.patterns; ",
    "/* a tool's mark */ SELECT tier, count() FROM patterns GROUP BY tier -- the end",
    "WITH mine AS (SELECT * FROM patterns) SELECT count() FROM mine",
    "SELECT p.tier, sumIf(c.cost, c.kind = 'waste') FROM patterns p"
    " LEFT JOIN costs AS c ON c.pattern_id = p.pattern_id GROUP BY ALL",
    "SELECT count() FROM patterns UNION ALL SELECT count() FROM costs",
    "SELECT * FROM (SELECT tier, arrayMap(x -> x + 1, [1, 2]) a FROM patterns) WHERE tier IN"
    " (SELECT tier FROM acceptance)",
    "SELECT toStartOfHour(requested_at) h, quantile(0.9)(machine_us), avgOrNull(attempt)"
    " FROM patterns GROUP BY h ORDER BY h",
    "SELECT *, row_number() OVER (PARTITION BY tier ORDER BY requested_at) FROM patterns",
    "SELECT ';', 'a -- b', '/* c */', 'INTO OUTFILE', `tier` FROM patterns",
    "DESCRIBE TABLE patterns",
    "DESCRIBE TABLE heddle.costs",
    "EXISTS TABLE heddle.patterns",
    "SHOW TABLES",
    "SHOW TABLES FROM heddle",
    "SHOW DATABASES",
    "SELECT name FROM system.tables",
    "SELECT name, type, comment FROM system.columns WHERE table = 'patterns'",
    "SELECT patterns.tier, heddle.patterns.model FROM heddle.patterns",
    "SELECT outcome FROM patterns WHERE request_id = lower(hex(sipHash128(toUInt64(7))))",
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("ledger")
    with running(folder, read_s_max=3) as one:
        yield one


@pytest.fixture(scope="module")
def around(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with surrounded(ledger, tmp_path_factory.mktemp("around")) as made:
        yield made


@pytest.fixture(scope="module")
def reader(ledger: Ledger) -> Iterator[Any]:
    client = ledger.client("reader", autogenerate_session_id=False)
    yield client
    client.close()


@pytest.mark.parametrize("sql", ALLOWED)
def test_questions_over_the_views_are_answered(reader: Any, sql: str) -> None:
    """The guard does not stand in the way of ordinary SQL."""
    reader.raw_query(sql, fmt="JSON")


@pytest.mark.parametrize("view", VIEWS)
def test_every_documented_view_can_be_read(reader: Any, view: str) -> None:
    """What the contract lists exists, and each of its columns says what it is."""
    assert reader.query(f"SELECT * FROM {view} LIMIT 1").result_rows is not None  # noqa: S608
    columns = reader.query(
        "SELECT name, comment FROM system.columns WHERE table = {view:String}",
        parameters={"view": view},
    ).result_rows
    assert columns
    assert all(comment for _, comment in columns)


@pytest.mark.parametrize("name", sorted(questions()))
def test_every_question_with_a_name_runs_as_reader(reader: Any, name: str) -> None:
    """Named questions need no more than what any reader may."""
    assert reader.query(questions()[name].sql).column_names is not None


@pytest.mark.parametrize("ending", ["", "\n FORMAT TSV"])
@pytest.mark.parametrize("way", BREAK_OUTS, ids=lambda way: way.sql)
def test_nothing_breaks_out(reader: Any, around: Surroundings, way: BreakOut, ending: str) -> None:
    """Every known way out is refused by the guard's own code, touches nothing and tells nothing."""
    with pytest.raises(DatabaseError) as refusal:
        reader.raw_query(around.places(way.sql) + ending, parameters={"table": "raw_failed"})
    assert refusal.value.code == (way.formatted_code if ending else way.code)
    assert MARK not in str(refusal.value)
    around.check_untouched()


@pytest.mark.parametrize("way", [way for way in BREAK_OUTS if way.bare in ("answers", "connects")],
                         ids=lambda way: way.sql)  # fmt: skip
def test_without_the_guard_they_would_break_out(
    ledger: Ledger, around: Surroundings, way: BreakOut
) -> None:
    """The same texts, as the writer: they are answered, or they reach a listener. So it is the
    guard that refuses them, not a file that is missing or a port that is closed."""
    client = ledger.client("writer", autogenerate_session_id=False)
    # A listener of its own: the engine tries again when nobody waits any more.
    with listening() as listener:
        sql = replace(around, listener=listener).places(way.sql)
        if way.bare == "answers":
            client.raw_query(sql, parameters={"table": "raw_failed"})
        else:
            with pytest.raises(DatabaseError):
                client.raw_query(sql)
            assert listener.connections
    client.close()


@pytest.mark.parametrize("place", ["heddle", "another"])
def test_a_table_is_hidden_from_its_first_moment(ledger: Ledger, reader: Any, place: str) -> None:
    """No question finds a new table before the guard knows of it, not even by an error on it."""
    writer = ledger.client("writer")
    for number in range(5):
        reader.raw_query("SELECT 1")  # The guard has just looked.
        database = place if place == "heddle" else f"another_{number}"
        writer.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        writer.command(f"CREATE TABLE {database}.new_{number} ENGINE = Memory AS SELECT '{MARK}' w")
        # Without its database, as that is the readers' own.
        name = f"new_{number}" if place == "heddle" else f"{database}.new_{number}"
        with pytest.raises(DatabaseError) as refusal:
            reader.raw_query(f"SELECT (SELECT toInt8(any(w)) FROM {name})")  # noqa: S608
        assert refusal.value.code == 497
        assert MARK not in str(refusal.value)
        writer.command(f"DROP TABLE {database}.new_{number}")
    writer.close()


def test_refusals_quote_no_data(ledger: Ledger, reader: Any) -> None:
    """An error that quotes a hidden cell would be a way to read it, one cell at a time."""
    writer = ledger.client("writer")
    writer.insert("raw_failed", [["e", "MARK-7"]], ["event_id", "reason"])
    writer.close()
    for source in ("heddle.raw_failed", "raw_failed", "{table:Identifier}", "{db:Identifier}.x"):
        for sql in (
            f"SELECT toInt8((SELECT any(reason) FROM {source}))",  # noqa: S608
            f"SELECT (SELECT toInt8(any(reason)) FROM {source})",  # noqa: S608
            f"SELECT toInt8(reason) FROM {source}",  # noqa: S608
            f"SELECT 1 FROM patterns LIMIT (SELECT toUInt8(any(reason)) FROM {source})",  # noqa: S608
            f"WITH (SELECT toInt8(any(reason)) FROM {source}) AS x SELECT x",  # noqa: S608
            f"SELECT toInt8(arrayJoin((SELECT groupArray(reason) FROM {source})))",  # noqa: S608
        ):
            with pytest.raises(DatabaseError) as refusal:
                reader.raw_query(sql, parameters={"table": "raw_failed", "db": "heddle"})
            assert "MARK" not in str(refusal.value), sql
    with pytest.raises(DatabaseError, match="not a documented view"):
        reader.raw_query("SELECT * FROM {t:Identifier}", parameters={"t": "raw_failed"})


def test_the_catalogue_shows_the_views_alone(reader: Any) -> None:
    """`system` is cut down to what a reader may ask."""
    assert {row[0] for row in reader.query("SELECT name FROM system.tables").result_rows} == set(
        VIEWS
    )
    databases = reader.query("SELECT name FROM system.databases").result_rows
    assert databases == [("heddle",)]
    tables = reader.query("SELECT DISTINCT table FROM system.columns").result_rows
    assert {row[0] for row in tables} == set(VIEWS)


def test_short_questions_are_answered_beside_long_ones(ledger: Ledger) -> None:
    """SELECT 1 and an insert end within 2 s while heavy readers fill two places."""
    heavy = ("WITH range(1000) AS r SELECT count() FROM (SELECT arrayJoin(r) a) x,"
             " (SELECT arrayJoin(r) b) y, (SELECT arrayJoin(r) c) z")  # fmt: skip

    def burden() -> None:
        client = ledger.client("reader", autogenerate_session_id=False)
        try:
            client.query(heavy)
        except DatabaseError:
            pass  # Its time is up: it was there to be in the way.
        finally:
            client.close()

    reader, writer = ledger.client("reader"), ledger.client("writer")
    row, columns = [["t", 0, 1]], ["_topic", "_partition", "_offset"]
    # The driver imports pandas on its first insert, if it is there.
    writer.insert("heddle.raw_offsets", row, columns)
    threads = [threading.Thread(target=burden) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            started = time.monotonic()
            assert reader.query("SELECT 1").result_rows == [(1,)]
            writer.insert("heddle.raw_offsets", row, columns)
            assert time.monotonic() - started < 2
    finally:
        for thread in threads:
            thread.join()
        reader.close()
        writer.close()


def test_the_writers_get_only_reads(ledger: Ledger) -> None:
    """A GET never writes, whoever asks: addresses are repeated by proxies and crawlers."""
    status, text = ledger.page(
        "/?user=heddle_writer&password=write-me&query=CREATE+TABLE+heddle.x+(a+Int8)+ENGINE=Memory"
    )
    assert status == 403
    assert "READONLY" in text
