"""From a question to its answer: a place in the queue, a fresh handle, limits, then the engine."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.contract import DATABASE

from .faults import (
    ACCESS_DENIED,
    QUERY_IS_TOO_LARGE,
    TOO_MANY_QUERIES,
    TOO_MANY_ROWS_OR_BYTES,
    Fault,
    fault,
)
from .guard import cut_to_views
from .inserts import HEAD_BYTES_MAX, insert_head, is_insert
from .shapes import check_form, reader_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .engine import Engine, Handle
    from .guard import Guard
    from .limits import Limits
    from .question import Question, Role

_FORMAT: Final = re.compile(r"\bFORMAT\s+([`\"]?)(?P<form>\w+)\1\s*;?\s*$", re.IGNORECASE)
_STREAMED: Final = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
"""Formats whose blocks can be written one after the other: no head, no tail."""
_SELECT: Final = re.compile(r"[\s(]*(?:SELECT|WITH)\b", re.IGNORECASE)
_WRITER_SETTINGS: Final = {
    # Durable when acknowledged, and one insert is one block, whatever the engine's defaults become.
    "async_insert": 0,
    "max_insert_threads": 1,
    # As `analytics.sink` says, for whoever else writes.
    "optimize_on_insert": 0,
}


@dataclass(slots=True, kw_only=True)
class Answer:
    """Blocks of bytes, and what is known about them when the first one is there."""

    form: str
    blocks: Iterable[bytes] = ()
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0


class Sessions:
    """Runs questions on one engine, bounded; `stop` ends what is running."""

    def __init__(self, engine: Engine, guard: Guard, limits: Limits) -> None:
        self._engine = engine
        self._guard = guard
        self._limits = limits
        self._places: dict[Role, threading.BoundedSemaphore] = {
            "reader": threading.BoundedSemaphore(limits.reads_max),
            "writer": threading.BoundedSemaphore(limits.writes_max),
        }
        self._numbers = itertools.count(1)
        self._running: dict[str, Role] = {}
        self._ended = threading.Condition()
        self._is_open = True

    @property
    def running(self) -> dict[Role, int]:
        """Questions that hold a place now."""
        roles = list(self._running.values())
        return {"reader": roles.count("reader"), "writer": roles.count("writer")}

    @contextmanager
    def answered(self, question: Question, body: Iterable[bytes]) -> Iterator[Answer]:
        """The answer; its blocks must be read inside. Raises Fault before the first block."""
        started_ns = time.monotonic_ns()
        with self._place(question.role) as mark, self._engine.handle() as handle:
            handle.use(question.database)
            handle.set({"log_comment": mark, "session_timezone": "UTC"})
            if question.role == "reader":
                answer = self._read(handle, question, body)
            else:
                answer = self._written(handle, question, body)
            answer.elapsed_ns = time.monotonic_ns() - started_ns
            yield answer

    def _read(self, handle: Handle, question: Question, body: Iterable[bytes]) -> Answer:
        if question.database not in (DATABASE, "default"):
            raise fault(ACCESS_DENIED, f"readers read {DATABASE} only")
        check_form(question.form)
        handle.use(DATABASE)
        sql = _text(question.sql, body, bytes_max=self._limits.statement_bytes_max)
        handle.set({
            **reader_settings(question.settings, self._limits),
            "additional_table_filters": cut_to_views(question.tenant),
            # A filter must be through with a row before anything of the question sees it.
            "short_circuit_function_evaluation": "force_enable",
            # Conditions on a table's key before rows are folded. For a tenant's reader nothing is
            # moved: conditions on a key's first column, the tenant, would go behind the others.
            "optimize_move_to_prewhere": 0 if question.tenant else 1,
            "optimize_move_to_prewhere_if_final": 0 if question.tenant else 1,
            "allow_ddl": 0,
            "readonly": 1,
        })  # fmt: skip
        return self._run(handle, question, self._guard.checked(handle, sql, question))

    def _written(self, handle: Handle, question: Question, body: Iterable[bytes]) -> Answer:
        handle.set({
            **_WRITER_SETTINGS,
            "max_execution_time": self._limits.write_s_max,
            "max_threads": self._limits.write_threads_max,
            **question.settings,
        })  # fmt: skip
        if not question.may_write:
            handle.set({"readonly": 2})
        blocks = iter(body)
        head = _head(question.sql, blocks)
        if is_insert(head) and (insert := insert_head(head)):
            data = itertools.chain([head[insert.data_at :]], blocks)
            rows, size_bytes = handle.insert(insert.statement, form=insert.form, blocks=data)
            return Answer(form=question.form, written_rows=rows, written_bytes=size_bytes)
        bytes_max = self._limits.body_bytes_max
        if not is_insert(head):
            bytes_max = self._limits.statement_bytes_max
        sql = _text("", itertools.chain([head], blocks), bytes_max=bytes_max)
        if is_insert(head) or _SELECT.match(sql):
            return self._run(handle, question, sql)
        with self._guard.changing():
            return self._run(handle, question, sql)

    def _run(self, handle: Handle, question: Question, sql: str) -> Answer:
        found = _FORMAT.search(sql)
        form = found["form"] if found else question.form
        is_select = _SELECT.match(sql) is not None
        if is_select and form in _STREAMED and not question.buffered:
            blocks = self._bounded(handle.stream(sql, form=form, params=question.params))
            # The first block now: most errors come with it, while the status can still be told.
            answer = Answer(form=form, blocks=blocks)
        else:
            result = handle.run(sql, form=form, params=question.params)
            answer = _whole(form, result, self._bounded(iter([result.bytes()])))
        blocks = iter(answer.blocks)
        first = next(blocks, b"")
        if is_select and form == "Native" and not first:
            first = _heading(handle, sql[: found.start()] if found else sql, question)
        answer.blocks = itertools.chain([first], blocks)
        return answer

    def _bounded(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The engine bounds rows and bytes before an ARRAY JOIN multiplies them; this after."""
        total_bytes, bytes_max = 0, self._limits.result_bytes_max
        for block in blocks:
            total_bytes += len(block)
            if total_bytes > bytes_max:
                raise fault(TOO_MANY_ROWS_OR_BYTES, f"the answer is longer than {bytes_max} bytes")
            yield block

    @contextmanager
    def _place(self, role: Role) -> Iterator[str]:
        if not self._is_open:
            raise fault(TOO_MANY_QUERIES, "the ledger is stopping; ask again")
        places, wait_s = self._places[role], self._limits.wait_ms_max / 1000
        if not places.acquire(timeout=wait_s):
            raise fault(
                TOO_MANY_QUERIES,
                f"no place for a {role}'s query within {self._limits.wait_ms_max} ms; ask again",
            )
        mark = f"heddle-{next(self._numbers)}"
        self._running[mark] = role
        try:
            yield mark
        finally:
            with self._ended:
                del self._running[mark]
                self._ended.notify_all()
            places.release()

    def stop(self) -> None:
        """Take nothing new, let the writer's statements end, then kill what is left."""
        self._is_open = False
        self._kill("reader")
        self._wait(self._limits.drain_s_max)
        self._kill("reader")
        self._kill("writer")
        self._wait(self._limits.drain_s_max)

    def _wait(self, seconds_max: float) -> None:
        with self._ended:
            self._ended.wait_for(lambda: not self._running, timeout=seconds_max)

    def _kill(self, role: Role) -> None:
        for mark in [mark for mark, one in list(self._running.items()) if one == role]:
            self.kill(mark)

    def kill(self, mark: str) -> None:
        """Cancel the query that carries this mark, if it still runs."""
        sql = f"KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC"
        try:
            with self._engine.handle() as handle:
                handle.run(sql)
        except Fault:
            pass  # It has ended by itself.


def _heading(handle: Handle, select: str, question: Question) -> bytes:
    """A Native block without rows: the engine writes none, and drivers want to know the columns."""
    try:
        columns = handle.run(
            f"DESCRIBE TABLE ({select})", form="JSONCompact", params=question.params
        )
    except Fault:
        return b""  # An empty answer is right all the same.
    described = json.loads(columns.bytes())["data"]
    cells = [text for name, kind, *_ in described for text in (name, kind)]
    return _varint(len(described)) + _varint(0) + b"".join(map(_native_text, cells))


def _native_text(text: str) -> bytes:
    return _varint(len(text.encode())) + text.encode()


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all but the last."""
    head = b""
    while number > 0x7F:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])


def _whole(form: str, result: Any, blocks: Iterator[bytes]) -> Answer:
    return Answer(
        form=form,
        blocks=blocks,
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
    )


def _head(sql: str, blocks: Iterator[bytes]) -> bytes:
    """Address and body are one text; enough of it to see where an insert's data begin."""
    head = sql.encode() + b"\n" if sql else b""
    for block in blocks:
        head += block
        if len(head) >= HEAD_BYTES_MAX:
            break
    return head


def _text(sql: str, body: Iterable[bytes], *, bytes_max: int) -> str:
    text = bytearray(sql.encode() + b"\n" if sql else b"")
    for block in body:
        text += block
        if len(text) > bytes_max:
            raise fault(QUERY_IS_TOO_LARGE, f"the query is longer than {bytes_max} bytes")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise fault(ACCESS_DENIED, "the query is not UTF-8") from None
