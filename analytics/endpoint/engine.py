"""The embedded engine: one folder, one process, one handle per question. The only importer of chdb.

A handle costs under a millisecond, and what is SET on it dies with it, so none is ever shared.
It refuses a folder that another process holds or that another version has written.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import MissingPart, Unusable

from .faults import Fault, from_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .limits import Limits

LAYOUT: Final = 1
"""Counts changes of the folder that an older Heddle could not read."""
POOL_THREADS_MAX: Final = 8
"""Of each of the engine's pools for one kind of work; their defaults are made for 64 cores."""
_POOLS: Final = (
    "max_io_thread_pool_size",
    "threadpool_local_fs_reader_pool_size",
    "threadpool_writer_pool_size",
    "prefetch_threadpool_pool_size",
    "load_marks_threadpool_pool_size",
    "max_active_parts_loading_thread_pool_size",
    "max_outdated_parts_loading_thread_pool_size",
    "max_parts_cleaning_thread_pool_size",
    "max_prefixes_deserialization_thread_pool_size",
    "max_format_parsing_thread_pool_size",
    "parts_killer_pool_size",
    "snapshot_cleaner_pool_size",
)
_LOCK_FILE: Final = "heddle-ledger.lock"
_STAMP_FILE: Final = "heddle-ledger.json"
_CONFIG_FILE: Final = "heddle-ledger.xml"


class Handle:
    """One connection to the engine: runs one statement at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, sql: str, *, form: str = "TSV", params: Mapping[str, str] | None = None) -> Any:
        """The whole answer at once. Raises Fault."""
        try:
            return self._connection.query(sql, form, params=dict(params or {}))
        except Exception as error:  # noqa: BLE001 - the engine raises bare RuntimeErrors.
            raise from_engine(str(error)) from None

    def stream(
        self, sql: str, *, form: str, params: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """The answer block by block. Raises Fault, at the latest on the first block."""
        try:
            result = self._connection.send_query(sql, form, params=dict(params or {}))
        except Exception as error:  # noqa: BLE001 - as above.
            raise from_engine(str(error)) from None
        try:
            for block in result:
                yield block.bytes()
        except Exception as error:  # noqa: BLE001 - as above.
            raise from_engine(str(error)) from None
        finally:
            result.close()

    def insert(self, sql: str, *, form: str, blocks: Iterator[bytes]) -> tuple[int, int]:
        """Feed data to `INSERT INTO t (columns)`; all of it or nothing. Returns rows and bytes.

        Raises Fault; also where another insert failed meanwhile and nobody can tell which.
        """
        failed, errors = self._failed_inserts(), self._errors()
        rows, size_bytes = self._streamed(sql, form, blocks)
        # The engine answers as if all were written when the disk is full or a view behind the table
        # fails (chDB 4.4, engine 26.9): it only counts that. An insert may be offered again, one
        # that is wrongly acknowledged is lost.
        if self._failed_inserts() != failed:
            raise self._fault_since(errors)
        return rows, size_bytes

    def _streamed(self, sql: str, form: str, blocks: Iterator[bytes]) -> tuple[int, int]:
        try:
            inserter = self._connection.send_insert(sql, form)
        except Exception as error:  # noqa: BLE001 - as above.
            raise from_engine(str(error)) from None
        try:
            for block in blocks:
                if block:
                    inserter.append(block)
            result = inserter.finish()
        except Fault:
            inserter.cancel()
            raise
        except RuntimeError as error:
            raise from_engine(str(error)) from None
        finally:
            inserter.close()
        return result.rows_written, result.bytes_written

    def _failed_inserts(self) -> str:
        return self.texts("SELECT sum(value) FROM system.events WHERE event = 'FailedInsertQuery'")[
            0
        ][0]

    def _errors(self) -> dict[str, int]:
        """How often each error was counted so far, by code."""
        rows = self.texts("SELECT code, value FROM system.errors WHERE NOT remote")
        return {code: int(count) for code, count in rows}

    def _fault_since(self, before: Mapping[str, int]) -> Fault:
        """The latest error counted since; times are whole seconds, so counts decide, then they."""
        rows = self.texts(
            "SELECT code, name, value, last_error_message FROM system.errors WHERE NOT remote"
            " ORDER BY code = 243 DESC, last_error_time DESC"
        )
        grown = (row for row in rows if int(row[2]) > before.get(row[0], 0))
        code, name, _, message = next(grown, ["1002", "UNKNOWN_EXCEPTION", "", ""])
        return Fault(f"an insert failed: {message[:1000]}", code=int(code), name=name, status=500)

    def set(self, settings: Mapping[str, str | int]) -> None:
        """Settings for the rest of this handle's life."""
        if settings:
            self.run("SET " + ", ".join(f"{name} = {quoted(v)}" for name, v in settings.items()))

    def use(self, database: str) -> None:
        """The database of unqualified names."""
        name = database.replace("\\", "\\\\").replace("`", "\\`")
        self.run(f"USE `{name}`")

    def texts(self, sql: str, params: Mapping[str, str] | None = None) -> list[list[str]]:
        """Rows of strings; cells as TabSeparated writes them."""
        # A constant in a query tree may be any bytes.
        answer = self.run(sql, form="TSV", params=params).bytes().decode(errors="replace")
        return [line.split("\t") for line in answer.splitlines()]


class Engine:
    """The engine of one folder. An exit without `close` loses nothing acknowledged."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        if any(mark in str(folder) for mark in "?&#"):
            raise Unusable(f"the ledger's folder {folder} must not contain ?, & or #")
        self.folder = folder
        self._lock = _locked(folder)
        try:
            self._address = f"{folder}?config-file={_configured(folder, limits)}"
            self._chdb = _imported()
            self.version = self._chdb.engine_version
            _check_stamp(folder, self.version)
            # Keeps the engine open between questions: it closes with its last handle.
            self._keeper = self._connected()
            _write_stamp(folder, self.version)
        except OSError as error:
            os.close(self._lock)
            raise Unusable(
                f"the ledger's folder {folder} cannot be written: {error.strerror}; make room or "
                "give the rights, then start again: nothing that was recorded is lost"
            ) from None
        except BaseException:
            os.close(self._lock)
            raise

    def _connected(self) -> Any:
        try:
            return self._chdb.connect(self._address)
        except Exception as error:  # noqa: BLE001 - the engine raises bare RuntimeErrors.
            raise Unusable(f"the ledger cannot open {self.folder}: {error}") from None

    @contextmanager
    def handle(self) -> Iterator[Handle]:
        """A fresh handle; closed on leaving."""
        connection = self._connected()
        try:
            yield Handle(connection)
        finally:
            connection.close()

    def close(self) -> None:
        """Close the engine and let go of the folder."""
        self._keeper.close()
        os.close(self._lock)


def quoted(value: str | int) -> str:
    """A literal for SQL text."""
    if isinstance(value, int):
        return str(int(value))
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def escaped(text: str) -> str:
    """A string as the value of a query parameter, which the engine reads as a TabSeparated cell."""
    for raw, cell in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(raw, cell)
    return text


def _imported() -> Any:
    try:
        import chdb  # noqa: PLC0415 - 270 MB that only this process should hold.
    except ImportError:
        raise MissingPart("the embedded ClickHouse is missing: pip install 'heddle[ledger]'")
    return chdb


def _locked(folder: Path) -> int:
    """A lock that dies with its process, so that none is ever stale."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unusable(f"the ledger's folder {folder} cannot be used: {error.strerror}")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Unusable(
            f"another process has the ledger's folder {folder} open; stop it, or choose another"
        )
    return lock


def _configured(folder: Path, limits: Limits) -> Path:
    values = {
        "timezone": "UTC",
        "max_server_memory_usage": limits.memory_bytes_max,
        "max_thread_pool_size": 200,
        "max_thread_pool_free_size": 8,
        **dict.fromkeys(_POOLS, POOL_THREADS_MAX),
        "background_pool_size": limits.merges_max,
        "background_merges_mutations_concurrency_ratio": 1,
        "background_schedule_pool_initial_size": 2,
        **dict.fromkeys(
            (
                "mark_cache_size",
                "primary_index_cache_size",
                "index_mark_cache_size",
                "query_condition_cache_size",
                "compiled_expression_cache_size",
                "vector_similarity_index_cache_size",
                "text_index_postings_cache_size",
            ),
            limits.cache_bytes_max,
        ),
    }
    parts_max = (
        f"<max_parts_to_merge_at_once>{limits.merged_parts_max}</max_parts_to_merge_at_once>"
    )
    lines = [f"<{name}>{value}</{name}>" for name, value in values.items()]
    lines.append(f"<merge_tree>{parts_max}</merge_tree>")
    path = folder / _CONFIG_FILE
    path.write_text("\n".join(["<clickhouse>", *lines, "</clickhouse>", ""]), encoding="utf-8")
    return path


def _check_stamp(folder: Path, engine_version: str) -> None:
    path = folder / _STAMP_FILE
    if not path.exists():
        return
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
        layout, engine = int(stamp["layout"]), str(stamp["engine"])
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{path} is damaged; restore it, or move the folder away and replay")
    if layout > LAYOUT or _release(engine) > _release(engine_version):
        raise Unusable(
            f"the ledger's folder {folder} was written by a newer version (layout {layout}, "
            f"engine {engine}; this is layout {LAYOUT}, engine {engine_version}); run that one, or "
            "move the folder away and replay the topics"
        )


def _write_stamp(folder: Path, engine_version: str) -> None:
    path = folder / _STAMP_FILE
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"layout": LAYOUT, "engine": engine_version}), encoding="utf-8")
    draft.replace(path)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
