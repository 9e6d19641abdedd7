"""What a reader may and may not do: the views, and nothing by any of the known ways round."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from analytics.ask import questions
from analytics.contract import VIEWS
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

BREAK_OUTS = [
    # Writing.
    "INSERT INTO heddle.raw_failed (event_id) VALUES ('x')",
    "INSERT INTO patterns SELECT * FROM patterns",
    "CREATE TABLE heddle.mine (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE mine (a Int8)",
    "DROP TABLE heddle.pattern_life",
    "ALTER TABLE heddle.pattern_life DELETE WHERE 1",
    "TRUNCATE TABLE heddle.pattern_life",
    "OPTIMIZE TABLE heddle.pattern_life",
    "CREATE FUNCTION mine AS x -> x",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES",
    "KILL QUERY WHERE 1",
    "BACKUP TABLE heddle.pattern_life TO File('x')",
    "ATTACH TABLE mine",
    "RENAME TABLE heddle.pattern_life TO heddle.gone",
    "USE default",
    "BEGIN TRANSACTION",
    "GRANT ALL ON *.* TO heddle_reader",
    # Files.
    "SELECT 1 INTO OUTFILE '{folder}/stolen.txt'",
    "SELECT 1 INTO OUTFILE '{folder}/stolen.txt' FORMAT CSV",
    "SELECT 1 /* */ INTO/**/OUTFILE '{folder}/stolen.txt'",
    "SELECT file('/etc/passwd')",
    "SELECT FILE('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT toInt8(file('/etc/passwd'))",
    "SELECT (SELECT file('/etc/passwd'))",
    "SELECT * FROM patterns WHERE tier = file('/etc/passwd')",
    "SELECT 1 LIMIT (SELECT length(file('/etc/passwd')))",
    "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
    "SELECT count() FROM patterns WHERE tier IN (SELECT * FROM file('/etc/passwd', LineAsString))",
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM default.`passwd.csv`",
    "SELECT * FROM '/etc/passwd'",
    "DESCRIBE TABLE file('/etc/passwd', 'LineAsString')",
    "DESCRIBE (SELECT * FROM file('/etc/passwd', 'LineAsString'))",
    # The network.
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', 'heddle', 'pattern_life')",
    "SELECT * FROM remote('127.0.0.1', view(SELECT 1))",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT AIGenerate('x')",
    # Other tables.
    "SELECT * FROM heddle.pattern_life",
    "SELECT * FROM pattern_life",
    "SELECT * FROM heddle.`pattern_life`",
    'SELECT * FROM "heddle"."raw_feedback"',
    "SELECT * FROM heddle . raw_feedback AS patterns",
    "SELECT * FROM heddle.raw_feedback AS `p, identifier: heddle.patterns`",
    "SELECT (SELECT count() FROM heddle.raw_feedback)",
    "SELECT (SELECT toInt8(any(event_id)) FROM heddle.raw_feedback)",
    "SELECT 1 IN heddle.raw_offsets",
    "SELECT count() FROM patterns UNION ALL SELECT count() FROM heddle.raw_feedback",
    "SELECT count() FROM patterns EXCEPT SELECT count() FROM heddle.raw_feedback",
    "WITH patterns AS (SELECT * FROM heddle.raw_feedback) SELECT * FROM patterns",
    "SELECT * FROM patterns LEFT JOIN heddle.migrations ON 1",
    "SELECT * FROM merge('heddle', '.*')",
    "SELECT * FROM merge('heddle', 'raw.*') AS patterns",
    "SELECT * FROM mergeTreeIndex(heddle, pattern_life)",
    "SELECT * FROM mergeTreeProjection(heddle, pattern_life, x)",
    "SELECT * FROM view(SELECT 1)",
    "SELECT * FROM loop(heddle.pattern_life)",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM generateRandom('a Int8')",
    "SELECT * FROM values('a Int8', 1)",
    "SELECT * FROM input('a Int8')",
    "SELECT * FROM null('a Int8')",
    "SELECT * FROM cluster('default', heddle.pattern_life)",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM Python('os')",
    "SELECT * FROM Python(os)",
    "SELECT * FROM dictionary('x')",
    "SELECT * FROM {table:Identifier}",
    "SELECT * FROM heddle.{table:Identifier}",
    "DESCRIBE TABLE heddle.pattern_life",
    "SHOW CREATE TABLE heddle.patterns",
    "EXISTS TABLE heddle.pattern_life",
    "EXPLAIN SELECT * FROM patterns",
    "EXPLAIN ESTIMATE SELECT * FROM heddle.pattern_life",
    "CHECK TABLE heddle.pattern_life",
    # System.
    "SELECT * FROM system.processes",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.parts",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.functions",
    "SELECT * FROM `system`.`disks`",
    "SELECT (SELECT toInt8(any(path)) FROM system.disks)",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "SHOW PROCESSLIST",
    "SHOW SETTINGS",
    "SELECT getServerSetting('path')",
    "SELECT getMacro('x')",
    "SELECT sleep(1)",
    "SELECT hasColumnInTable('heddle', 'pattern_life', 'tenant')",
    "SELECT joinGet('heddle.pattern_life', 'tenant', 1)",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT currentProfiles()",
    "SELECT initializeAggregation('sum', 1)",
    # Limits.
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "SELECT 1 SETTINGS max_threads = 64",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
    "SELECT * FROM patterns SETTINGS additional_table_filters = {}",
    # More than one statement, and odd text.
    "SELECT 1; SELECT * FROM heddle.pattern_life",
    "SELECT 1; DROP TABLE heddle.pattern_life",
    "SELECT 1 -- \n; SELECT 2",
    "SELECT $x$ ; $x$; SELECT * FROM heddle.pattern_life",
    "SELECT '\\'; SELECT * FROM heddle.pattern_life --'",
    "",
    ";",
    "SELECT 1 \0 ; DROP TABLE heddle.pattern_life",
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("ledger")
    with running(
        folder, read_s_max=3, result_rows_max=5_000, read_memory_bytes_max=200_000_000
    ) as one:
        yield one


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


@pytest.mark.parametrize("sql", BREAK_OUTS)
@pytest.mark.parametrize("ending", ["", "\n FORMAT TSV"])
def test_nothing_breaks_out(reader: Any, tmp_path: Path, sql: str, ending: str) -> None:
    """Every known way out is refused, leaves no file, and its refusal quotes no data."""
    text = sql.replace("{folder}", str(tmp_path)) + ending
    with pytest.raises(Exception) as refusal:  # noqa: PT011
        reader.raw_query(text, parameters={"table": "pattern_life"})
    assert "root:" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("WITH range(1000) AS r SELECT count() FROM (SELECT arrayJoin(r) a) x,"
         " (SELECT arrayJoin(r) b) y, (SELECT arrayJoin(r) c) z, (SELECT arrayJoin(r) d) w", 159),
        ("SELECT a.name FROM system.settings AS a, system.settings AS b", 396),
        ("SELECT groupArray(a) FROM (SELECT arrayJoin(range(50000000)) a)", 241),
    ],
)  # fmt: skip
def test_limits_end_a_question(reader: Any, sql: str, code: int) -> None:
    """Time, rows and memory of a question are bounded, each told by ClickHouse's own code."""
    with pytest.raises(DatabaseError) as refusal:
        reader.query(sql)
    assert refusal.value.code == code


def test_a_reader_may_lower_limits_but_not_raise_them(ledger: Ledger) -> None:
    """Limits in the address are taken where they are lower, ours where they are not."""
    client = ledger.client("reader")
    client.params["max_result_rows"] = "10"
    with pytest.raises(DatabaseError, match="396"):
        client.query("SELECT name FROM system.settings")
    client.params["max_result_rows"] = "1000000000"
    with pytest.raises(DatabaseError, match="396"):
        client.query("SELECT a.name FROM system.settings AS a, system.settings AS b")
    client.params.clear()
    client.params["readonly"] = "0"
    with pytest.raises(DatabaseError):
        client.command("DROP TABLE heddle.pattern_life")
    client.params["allow_ddl"] = "1"
    with pytest.raises(DatabaseError, match="164"):
        client.query("SELECT 1")
    client.close()


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
