"""finish on Faust: batches of `take`, one agent, work on threads, commits that we vouch for.

Per batch: carry every record on a thread of its own until it has ended and the broker has what came
of it, then let Faust ack them in order. What is committed is our own watermark, and what Faust
fetches is guarded (`streams.kafka.guarded_faust`), so neither a crash, nor a restarted agent, nor a
rebalance in the middle of a batch can skip a record. A death repeats at most the batch and one
commit interval.

The work itself is the one that our own runner turns; only the host differs.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import faust

from schemas import metrics
from schemas.topics import GENERATED, prefixed
from streams.kafka import admin, guarded_faust, safe_faust
from streams.loop.stage import Limits
from streams.stages.carry import Carrier

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.loop.stage import Work
    from streams.ops import Ops
    from streams.stages.carry import Deliverer

log = logging.getLogger("heddle.finish.faust")

BATCH_WAIT_MS_MAX: Final = 100
TOPICS_S_MAX: Final = 30.0
STALLED_S_MAX: Final = 900.0
"""Longer than all attempts of one record and the longest task of its pool together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaustSettings:
    """Everything the host needs to know; the work knows the rest."""

    connection: Connection
    prefix: str = ""
    batch_max: int = 8
    """Records of one batch, each on a thread of its own."""
    batch_wait_ms_max: int = BATCH_WAIT_MS_MAX
    limits: Limits = field(default_factory=Limits)
    source: str = GENERATED.name
    """Topic without prefix."""


def run(settings: FaustSettings, work: Work, *, producer: Deliverer, ops: Ops) -> int:
    """Run in the foreground until SIGTERM; the exit code, 0 after a drain. Raises Unusable."""
    names = [prefixed(settings.prefix, settings.source)]
    admin.require(settings.connection, names, timeout_s=TOPICS_S_MAX)
    work.open()
    host = Host(settings, work, producer=producer, ops=ops)
    try:
        return safe_faust.run(
            faust,
            host.app,
            drain_ms_max=settings.limits.drain_ms_max,
            on_signal=lambda: host.carrier.hurry(yes=True),
        )
    finally:
        host.threads.shutdown(wait=False, cancel_futures=True)
        work.close()


class Host:
    """The Faust app around one work; owned by the event loop."""

    def __init__(
        self, settings: FaustSettings, work: Work, *, producer: Deliverer, ops: Ops
    ) -> None:
        self.settings, self.ops = settings, ops
        self.carrier = Carrier(work, producer, limits=settings.limits, ops=ops)
        self.threads = ThreadPoolExecutor(settings.batch_max, thread_name_prefix=work.name)
        self.marks = guarded_faust.Watermarks()
        ops.ready("assigned", yes=False)
        app_id = prefixed(settings.prefix, f"heddle.{work.name}")
        self.app = faust.App(
            **safe_faust.options(faust, settings.connection, app_id=app_id),
            stream_buffer_maxsize=settings.batch_max * 4,
            broker_max_poll_records=settings.batch_max * 4,
        )
        guarded_faust.guard(self.app, self.marks)
        safe_faust.on_rebalance(self.app, lambda: self.carrier.hurry(yes=True))
        source = self.app.topic(
            prefixed(settings.prefix, settings.source),
            key_type=bytes,
            value_type=bytes,
            allow_empty=True,
        )
        self.app.agent(source, name=work.name, concurrency=1)(self._turn)
        self.app.on_partitions_assigned.connect(self._assigned)
        watch = guarded_faust.Watch(self.app, self.marks, ops, stalled_s_max=STALLED_S_MAX)
        self.app.task(watch.run)

    async def _turn(self, stream: Any) -> None:
        within_s = self.settings.batch_wait_ms_max / 1000
        async for events in stream.noack_take(self.settings.batch_max, within=within_s):
            try:
                ended = await self._work(events)
            except Exception as error:
                await safe_faust.give_up(self.app, error)
                raise
            for event, has_ended in zip(events, ended, strict=True):
                if has_ended:
                    await stream.ack(event)
                else:  # Nobody waits for it any more; its partition is read again from there.
                    self.app.consumer.unacked.discard(event.message)

    async def _work(self, events: list[Any]) -> list[bool]:
        """Which of the records have ended."""
        messages = [safe_faust.message(event.message) for event in events]
        for message in messages:
            self.ops.count(metrics.CONSUMED, message.place.topic)
        loop = asyncio.get_running_loop()
        carried = await asyncio.gather(
            *(loop.run_in_executor(self.threads, self.carrier.carry, each) for each in messages),
            return_exceptions=True,
        )
        for message, ended in zip(messages, carried, strict=True):
            if ended is True:
                self.marks.finish(message.place[:2], message.place.offset)
        for ended in carried:
            if isinstance(ended, BaseException):
                raise ended
        return [ended is True for ended in carried]

    async def _assigned(self, _app: Any, /, *given: Any, signal: Any, **_: Any) -> None:
        (assigned,) = given
        self.marks.forget()
        self.carrier.hurry(yes=False)
        self.ops.ready("assigned", yes=bool(assigned))
        log.info("partitions assigned", extra={"partitions": len(assigned)})
