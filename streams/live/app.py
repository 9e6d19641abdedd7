"""The live view on Faust: results in, request status out, one RequestCompleted per request.

Per batch: read, apply in memory, send the RequestCompleted events and await the broker, send the
changed statuses to the table's changelog and await the broker, show them to readers, and only then
let the offsets move. A death anywhere repeats a batch: statuses are joins and events have derived
ids, so repeating is harmless.

The table is keyed by request id and lives in memory; `<app id>-requests-changelog` restores it, and
where that is lost, reading the topics again does. All topics have one partition count, so a
request's events, its status and its changelog share a partition number.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import faust

from schemas import metrics, topics
from schemas.codec import Codec
from schemas.errors import HeddleError, Rejected, Transient, Undecodable, Unusable
from schemas.records import RequestCompleted
from schemas.topics import FAILED, GENERATED, PUBLISHED, ROUTED, prefixed
from streams.kafka import admin, safe_faust
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.kafka.plan import LIVE_TABLES, planned
from streams.live import http, stored
from streams.live.kept import AGE_MS_MAX, REQUESTS_MAX, Kept
from streams.live.status import STAGE, RequestStatus, apply, completed_event
from streams.ops import Ops

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.kafka.message import Output

log = logging.getLogger("heddle.live")

SOURCES: Final = (*ROUTED.values(), GENERATED, PUBLISHED, FAILED)
(TABLE,) = LIVE_TABLES
BATCH_MAX: Final = 200
BATCH_WAIT_MS_MAX: Final = 250
EXPIRED_MAX: Final = 50
"""Requests forgotten per batch: a quarter of what a batch can bring is enough to keep the bound."""
DRAIN_MS_MAX: Final = 10_000
TOPICS_S_MAX: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """Everything the live view needs to know."""

    connection: Connection
    port: int
    """0 takes a free one."""
    host: str = "127.0.0.1"
    prefix: str = ""
    partitions: int = topics.PARTITIONS
    codec: Codec = field(default_factory=Codec)
    requests_max: int = REQUESTS_MAX
    age_ms_max: int = AGE_MS_MAX
    drain_ms_max: int = DRAIN_MS_MAX


def run(settings: LiveSettings) -> int:
    """Run in the foreground until SIGTERM; the exit code, 0 after a drain. Raises Unusable."""
    _require_topics(settings)
    live = Live(settings)
    server = http.serve(settings.port, live.kept, live.ops, host=settings.host)
    try:
        return safe_faust.run(faust, live.app, drain_ms_max=settings.drain_ms_max)
    finally:
        server.shutdown()
        server.server_close()


class Live:
    """The Faust app and what it keeps; owned by the event loop, `kept` and `ops` are shared."""

    def __init__(self, settings: LiveSettings) -> None:
        self.settings = settings
        self.kept = Kept(requests_max=settings.requests_max, age_ms_max=settings.age_ms_max)
        self.ops = Ops(STAGE, conditions=("assigned", "recovered"))
        self.events = Events(
            codec=settings.codec, prefix=settings.prefix, source=f"/heddle/{STAGE}"
        )
        self.marks = safe_faust.Watermarks()
        app_id = prefixed(settings.prefix, f"heddle.{STAGE}")
        self.app = faust.App(
            **safe_faust.options(faust, settings.connection, app_id=app_id),
            topic_partitions=settings.partitions,
            stream_buffer_maxsize=BATCH_MAX * 4,
        )
        safe_faust.guard(self.app, self.marks)
        self.table = self.app.Table(
            TABLE,
            partitions=settings.partitions,
            key_type=bytes,
            value_type=bytes,
            on_changelog_event=self._restored,
        )
        source = self.app.topic(
            *(prefixed(settings.prefix, topic.name) for topic in SOURCES),
            key_type=bytes,
            value_type=bytes,
            allow_empty=True,
        )
        self.app.agent(source, name=STAGE, concurrency=1)(self._turn)
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.on_rebalance_complete.connect(self._recovered)
        self._batch = _Batch()

    async def _turn(self, stream: Any) -> None:
        self.app.add_future(self._beat())
        async for events in stream.noack_take(BATCH_MAX, within=BATCH_WAIT_MS_MAX / 1000):
            try:
                await self._work(events)
            except Exception as error:
                log.exception("the live view cannot go on; nothing of this batch was committed")
                await self.app.crash(error)
                raise
            for event in events:
                await stream.ack(event)

    async def _work(self, events: list[Any]) -> None:
        messages = [_message(event.message) for event in events]
        for message in messages:
            self.marks.take(message.place[:2], message.place.offset)
        batch = _Batch()
        for message in messages:
            self._read(message, batch)
        await self._send([self.events.output(done) for done in batch.completed])
        await self._keep(batch)
        for message in messages:
            self.marks.finish(message.place[:2], message.place.offset)
        self.ops.beat()

    def _read(self, message: Message, batch: _Batch) -> None:
        """Apply one record; what says nothing about a request is counted and skipped."""
        topic = topics.topic_of(self.events.name_of(message))
        self.ops.count(metrics.CONSUMED, message.place.topic)
        try:
            if message.value is None:
                raise Undecodable("tombstone", field="value", limit="a record")  # noqa: TRY301
            record: Any = self.events.record(message, topic.record)
            key = record.pattern.request_id.encode()
            seen = batch.changed.get(key, (0, None))[1] or self.kept.get(key)
            status, completed = apply(seen, record, at_ms=message.timestamp_ms)
        except Rejected as refused:
            outcome = "skipped" if message.value is None else "rejected"
            self.ops.count(metrics.ENDED, STAGE, outcome)
            log.warning("record skipped", extra={"place": message.place, "reason": refused.reason})
            return
        self.ops.count(metrics.ENDED, STAGE, "repeated" if status == seen else "done")
        if status != seen:
            batch.changed[key] = (message.place.partition, status)
        if completed is not None:
            batch.completed.append(completed)
