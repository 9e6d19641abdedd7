"""The ledger as a process: killed, stopped, crowded, in the wrong folder or on a taken port."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from analytics.link import Address, Link
from analytics.migrate import migrate, migrations
from schemas.errors import EXIT_PORT_TAKEN, EXIT_UNUSABLE
from tests.services.ledger_child import (
    WRITER_PASSWORD,
    Ledger,
    free_port,
    running,
    start,
    wait_ready,
)

COLUMNS = ["_topic", "_partition", "_offset"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    limits = {"connections_max": 8, "body_bytes_max": 1_000_000, "reads_max": 1, "wait_ms_max": 200}
    with running(tmp_path_factory.mktemp("ledger"), **limits) as process:
        yield process


def refusal(ledger: Ledger) -> tuple[int, str]:
    """Exit code and complaint of a process that could not start."""
    assert ledger.process.stderr is not None
    code = ledger.process.wait(timeout=60)
    with ledger.process.stderr as pipe:
        return code, pipe.read().decode()


def test_a_kill_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    """SIGKILL in the midst of inserts, twice: every acknowledged row is there, none is doubled."""
    acknowledged: list[int] = []
    for _ in range(2):
        ledger = start(folder, free_port())
        wait_ready(ledger)
        timer = threading.Timer(1.0, ledger.kill)
        timer.start()
        client = ledger.client("writer", query_retries=0)
        try:
            for number in range(len(acknowledged), 10_000):
                rows = [["kill", 0, number * 10 + n] for n in range(10)]
                client.insert("heddle.raw_offsets", rows, COLUMNS)
                acknowledged.append(number)
        except (OperationalError, DatabaseError):
            pass  # The kill came.
        timer.join()
        ledger.kill()
        assert ledger.process.stderr is not None
        ledger.process.stderr.close()
    assert acknowledged
    with running(folder) as again:
        client = again.client("writer")
        sql = "SELECT DISTINCT intDiv(_offset, 10) FROM heddle.raw_offsets FINAL"
        found = {row[0] for row in client.query(sql).result_rows}
        assert set(acknowledged) <= found
        # At most the insert that was on its way may be there as well, whole.
        assert len(found) <= len(set(acknowledged)) + 2
        counts = client.query("SELECT count(), uniqExact(_offset) FROM heddle.raw_offsets FINAL")
        assert counts.result_rows == [(len(found) * 10, len(found) * 10)]
        client.close()


def test_a_stop_lets_the_writer_end_and_kills_the_readers(folder: Path) -> None:
    """SIGTERM: an acknowledged insert stays, a long question is cut, all within 10 s."""
    outcome: list[str] = []
    with running(folder, read_s_max=60) as ledger:
        reader, writer = ledger.client("reader"), ledger.client("writer")

        def long() -> None:
            sql = "SELECT count() FROM system.settings a, system.settings b, system.settings c"
            try:
                reader.query(sql)
                outcome.append("answered")
            except (DatabaseError, OperationalError):
                outcome.append("cut")

        thread = threading.Thread(target=long)
        thread.start()
        wait_running(ledger)
        rows = [["stop", 0, n] for n in range(50_000)]
        insert = threading.Thread(
            target=lambda: outcome.append(
                str(writer.insert("heddle.raw_offsets", rows, COLUMNS).written_rows)
            )
        )
        insert.start()
        insert.join()
        started = time.monotonic()
        ledger.process.terminate()
        assert ledger.process.wait(timeout=20) == 0
        assert time.monotonic() - started < 10
        thread.join()
    assert sorted(outcome) == ["50000", "cut"]
    with running(folder) as again:
        client = again.client("writer")
        assert client.command("SELECT count() FROM heddle.raw_offsets") == 50_000
        client.close()


GROUPS = """SELECT count() > 1000000, max(times) FROM (
    SELECT concat(a.name, ' ', b.name) AS pair, count() AS times
    FROM system.settings a, system.settings b GROUP BY pair)"""


@pytest.mark.parametrize("spills", [True, False])
def test_many_groups_of_a_reader_go_on_in_files(folder: Path, spills: bool) -> None:
    """A million groups do not fit in 128 MB of memory; in files they do, and those are gone after.

    Where such files may hold less than it takes, the question ends and says so.
    """
    limits = {
        "read_memory_bytes_max": 128_000_000,
        "read_spill_bytes_min": 16_000_000,
        "read_spill_bytes_max": 500_000_000 if spills else 1_000_000,
    }
    with running(folder, **limits) as ledger:
        reader = ledger.client("reader")
        if spills:
            assert reader.query(GROUPS).result_rows == [(1, 1)]
        else:
            with pytest.raises(DatabaseError, match="TOO_MANY_ROWS_OR_BYTES"):
                reader.query(GROUPS)
        reader.close()
        assert [path for path in (folder / "tmp").rglob("*") if path.is_file()] == []


def test_the_engine_merges_few_parts_at_once(folder: Path) -> None:
    """What one merge holds grows with its parts; the bound reaches the engine."""
    with running(folder, merged_parts_max=7, merges_max=3) as ledger:
        client = ledger.client("writer")
        sql = "SELECT value FROM system.{} WHERE name = '{}'"
        for table, name, wanted in (
            ("merge_tree_settings", "max_parts_to_merge_at_once", "7"),
            ("server_settings", "background_pool_size", "3"),
            ("server_settings", "background_merges_mutations_concurrency_ratio", "1"),
        ):
            assert client.command(sql.format(table, name)) in {wanted, int(wanted)}, name
        client.close()


def wait_running(ledger: Ledger) -> None:
    """Until a reader's question holds a place."""
    deadline = time.monotonic() + 20
    while 'queries_running{role="reader"} 1.0' not in ledger.page("/metrics")[1]:
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_taken_port_is_said_at_once(folder: Path) -> None:
    """The exit code is the one for ports, the message says what to do, no folder is made."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, complaint = refusal(start(folder, other.getsockname()[1]))
    assert code == EXIT_PORT_TAKEN
    assert "is taken" in complaint
    assert not folder.exists()


def test_one_folder_has_one_owner(folder: Path) -> None:
    """A second process is refused; a killed owner leaves no stale lock behind."""
    with running(folder) as ledger:
        code, complaint = refusal(start(folder, free_port()))
        assert code == EXIT_UNUSABLE
        assert "another process has the ledger's folder" in complaint
        ledger.kill()
        with running(folder) as again:
            assert again.page("/readyz")[0] == 200


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (json.dumps({"layout": 99, "engine": "26.9.2.1"}), "written by a newer version"),
        (json.dumps({"layout": 1, "engine": "99.1.1.1"}), "written by a newer version"),
        ("{}", "is damaged"),
    ],
)
def test_a_folder_of_another_version_is_left_alone(folder: Path, stamp: str, words: str) -> None:
    """The message says which version wrote it and what to do; nothing in it is touched."""
    folder.mkdir()
    (folder / "heddle-ledger.json").write_text(stamp, encoding="utf-8")
    code, complaint = refusal(start(folder, free_port()))
    assert code == EXIT_UNUSABLE
    assert words in complaint
    assert not (folder / "data").exists()


def test_a_database_of_a_newer_heddle_is_left_alone(folder: Path) -> None:
    """A migration that this code does not know stops it before it serves anything."""
    with running(folder) as ledger:
        client = ledger.client("writer")
        client.command(
            "INSERT INTO heddle.migrations (number, name, sha256) VALUES (9999, 'x', 'y')"
        )
        client.close()
    code, complaint = refusal(start(folder, free_port()))
    assert code == EXIT_UNUSABLE
    assert "newer Heddle" in complaint


def test_two_migrators_at_once_end_in_the_same_place(ledger: Ledger) -> None:
    """Every statement may run twice, side by side as well; each file is noted once."""
    address = Address(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD)
    links = [Link(address) for _ in range(2)]
    links[0].execute("DROP TABLE heddle.migrations SYNC")
    errors: list[BaseException] = []

    def run(link: Link) -> None:
        try:
            migrate(link.execute)
        except BaseException as error:  # noqa: BLE001 - reported below, from the main thread.
            errors.append(error)

    threads = [threading.Thread(target=run, args=(link,)) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    noted = links[0].rows("SELECT number FROM heddle.migrations FINAL ORDER BY number")[1]
    assert [row[0] for row in noted] == [one.number for one in migrations()]
    for link in links:
        link.close()


def test_pages_for_machines(ledger: Ledger) -> None:
    """Alive, ready, counted; metrics hold no query and no password."""
    assert ledger.page("/ping") == (200, "Ok.\n")
    assert ledger.page("/livez")[0] == ledger.page("/readyz")[0] == 200
    ledger.client("reader").query("SELECT 1")
    status, text = ledger.page("/metrics")
    assert status == 200
    assert 'heddle_ledger_queries_total{outcome="done",role="reader"}' in text
    assert "SELECT" not in text
    assert WRITER_PASSWORD not in text


def test_a_crowd_is_turned_away_with_a_place_to_come_back_to(ledger: Ledger) -> None:
    """More questions than places: 503 and code 202 after a bounded wait."""
    reader, other = (ledger.client("reader", query_retries=0) for _ in range(2))
    sql = "SELECT count() FROM system.settings a, system.settings b, system.settings c"
    thread = threading.Thread(target=lambda: _quietly(reader, sql))
    thread.start()
    wait_running(ledger)
    with pytest.raises(DatabaseError) as refusal:
        other.query("SELECT 1")
    assert refusal.value.code == 202
    ledger.client("writer").query("SELECT 1")
    ledger.client("writer").command("KILL QUERY WHERE query LIKE '%settings%b%' ASYNC")
    thread.join()


def _quietly(client: object, sql: str) -> None:
    """It is there to be in the way, and is killed for it."""
    with contextlib.suppress(DatabaseError):
        client.query(sql)  # type: ignore[attr-defined]


def test_connections_are_bounded(ledger: Ledger) -> None:
    """One socket too many is told to come back; when one goes, the next is served."""
    crowd = [socket.create_connection(("127.0.0.1", ledger.port)) for _ in range(12)]
    crowd[-1].settimeout(10)
    assert crowd[-1].recv(100).startswith(b"HTTP/1.1 503")
    for one in crowd:
        one.close()
    deadline = time.monotonic() + 10
    while ledger.page("/ping")[0] != 200:
        assert time.monotonic() < deadline


def test_a_body_over_the_bound_is_refused(ledger: Ledger) -> None:
    """413 with the limit in its text, and nothing of it is in the table."""
    client = ledger.client("writer")
    rows = [[f"big{n}" * 20, 0, n] for n in range(20_000)]
    with pytest.raises((DatabaseError, OperationalError), match="at most 1000000 bytes"):
        client.insert("heddle.raw_offsets", rows, COLUMNS)
    sql = "SELECT count() FROM heddle.raw_offsets WHERE _topic LIKE 'big%'"
    assert client.command(sql) == 0
    client.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET /?query=" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_garbage_on_the_wire_harms_nobody(ledger: Ledger, raw: bytes) -> None:
    """Whatever comes, the connection ends and the next one is served."""
    with socket.create_connection(("127.0.0.1", ledger.port), timeout=10) as one:
        one.sendall(raw)
        one.shutdown(socket.SHUT_WR)
        while one.recv(65_536):
            pass
    assert ledger.page("/ping") == (200, "Ok.\n")
