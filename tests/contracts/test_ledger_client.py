"""One body, two ledgers: the unmodified driver over HTTP to our endpoint, and on its own engine."""

from __future__ import annotations

import decimal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.services.ledger_child import Ledger, running

COLUMNS = ("number", "text", "moment", "maybe", "word", "words", "money")
TABLE = """CREATE TABLE heddle.contract (
    number UInt64, text String, moment DateTime64(6, 'UTC'), maybe Nullable(Int32),
    word LowCardinality(String), words Map(String, Array(String)), money Decimal(18, 9)
) ENGINE = MergeTree ORDER BY number"""


def rows(count: int) -> list[list[Any]]:
    moment = datetime(2026, 11, 1, 12, 30, 0, 123456, UTC)
    money = decimal.Decimal("1.000000001")
    return [
        [n, f"naïve 'quote' \\ {n}\n", moment, n if n % 2 else None, "w", {"k": ["a", "b"]}, money]
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process


@pytest.fixture
def client(ledger: Ledger) -> Iterator[Any]:
    """The driver on our endpoint, with an empty table."""
    client = ledger.client("writer")
    client.command("DROP TABLE IF EXISTS heddle.contract")
    client.command(TABLE)
    yield client
    client.close()


def check_round_trip(client: Any) -> None:
    """The body that runs on both: insert, count, read back, parameters, errors, streams."""
    client.insert("heddle.contract", rows(1000), column_names=COLUMNS)
    total = client.query("SELECT count(), sum(number), sum(money) FROM heddle.contract").result_rows
    assert total == [(1000, 499500, decimal.Decimal("1000.000001000"))]
    first = client.query("SELECT * FROM heddle.contract ORDER BY number LIMIT 2").result_rows
    expected = [tuple(row) for row in rows(2)]
    assert [(*row[:2], *row[3:]) for row in first] == [(*r[:2], *r[3:]) for r in expected]
    assert [row[2].replace(tzinfo=UTC) for row in first] == [row[2] for row in expected]
    asked = client.query(
        "SELECT {text:String}, {numbers:Array(Int32)}",
        parameters={"text": "it's\n\\ so", "numbers": [1, 2]},
    )
    assert asked.result_rows == [("it's\n\\ so", [1, 2])]
    assert client.query("SELECT number, text FROM heddle.contract LIMIT 0").column_names == (
        "number",
        "text",
    )
    assert client.query("SELECT 1 AS one WHERE 0").result_rows == []
    with client.query_row_block_stream("SELECT number FROM numbers(300000)") as blocks:
        assert sum(len(block) for block in blocks) == 300_000
    assert client.command("SELECT 'text'") == "text"
    with pytest.raises(DatabaseError) as refusal:
        client.query("SELECT missing FROM heddle.contract")
    assert refusal.value.code == 47
    client.raw_insert("heddle.contract", ["number", "text"], '5000,"x"\n5001,"y"\n', fmt="CSV")
    client.command("INSERT INTO heddle.contract (number) VALUES (6000), (6001)")
    client.command("INSERT INTO heddle.contract (number) SELECT number FROM numbers(7)")
    assert client.command("SELECT count() FROM heddle.contract") == 1011
    assert b'"x"' in client.raw_query("SELECT 1 AS x", fmt="JSONCompact")


def test_the_unmodified_driver_writes_and_reads_over_http(client: Any) -> None:
    """Everything the driver's users do daily works on our endpoint as on a server."""
    check_round_trip(client)


def test_the_same_body_runs_on_the_drivers_own_engine(tmp_path: Any) -> None:
    """What we ask of the endpoint is what the driver does on the bare engine, not an invention."""
    body = (
        "import clickhouse_connect; from tests.contracts import test_ledger_client as t\n"
        f"client = clickhouse_connect.get_client(interface='chdb', path={str(tmp_path)!r})\n"
        "client.command('CREATE DATABASE heddle ENGINE = Atomic')\n"
        "client.command(t.TABLE); t.check_round_trip(client)"
    )
    # A process of its own: an engine lives as long as its process.
    done = subprocess.run(
        [sys.executable, "-c", body], capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_inserts_arrive_whole_under_every_compression(
    ledger: Ledger, client: Any, compression: str | bool
) -> None:
    """The driver compresses inserts by what it finds installed; each arrives byte for byte."""
    other = ledger.client("writer", compress=compression)
    other.insert("heddle.contract", rows(20_000), column_names=COLUMNS)
    assert client.command("SELECT count(), sum(length(text)) FROM heddle.contract") == [
        "20000",
        str(sum(len(row[1].encode()) for row in rows(20_000))),
    ]
    other.close()


def test_an_answer_without_rows_still_has_columns(client: Any) -> None:
    """Also where its SQL has a WITH and a parameter."""
    sql = "WITH x AS (SELECT 1 AS one) SELECT one, {t:String} AS `a b` FROM x WHERE one = 2"
    answer = client.query(sql, parameters={"t": "x"})
    assert (answer.column_names, answer.result_rows) == (("one", "a b"), [])


def test_an_insert_reports_its_rows(client: Any) -> None:
    """The summary header says how many rows are durable."""
    summary = client.insert("heddle.contract", rows(7), column_names=COLUMNS)
    assert summary.written_rows == 7
    assert summary.query_id()


def test_a_failure_in_mid_stream_reaches_the_driver(client: Any) -> None:
    """An answer that breaks off after its first blocks raises; it never looks complete."""
    sql = "SELECT throwIf(number = 2900000), repeat('x', 20) FROM numbers(3000000)"
    seen: list[int] = []

    def read() -> None:
        with client.query_row_block_stream(sql) as blocks:
            seen.extend(len(block) for block in blocks)

    with pytest.raises((StreamFailureError, DatabaseError), match="throwIf"):
        read()
    assert 0 < sum(seen) < 3_000_000


def test_a_broken_insert_leaves_nothing(client: Any) -> None:
    """Data that end early are refused whole, and the connection goes on."""
    with pytest.raises(DatabaseError):
        client.raw_insert("heddle.contract", ["number"], b"\x01\x05broken", fmt="Native")
    assert client.command("SELECT count() FROM heddle.contract") == 0


def test_parameters_may_come_as_a_form(ledger: Ledger) -> None:
    """The driver posts long parameters as a form."""
    client = ledger.client("writer", form_encode_query_params=True)
    answer = client.query("SELECT {text:String}", parameters={"text": "long" * 10_000})
    assert answer.result_rows == [("long" * 10_000,)]
    client.close()


def test_a_wrong_password_is_told_as_a_server_tells_it(ledger: Ledger) -> None:
    """Code 516 for a wrong password, an unknown user and none at all, never which of them."""
    texts = set()
    for user, password in (("heddle_writer", "bad"), ("nobody", "write-me"), ("", "")):
        with pytest.raises(DatabaseError) as refusal:
            clickhouse_connect.get_client(
                host="127.0.0.1", port=ledger.port, username=user, password=password
            )
        assert refusal.value.code == 516
        texts.add(str(refusal.value))
    assert len(texts) == 1


def test_settings_travel_with_the_query(client: Any) -> None:
    """Settings in the address reach the engine; unknown ones are refused, not dropped."""
    sql = "SELECT getSetting('max_block_size')"
    assert client.query(sql, settings={"max_block_size": 1234}).result_rows == [(1234,)]
    with pytest.raises(Exception, match="no_such_setting"):
        client.query("SELECT 1", settings={"no_such_setting": 1})
