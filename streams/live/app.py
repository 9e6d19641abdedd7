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
from schemas.errors import Rejected, Unusable
from schemas.topics import COMPLETED, FAILED, GENERATED, PUBLISHED, ROUTED, prefixed
from streams.kafka import admin, guarded_faust, safe_faust
from streams.kafka.events import Events
from streams.kafka.plan import LIVE_TABLES, changelog_name, planned
from streams.live import http, stored
from streams.live.kept import AGE_MS_MAX, REQUESTS_MAX, Kept
from streams.live.status import STAGE, apply
from streams.ops import Ops

if TYPE_CHECKING:
    from schemas.records import RequestCompleted
    from streams.kafka.connection import Connection
    from streams.kafka.message import Message, Output
    from streams.live.status import RequestStatus

log = logging.getLogger("heddle.live")

SOURCES: Final = (*ROUTED.values(), GENERATED, PUBLISHED, FAILED)
(TABLE,) = LIVE_TABLES
BATCH_MAX: Final = 200
BATCH_WAIT_MS_MAX: Final = 250
EXPIRED_MAX: Final = 2 * BATCH_MAX
"""Requests forgotten per batch: twice what a batch can bring, so an overrun shrinks again."""
DRAIN_MS_MAX: Final = 10_000
TOPICS_S_MAX: Final = 30.0
STALLED_S_MAX: Final = 60.0
"""Records waiting and none taken for that long: something in the client hangs, start afresh."""


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
    stalled_s_max: float = STALLED_S_MAX


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
        self.marks = guarded_faust.Watermarks()
        app_id = prefixed(settings.prefix, f"heddle.{STAGE}")
        self.app = faust.App(
            **safe_faust.options(faust, settings.connection, app_id=app_id),
            topic_partitions=settings.partitions,
            stream_buffer_maxsize=BATCH_MAX * 4,
        )
        guarded_faust.guard(self.app, self.marks)
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
        watch = guarded_faust.Watch(
            self.app, self.marks, self.ops, stalled_s_max=settings.stalled_s_max
        )
        self.app.task(watch.run)

    async def _turn(self, stream: Any) -> None:
        async for events in stream.noack_take(BATCH_MAX, within=BATCH_WAIT_MS_MAX / 1000):
            try:
                await self._work(events)
            except Exception as error:
                await safe_faust.give_up(self.app, error)
                raise
            for event in events:
                await stream.ack(event)

    async def _work(self, events: list[Any]) -> None:
        messages = [safe_faust.message(event.message) for event in events]
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

    async def _send(self, outputs: list[Output]) -> None:
        """Await the broker's word for each. Faust's partitioner is Java's murmur2."""
        send: Any = self.app.producer.send
        futures = [
            await send(o.topic, o.key, o.value, None, None, list(o.headers)) for o in outputs
        ]
        await asyncio.gather(*futures)
        for output in outputs:
            self.ops.count(metrics.PRODUCED, output.topic)

    async def _keep(self, batch: _Batch) -> None:
        """Into the changelog, awaited; then into the table and before the readers."""
        values = {key: stored.dump(status) for key, (_, status) in batch.changed.items()}
        await asyncio.gather(
            *(
                self.table.send_changelog(batch.changed[key][0], key, value)
                for key, value in values.items()
            )
        )
        for key, (partition, status) in batch.changed.items():
            self.table.data[key] = values[key]
            self.kept.put(partition, key, status)
        await self._forget()

    async def _forget(self) -> None:
        """Keep the bounds: a tombstone in the changelog, then out of table and sight."""
        gone = self.kept.expired(now_ms=round(time.time() * 1000), expired_max=EXPIRED_MAX)
        await asyncio.gather(
            *(self.table.send_changelog(each.partition, each.key, None) for each in gone)
        )
        for each in gone:
            self.table.data.pop(each.key, None)
            self.kept.remove(each.key)
            if each.running:
                log.warning("a running request was forgotten", extra={"key": each.key.decode()})

    async def _restored(self, event: Any) -> None:
        """One record of the changelog, after a start or a rebalance."""
        message = event.message
        if message.value is None:
            self.kept.remove(message.key)
            return
        try:
            self.kept.put(message.partition, message.key, stored.load(message.value))
        except ValueError as error:
            log.warning("stored status skipped", extra={"reason": str(error)})

    async def _assigned(self, _app: Any, /, *given: Any, signal: Any, **_: Any) -> None:
        (assigned,) = given
        self.marks.forget()
        self.ops.ready("assigned", yes=bool(assigned))
        self.ops.ready("recovered", yes=False)
        self.kept.keep_only({place.partition for place in assigned})

    async def _recovered(self, _app: Any, /, *_: Any, signal: Any, **__: Any) -> None:
        self.kept.in_order()
        self.ops.ready("recovered", yes=True)
        log.info("live view is whole", extra={"requests": len(self.kept)})


@dataclass(slots=True)
class _Batch:
    """What one batch has changed and brought about."""

    changed: dict[bytes, tuple[int, RequestStatus]] = field(default_factory=dict)
    """By key: partition and status."""
    completed: list[RequestCompleted] = field(default_factory=list)


def _require_topics(settings: LiveSettings) -> None:
    """Every topic is there with one partition count. Raises Unusable, naming the first wrong."""
    names = [prefixed(settings.prefix, topic.name) for topic in (*SOURCES, COMPLETED)]
    names.append(changelog_name(settings.prefix, TABLE))
    admin.require(settings.connection, names, timeout_s=TOPICS_S_MAX)
    plan = planned(settings.prefix, partitions=settings.partitions)
    wrong = admin.problems(settings.connection, [each for each in plan if each.name in names])
    if wrong:
        line = "the live view needs one partition count for all its topics"
        raise Unusable(f"{wrong[0]}; {line} (HEDDLE_PARTITIONS)")
