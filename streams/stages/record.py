"""record: every topic becomes rows. Batches; nothing ends before its rows are durable.

A stage on the runner rather than work of a pool, because one insert for many records is what
ClickHouse wants.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from schemas.errors import Busy
from schemas.topics import topic_of
from streams.loop.stage import Ending

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


class Sink(Protocol):
    """The ledger's writing end; `analytics.sink` is the one there is, tests hand in a list."""

    def check(self) -> None:
        """Return once the ledger answers and its tables are there. Raises Transient, Unusable."""

    def write(self, records: Sequence[Any]) -> None:
        """Make rows of (record, topic, partition, offset, timestamp_ms) durable."""


class Recording:
    """A Stage for the runner: decode, gather, insert."""

    name = STAGE

    def __init__(self, *, events: Events, sink: Sink, limits: RecordLimits | None = None) -> None:
        self._events, self._sink = events, sink
        self._limits = limits or RecordLimits()
        self._gathered: list[tuple[Place, tuple[Any, ...]]] = []
        self._since_ms = 0.0
        self._under_way = 0
        self._endings: queue.SimpleQueue[list[Ending]] = queue.SimpleQueue()
        self._writer = ThreadPoolExecutor(1, "insert")

    def open(self) -> None:
        """The ledger answers. Raises Unusable, Transient."""
        self._sink.check()

    def submit(self, message: Message) -> None:
        """Gather one record. Raises Busy, Undecodable."""
        if self._under_way >= self._limits.batches_max:
            raise Busy
        name = self._events.name_of(message)
        record: Record = self._events.record(message, topic_of(name).record)
        if not self._gathered:
            self._since_ms = _now_ms()
        place = message.place
        row = (record, name, place.partition, place.offset, message.timestamp_ms)
        self._gathered.append((place, row))
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

    def asides(self) -> Sequence[Output]:
        """None."""
        return ()

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """None: a row that cannot be written ends no pattern."""
        return None

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """What was only gathered so far."""
        wanted = set(places)
        given = [place for place, _ in self._gathered if place in wanted]
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

    def _insert(self, batch: list[tuple[Place, tuple[Any, ...]]]) -> None:
        error: Exception | None = None
        try:
            self._sink.write([row for _, row in batch])
        except Exception as trouble:  # noqa: BLE001 - the runner decides what each kind means
            error = trouble
        self._endings.put([Ending(place=place, error=error) for place, _ in batch])


def _now_ms() -> float:
    return time.monotonic() * 1000
