"""record: every topic becomes rows. Batches; nothing ends before its rows are durable.

A stage on the runner rather than work of a pool, because one insert for many records is what
ClickHouse wants.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from schemas.errors import Busy, Undecodable
from schemas.topics import topic_of
from streams.loop.stage import Ending
from streams.stages.refusal import time_of

if TYPE_CHECKING:
    from schemas.errors import Rejected
    from schemas.records import Record
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output, Place

STAGE: Final = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLimits:
    """Bounds of the rows that wait."""

    rows_max: int = 2_000
    """Records of one insert."""
    wait_ms_max: int = 500
    """Longest wait of the oldest record."""
    batches_max: int = 2
    """Inserts under way or waiting."""


Row = tuple["Record | None", str, int, int, "datetime"]
"""(record, topic without prefix, partition, offset, broker timestamp)."""


class Sink(Protocol):
    """The ledger's writing end; `analytics.sink` is the one there is, tests hand in a list."""

    def write(self, batch: Iterable[Row]) -> int:
        """Make the rows of a batch durable; how many. Raises Transient, Unusable.

        A record that is None notes its offset alone, so that an audit knows it was seen.
        """


class Recording:
    """A Stage for the runner: decode, gather, insert."""

    name = STAGE
    takes_tombstones = True
    """The audit of offsets misses none of them."""

    def __init__(self, *, events: Events, sink: Sink, limits: RecordLimits | None = None) -> None:
        self._events, self._sink = events, sink
        self._limits = limits or RecordLimits()
        self._gathered: list[tuple[Place | None, Row]] = []
        self._since_ms = 0.0
        self._under_way = 0
        self._endings: queue.SimpleQueue[list[Ending]] = queue.SimpleQueue()
        self._writer = ThreadPoolExecutor(1, "insert")

    def open(self) -> None:
        """The ledger answers and has its tables. Raises Unusable, Transient."""
        self._sink.write([])

    def submit(self, message: Message) -> None:
        """Gather one record. Raises Busy, Undecodable."""
        if self._under_way >= self._limits.batches_max:
            raise Busy
        if not self._gathered:
            self._since_ms = _now_ms()
        name = self._events.name_of(message)
        if message.value is None:
            self._gather(message.place, None, name, message)
            return
        try:
            record: Record = self._events.record(message, topic_of(name).record)
        except Undecodable:
            self._gather(None, None, name, message)
            raise
        self._gather(message.place, record, name, message)

    def _gather(
        self, ends: Place | None, record: Record | None, name: str, message: Message
    ) -> None:
        place = message.place
        row: Row = (record, name, place.partition, place.offset, time_of(message))
        self._gathered.append((ends, row))
        self._flush_if_due()

    def hurry(self) -> None:
        """Insert what there is."""
        self._flush()

    def collect(self) -> Sequence[Ending]:
        """Records whose rows are durable, or whose insert failed."""
        self._flush_if_due()
        endings: list[Ending] = []
        while not self._endings.empty():
            endings += self._endings.get()
            self._under_way -= 1
        return endings

    def asides(self, *, last: bool = False) -> Sequence[Output]:
        """None."""
        return ()

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """None: a row that cannot be written ends no pattern."""
        return None

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """What was only gathered so far."""
        wanted = set(places)
        given = [place for place, _ in self._gathered if place is not None and place in wanted]
        self._gathered = [item for item in self._gathered if item[0] not in wanted]
        return given

    def close(self, *, timeout_s: float) -> None:
        """The insert under way ends by its own bound."""
        self._writer.shutdown(wait=False, cancel_futures=True)

    def _flush_if_due(self) -> None:
        full = len(self._gathered) >= self._limits.rows_max
        late = self._gathered and _now_ms() - self._since_ms >= self._limits.wait_ms_max
        if full or late:
            self._flush()

    def _flush(self) -> None:
        if self._gathered:
            batch, self._gathered = self._gathered, []
            self._under_way += 1
            self._writer.submit(self._insert, batch)

    def _insert(self, batch: list[tuple[Place | None, Row]]) -> None:
        error: Exception | None = None
        try:
            self._sink.write([row for _, row in batch])
        except Exception as trouble:  # noqa: BLE001 - the runner decides what each kind means
            error = trouble
        self._endings.put(
            [Ending(place=place, error=error) for place, _ in batch if place is not None]
        )


def _now_ms() -> float:
    return time.monotonic() * 1000
