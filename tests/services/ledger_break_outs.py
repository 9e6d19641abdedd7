"""Ways out of a reader's bounds, each with the code that refuses it, and real things to reach for.

`{file}` is a file that exists, `{folder}` an empty folder, `{port}` a listener of this process, and
`beside` a database with a dictionary and two tables: whoever has the writer's rights gets an answer
from all of them, so that a refusal is the guard's.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from tests.services.ledger_child import Ledger

MARK: Final = "BREAK-OUT-MARK"
"""Stands in the file, in the dictionary and in the tables; no refusal may quote it."""
SYNTAX: Final = 62
UNKNOWN_TABLE: Final = 60
DENIED: Final = 497
UNKNOWN_IDENTIFIER: Final = 47
BAD_ARGUMENTS: Final = 36

Bare = Literal["answers", "connects", "refused", "changes"]
"""What the engine does without a guard: answers, goes to the listener, refuses for a reason of its
own, or changes the ledger (and is not tried)."""


@dataclass(frozen=True, slots=True)
class BreakOut:
    """One question that no reader may ask."""

    sql: str
    bare: Bare = "answers"
    code: int = DENIED
    formatted_code: int = DENIED
    """With a FORMAT clause behind it, which not every statement may have."""


def _all(
    bare: Bare, *texts: str, code: int = DENIED, formatted_code: int | None = None
) -> list[BreakOut]:
    return [BreakOut(sql, bare, code, formatted_code or code) for sql in texts]


BREAK_OUTS: Final = [
    # Writing.
    *_all(
        "changes",
        "INSERT INTO heddle.raw_failed (event_id) VALUES ('x')",
        "INSERT INTO patterns SELECT * FROM patterns",
        "CREATE TABLE heddle.mine (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE mine (a Int8)",
        "DROP TABLE heddle.pattern_life",
        "ALTER TABLE heddle.pattern_life DELETE WHERE 1",
        "TRUNCATE TABLE heddle.pattern_life",
        "OPTIMIZE TABLE heddle.pattern_life",
        "KILL QUERY WHERE 1",
        "BACKUP TABLE heddle.pattern_life TO File('x')",
        "ATTACH TABLE mine",
        "RENAME TABLE heddle.pattern_life TO heddle.gone",
        "SELECT 1 PARALLEL WITH DROP TABLE beside.plain",
        "DROP TABLE beside.plain PARALLEL WITH DROP TABLE beside.joined",
        # Files that would be written.
        "SELECT 1 INTO OUTFILE '{folder}/stolen.txt'",
        "SELECT 1 /* */ INTO/**/OUTFILE '{folder}/stolen.txt'",
        "DESCRIBE TABLE patterns INTO OUTFILE '{folder}/stolen.txt'",
    ),
    *_all(
        "changes",
        "CREATE FUNCTION mine AS x -> x",
        "SYSTEM FLUSH LOGS",
        "SYSTEM STOP MERGES",
        "USE default",
        "BEGIN TRANSACTION",
        "GRANT ALL ON *.* TO heddle_reader",
        "SET readonly = 0",
        "SET max_execution_time = 0",
        "SELECT 1 INTO OUTFILE '{folder}/stolen.txt' FORMAT CSV",
        formatted_code=SYNTAX,
    ),
    # Files.
    *_all(
        "answers",
        "SELECT file('{file}')",
        "SELECT `file`('{file}')",
        "SELECT arrayMap(x -> file(x), ['{file}'])",
        "SELECT length(file('{file}'))",
        "SELECT (SELECT file('{file}'))",
        "SELECT * FROM patterns WHERE tier = file('{file}')",
        "SELECT 1 LIMIT (SELECT length(file('{file}')))",
        "SELECT * FROM file('{file}', 'LineAsString')",
        "SELECT * FROM `file`('{file}', 'LineAsString')",
        "SELECT count() FROM patterns WHERE tier IN (SELECT * FROM file('{file}', LineAsString))",
        "SELECT * FROM default.`{file}`",
        "DESCRIBE TABLE file('{file}', 'LineAsString')",
        "DESCRIBE (SELECT * FROM file('{file}', 'LineAsString'))",
    ),
    *_all(
        "refused",
        # Its error would quote the text.
        "SELECT toInt8(file('{file}'))",
        "SELECT FILE('{file}')",
    ),
    *_all("refused", "SELECT * FROM '{file}'", code=UNKNOWN_TABLE),
    # The network.
    *_all(
        "connects",
        "SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString', 'line String')",
        "SELECT * FROM s3('http://127.0.0.1:{port}/bucket/key', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1:{port}', 'heddle', 'pattern_life')",
        "SELECT * FROM remote('127.0.0.1:{port}', view(SELECT 1))",
        "SELECT * FROM mysql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')",
        "SELECT * FROM postgresql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')",
        "SELECT * FROM mongodb('127.0.0.1:{port}', 'a', 'b', 'c', 'd', 'e String')",
        "SELECT * FROM redis('127.0.0.1:{port}', 'k', 'k String, v String')",
    ),
    *_all("refused", "SELECT AIGenerate('x')"),
    # Other tables.
    *_all(
        "answers",
        "SELECT * FROM heddle.pattern_life",
        "SELECT * FROM pattern_life",
        "SELECT * FROM heddle.`pattern_life`",
        'SELECT * FROM "heddle"."raw_feedback"',
        "SELECT * FROM heddle . raw_feedback AS patterns",
        "SELECT * FROM heddle.raw_feedback AS `p, identifier: heddle.patterns`",
        "SELECT (SELECT count() FROM heddle.raw_feedback)",
        "SELECT (SELECT length(any(event_id)) FROM heddle.raw_feedback)",
        "SELECT count() FROM patterns UNION ALL SELECT count() FROM heddle.raw_feedback",
        "SELECT count() FROM patterns EXCEPT SELECT count() FROM heddle.raw_feedback",
        "WITH patterns AS (SELECT * FROM heddle.raw_feedback) SELECT * FROM patterns",
        "SELECT * FROM patterns LEFT JOIN heddle.migrations ON 1",
        "SELECT * FROM beside.plain",
        "SELECT * FROM beside.`plain`",
        "SELECT (1, 'x') IN beside.plain",
        "SELECT * FROM beside.words",
        "SELECT count() FROM merge('heddle', '.*')",
        "SELECT * FROM merge('heddle', 'raw_failed')",
        "SELECT * FROM merge('beside', 'plain') AS patterns",
        "SELECT * FROM mergeTreeIndex(heddle, raw_failed)",
        "SELECT * FROM view(SELECT 1)",
        "SELECT * FROM loop(beside.plain) LIMIT 3",
        "SELECT * FROM numbers(10)",
        "SELECT * FROM generateRandom('a Int8') LIMIT 1",
        "SELECT * FROM values('a Int8', 1)",
        "SELECT * FROM null('a Int8')",
        "SELECT * FROM dictionary('beside.words')",
        "SELECT * FROM {table:Identifier}",
        "SELECT * FROM heddle.{table:Identifier}",
        "DESCRIBE TABLE heddle.pattern_life",
        "DESCRIBE TABLE beside.plain",
        "SHOW CREATE TABLE heddle.patterns",
        "SHOW TABLES FROM beside",
        "EXISTS TABLE heddle.pattern_life",
        "EXISTS TABLE beside.plain",
        "EXPLAIN SELECT * FROM patterns",
        "EXPLAIN ESTIMATE SELECT * FROM heddle.pattern_life",
        "CHECK TABLE heddle.pattern_life",
    ),
    *_all(
        "refused",
        "SELECT (SELECT toInt8(any(word)) FROM beside.plain)",
        "SELECT 1 IN heddle.raw_offsets",
        "SELECT * FROM mergeTreeProjection(heddle, pattern_life, x)",
        "SELECT * FROM input('a Int8')",
        "SELECT * FROM cluster('default', heddle.pattern_life)",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "SELECT * FROM Python('os')",
        "SELECT * FROM Python(os)",
    ),
    # System.
    *_all(
        "answers",
        "SELECT * FROM system.processes",
        "SELECT * FROM system.parts",
        "SELECT * FROM system.server_settings",
        "SELECT * FROM system.functions",
        "SELECT * FROM `system`.`disks`",
        "SELECT (SELECT length(any(path)) FROM system.disks)",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM INFORMATION_SCHEMA.TABLES",
        "SHOW PROCESSLIST",
        "SHOW SETTINGS LIKE 'max_threads'",
        "SELECT getServerSetting('max_thread_pool_size')",
        "SELECT sleep(0.1)",
        "SELECT hasColumnInTable('beside', 'plain', 'word')",
        "SELECT joinGet('beside.joined', 'word', toUInt64(1))",
        "SELECT dictGet('beside.words', 'word', toUInt64(1))",
        "SELECT currentProfiles()",
        "SELECT initializeAggregation('sum', 1)",
    ),
    *_all(
        "refused",
        "SELECT * FROM system.query_log",
        "SELECT (SELECT toInt8(any(path)) FROM system.disks)",
        "SELECT getMacro('x')",
    ),
    # Limits.
    *_all(
        "answers",
        "SELECT 1 SETTINGS max_threads = 64",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
        "SELECT * FROM patterns SETTINGS additional_table_filters = {}",
        "SELECT 1 SETTINGS output_format_schema = '{folder}/stolen.proto'",
        "DESCRIBE TABLE patterns SETTINGS describe_include_subcolumns = 1",
    ),
    # More than one statement, and odd text.
    *_all(
        "answers",
        "SELECT 1; SELECT * FROM heddle.pattern_life",
        "SELECT 1 -- \n; SELECT 2",
        ";",
        code=SYNTAX,
    ),
    *_all("answers", "", code=SYNTAX, formatted_code=UNKNOWN_IDENTIFIER),
    *_all(
        "refused",
        "SELECT $x$ ; $x$; SELECT * FROM heddle.pattern_life",
        code=SYNTAX,
    ),
    *_all("changes", "SELECT 1; DROP TABLE heddle.pattern_life", code=SYNTAX),
    *_all("refused", "SELECT 1 \0 ; DROP TABLE heddle.pattern_life", code=BAD_ARGUMENTS),
    # One literal, which happens to name a hidden table.
    *_all("answers", "SELECT '\\'; SELECT * FROM heddle.pattern_life --'"),
]


@dataclass(slots=True)
class Listener:
    """Takes connections, counts, and says that there is nothing, so that nobody tries again."""

    port: int
    connections: list[Any] = field(default_factory=list)


def _say_nothing_here(connection: socket.socket) -> None:
    """In HTTP, to whoever asks; a stranger's protocol takes it for an error or an end."""
    with connection, suppress(OSError):
        connection.settimeout(0.2)
        with suppress(TimeoutError):
            connection.recv(4096)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on loopback, for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(port=server.getsockname()[1])

        def take() -> None:
            with suppress(OSError):
                while True:
                    connection, address = server.accept()
                    listener.connections.append(address)
                    _say_nothing_here(connection)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to break out to."""

    folder: Path
    file: Path
    listener: Listener

    def places(self, text: str) -> str:
        """The text with its places filled in."""
        places = {"{folder}": self.folder, "{file}": self.file, "{port}": self.listener.port}
        for place, value in places.items():
            text = text.replace(place, str(value))
        return text

    def clear(self) -> None:
        """Forget who connected and what was written."""
        self.listener.connections.clear()
        for one in self.folder.iterdir():
            one.unlink()

    def check_untouched(self) -> None:
        """No file was written and nobody connected."""
        assert not list(self.folder.iterdir())
        assert self.listener.connections == []


@contextmanager
def surrounded(ledger: Ledger, folder: Path) -> Iterator[Surroundings]:
    """Make a file, a listener, a dictionary and tables, all of which hold `MARK`."""
    empty = folder / "empty"
    empty.mkdir()
    file = folder / "secret.csv"
    file.write_text(f"{MARK}\n")
    client = ledger.client("writer")
    for sql in (
        "CREATE DATABASE IF NOT EXISTS beside",
        "CREATE TABLE IF NOT EXISTS beside.plain (id UInt64, word String)"
        " ENGINE = MergeTree ORDER BY id",
        "CREATE TABLE IF NOT EXISTS beside.joined (id UInt64, word String)"
        " ENGINE = Join(ANY, LEFT, id)",
        f"INSERT INTO beside.plain VALUES (1, '{MARK}')",  # noqa: S608
        f"INSERT INTO beside.joined VALUES (1, '{MARK}')",  # noqa: S608
        "CREATE DICTIONARY IF NOT EXISTS beside.words (id UInt64, word String) PRIMARY KEY id"
        " SOURCE(CLICKHOUSE(DB 'beside' TABLE 'plain')) LAYOUT(FLAT()) LIFETIME(0)",
        f"INSERT INTO heddle.raw_failed (event_id, reason) VALUES ('mark', '{MARK}')",  # noqa: S608
    ):
        client.command(sql)
    client.close()
    with listening() as listener:
        yield Surroundings(empty, file, listener)
