"""Faust's consumer, made safe: what it fetches is taken, while it seeks it stands still, and what
it commits is ours.

Left alone, Faust loses what it has fetched. At the end of a recovery it lets the fetcher run, seeks
to the committed offsets meanwhile, and then empties its buffers: what came in between is gone, for
the seek either went before it, or never touched a partition without a committed offset, or the
repetition is taken for something read before. It then stands still without an error, or commits
past what is gone. It also commits past records in work where acks come out of order, where a crash
closes a generator, where a supervisor restarts an agent.

Here (1) the seek waits for the fetch in hand, and nothing is fetched between it and the emptied
buffers; (2) a partition without a committed offset goes back to its beginning; (3) a record counts
as taken when it is fetched, so one that Faust drops holds its partition's offset back and shows as
lag; (4) commits are `Watermarks`, our own gap-safe ledger, whatever Faust believes was acked.

Imports no Faust. Knows which of its methods call which: pinned to one version, see the tests.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from schemas import metrics
from schemas.errors import Unusable
from streams.kafka.offsets import PartitionLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from streams.ops import Ops

    _Base = Any
else:
    _Base = object

log = logging.getLogger("heddle.faust")

WATCH_S: Final = 5.0
SEEK_S_MAX: Final = 25.0
"""Shorter than Faust's own limit, at which it would end its recovery for good without a word."""
REBALANCE_S_MAX: Final = 120.0
"""A rebalance in which nothing moves for that long hangs; the group's own limit is 60 s."""

TopicPartition = tuple[str, int]


class Watermarks:
    """How far each partition may be committed: up to the first record taken and not finished."""

    def __init__(self) -> None:
        self._ledgers: dict[TopicPartition, PartitionLedger] = {}
        self._times: dict[TopicPartition, deque[tuple[int, int]]] = {}

    def take(self, place: TopicPartition, offset: int, *, at_ms: int = 0) -> None:
        """A record was fetched; `at_ms` is the broker's timestamp.

        One that comes a second time means that the consumer went back: what was in flight comes
        again as well, so we begin anew there.
        """
        ledger = self._ledgers.get(place)
        if ledger is None or ledger.was_taken(offset):
            ledger = self._ledgers[place] = PartitionLedger(position=offset)
            self._times[place] = deque()
        ledger.take(offset)
        self._times[place].append((offset, at_ms))

    def finish(self, place: TopicPartition, offset: int) -> None:
        """Its effects are durable. Nothing happens where the partition has moved meanwhile."""
        ledger = self._ledgers.get(place)
        if ledger is None:
            return
        ledger.finish(offset)
        times, watermark = self._times[place], ledger.watermark()
        while times and times[0][0] < watermark:
            times.popleft()

    def position(self, place: TopicPartition) -> int | None:
        """The first record not finished; None where none was taken since the last seek."""
        ledger = self._ledgers.get(place)
        return ledger.watermark() if ledger is not None else None

    def oldest_ms(self, place: TopicPartition) -> int | None:
        """The broker's timestamp of the first record not finished; None where none is taken."""
        times = self._times.get(place)
        return times[0][1] if times else None

    def forget(self) -> None:
        """Everything is read again from the committed offsets."""
        self._ledgers.clear()
        self._times.clear()

    def beyond(self, committed: Mapping[Any, int | None]) -> dict[Any, int]:
        """What may be committed and is further than what was."""
        positions = {place: ledger.watermark() for place, ledger in self._ledgers.items()}
        return {
            place: offset
            for place, offset in positions.items()
            if offset > (committed.get(place) or 0)
        }


class Guard(_Base):  # type: ignore[misc]
    """Goes before Faust's consumer class: never fetches beside a seek, and its commits are ours."""

    marks: Watermarks

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_hand = asyncio.Lock()
        self._taker: Any = None

    async def getmany(self, timeout: float) -> AsyncIterator[Any]:
        """Faust's; a seek waits while records are fetched and handed over, and they for a seek."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        async with self._in_hand:
            if self.flow_active:
                self._taker = asyncio.current_task()
                async for found in super().getmany(timeout):
                    yield found

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        records = await super()._getmany(active_partitions, timeout)
        for place, batch in records.items():
            if self.app.topics.acks_enabled_for(place.topic):
                for record in batch:
                    self.marks.take(place, record.offset, at_ms=record.timestamp or 0)
        return records

    async def perform_seek(self) -> None:
        """Back to the committed offsets; the flow stands until the caller resumes it.

        Raises TimeoutError, which ends the process: a recovery without its seek is none.
        """
        if asyncio.current_task() is self._taker:
            return  # getmany found the flow stopped; who stopped it seeks before it goes on.
        self.stop_flow()
        async with asyncio.timeout(SEEK_S_MAX), self._in_hand:
            await super().perform_seek()
            self.marks.forget()

    async def seek_wait(self, partitions: Any) -> None:
        """Faust's, to the places from which tables are restored; no fetch is in hand meanwhile."""
        async with self._in_hand:
            await super().seek_wait(partitions)

    async def seek_to_committed(self) -> Any:
        """Faust's; what was never committed goes back to its beginning instead of nowhere."""
        found = await super().seek_to_committed()
        acked = self.app.topics.acks_enabled_for
        unmoved = [place for place, to in found.items() if not to and acked(place.topic)]
        if unmoved:
            await self._thread.seek_to_beginning(*unmoved)
        return found

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit every partition as far as it is finished, by our books and not by Faust's."""
        for theirs in (self._acked, self._acked_index, self._gap):
            theirs.clear()
        ahead = self.marks.beyond(self._committed_offset)
        return bool(ahead) and await self._commit_offsets(ahead, start_new_transaction)


def guard(app: Any, marks: Watermarks) -> None:
    """Give the app a consumer that keeps to `marks`. Before the app starts."""
    app.transport.Consumer = type("Guarded", (Guard, app.transport.Consumer), {"marks": marks})


class Watch:
    """Beats while the loop turns, and ends a worker that gets nowhere although records wait.

    Progress is asked of the broker and of our own books, not of Faust: the end of each partition
    against the first record not finished. A rebalance that hangs counts as well.
    """

    def __init__(self, app: Any, marks: Watermarks, ops: Ops, *, stalled_s_max: float) -> None:
        self._app, self._marks, self._ops = app, marks, ops
        self._stalled_s_max = stalled_s_max
        self._seen: Any = None
        self._progress_s = time.monotonic()

    async def run(self) -> None:
        """Until the app stops."""
        while not self._app.should_stop:
            self._ops.beat()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001  A broker that is away is not a stall.
                self._progress_s = time.monotonic()
                log.info("lag unknown", extra={"why": type(error).__name__})
            await self._end_if_stalled()
            await self._app.sleep(WATCH_S)

    async def _end_if_stalled(self) -> None:
        limit_s, what = self._stalled_s_max, "records wait and none was finished"
        if self._app.rebalancing:
            limit_s, what = max(limit_s, REBALANCE_S_MAX), "the group does not come to rest"
        if time.monotonic() - self._progress_s > limit_s:
            line = f"{what} for {limit_s:g} s"
            log.error(line)
            await self._app.crash(Unusable(line))

    async def _look(self) -> None:
        consumer, topics = self._app.consumer, self._app.topics
        places = [tp for tp in consumer.assignment() if topics.acks_enabled_for(tp.topic)]
        ends = await consumer.highwaters(*places) if places else {}
        positions = {place: await self._position(consumer, place) for place in places}
        behind = {place: max(ends.get(place, at) - at, 0) for place, at in positions.items()}
        for place, lag in behind.items():
            self._show(place, lag)
        restored = dict(self._app.tables.recovery.active_offsets)
        seen = (positions, restored, self._app.rebalancing_count)
        if seen != self._seen or not (any(behind.values()) or self._app.rebalancing):
            self._progress_s = time.monotonic()
        self._seen = seen

    def _show(self, place: TopicPartition, lag: int) -> None:
        oldest_ms = self._marks.oldest_ms(place)
        age_s = 0.0 if oldest_ms is None else max(time.time() - oldest_ms / 1000, 0.0)
        labels = (place[0], str(place[1]))
        self._ops.gauge(metrics.LAG, lag, *labels)
        self._ops.gauge(metrics.LAG_SECONDS, age_s, *labels)

    async def _position(self, consumer: Any, place: Any) -> int:
        mark = self._marks.position(place)
        return int(await consumer.position(place) or 0) if mark is None else mark
