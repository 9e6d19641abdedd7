"""Faust's consumer under guard: nothing fetched is lost, nothing unfinished is committed."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.recovery import Recovery
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from schemas import metrics
from streams.kafka import guarded_faust
from streams.kafka.guarded_faust import Watch, Watermarks
from streams.ops import Ops

PLACE = TP("t", 0)
CHANGELOG = TP("changelog", 0)
TOPICS = SimpleNamespace(acks_enabled_for=lambda topic: topic == "t")


@given(st.lists(st.integers(0, 30), unique=True, min_size=1), st.data())
def test_no_commit_passes_an_unfinished_record(offsets: list[int], data: st.DataObject) -> None:
    """Whatever order records finish in, the offset stays before the first unfinished one."""
    marks = Watermarks()
    for offset in sorted(offsets):
        marks.take(PLACE, offset, at_ms=offset * 10)
    finished = data.draw(st.permutations(offsets))[: data.draw(st.integers(0, len(offsets)))]
    for offset in finished:
        marks.finish(PLACE, offset)
    unfinished = set(offsets) - set(finished)
    expected = min(unfinished) if unfinished else max(offsets) + 1
    assert marks.beyond({}) == ({PLACE: expected} if expected else {})
    assert marks.oldest_ms(PLACE) == (expected * 10 if unfinished else None)


def test_only_what_is_further_is_committed() -> None:
    """Nothing taken, nothing to commit; the same offset is not committed twice."""
    marks = Watermarks()
    assert marks.beyond({}) == {}
    marks.take(PLACE, 4)
    marks.finish(PLACE, 4)
    assert marks.beyond({PLACE: None}) == {PLACE: 5}
    assert marks.beyond({PLACE: 5}) == {}
    marks.forget()
    marks.finish(PLACE, 5)
    assert (marks.beyond({}), marks.position(PLACE), marks.oldest_ms(PLACE)) == ({}, None, None)
    marks.take(PLACE, 2)
    assert marks.position(PLACE) == 2


def test_going_back_begins_anew() -> None:
    """Read again from an earlier offset: nothing is stuck, and nothing is committed past a record
    that came again and is not finished."""
    marks = Watermarks()
    for offset in (5, 6, 7):
        marks.take(PLACE, offset)
    marks.finish(PLACE, 5)
    marks.take(PLACE, 5, at_ms=9)
    marks.finish(PLACE, 7)
    assert (marks.position(PLACE), marks.oldest_ms(PLACE)) == (5, 9)
    for offset in (6, 7):
        marks.take(PLACE, offset)
    for offset in (5, 6, 7):
        marks.finish(PLACE, offset)
    assert marks.position(PLACE) == 8


class Theirs:
    """As much of Faust's consumer as the guard leans on, with a partition of six records."""

    def __init__(self, *, committed: int | None = None, fetch_s: float = 0.0) -> None:
        self.app = SimpleNamespace(topics=TOPICS)
        self.flow_active, self.can_resume_flow = True, asyncio.Event()
        self.log: list[str] = []
        self.sent: list[dict[Any, int]] = []
        self._committed, self._fetch_s, self._next = committed, fetch_s, 0
        self._acked: dict[Any, list[int]] = {PLACE: [0, 1, 2, 3, 4, 5]}
        self._acked_index: dict[Any, set[int]] = {}
        self._gap: dict[Any, Any] = {}
        self._committed_offset: dict[Any, int | None] = {}
        self._thread = SimpleNamespace(seek_to_beginning=self._to_beginning)

    async def wait(self, event: asyncio.Event) -> None:
        await event.wait()

    def stop_flow(self) -> None:
        self.flow_active = False
        self.can_resume_flow.clear()

    def resume_flow(self) -> None:
        self.flow_active = True
        self.can_resume_flow.set()

    async def getmany(self, _timeout: float) -> AsyncIterator[Any]:
        if not self.flow_active:
            await self.can_resume_flow.wait()
        for place, batch in (await self._getmany(None, 1.0)).items():
            if not self.flow_active:
                await self.perform_seek()
                return
            for record in batch:
                yield place, record

    async def _getmany(self, _active: Any, _timeout: float) -> dict[Any, Any]:
        self.log.append("fetch")
        await asyncio.sleep(self._fetch_s)
        found = [SimpleNamespace(offset=n, timestamp=n) for n in range(self._next, 6)]
        self._next = 6
        return {PLACE: found, CHANGELOG: found}

    async def perform_seek(self) -> None:
        await self.seek_to_committed()

    async def seek_to_committed(self) -> dict[Any, int | None]:
        self.log.append("seek")
        self._next = self._committed or self._next
        return {PLACE: self._committed, CHANGELOG: None}

    async def seek_wait(self, partitions: Any) -> None:
        self.log.append(f"seek {partitions}")
        await asyncio.sleep(self._fetch_s)

    async def _to_beginning(self, *places: TP) -> None:
        assert places == (PLACE,)
        self._next = 0

    async def _commit_offsets(self, offsets: dict[Any, int], _start: bool) -> bool:
        self.sent.append(offsets)
        self._committed_offset.update(offsets)
        return True


def guarded(**named: Any) -> tuple[Any, Watermarks]:
    """The stand-in under guard, and the books."""
    marks = Watermarks()
    app = SimpleNamespace(transport=SimpleNamespace(Consumer=Theirs))
    guarded_faust.guard(app, marks)
    return app.transport.Consumer(**named), marks


async def drained(consumer: Any, handed_over: list[int]) -> None:
    """One turn of Faust's loop over what it fetches."""
    async for place, record in consumer.getmany(1.0):
        if place == PLACE:
            handed_over.append(record.offset)


@pytest.mark.parametrize(("committed", "expected"), [(None, 0), (0, 0), (4, 4)])
def test_a_fetch_in_hand_ends_before_the_seek(committed: int | None, expected: int) -> None:
    """What it brought is dropped, the books forget it, and it comes again once the flow is back."""

    async def scene() -> None:
        consumer, marks = guarded(committed=committed, fetch_s=0.01)
        early: list[int] = []
        late: list[int] = []
        turn = asyncio.create_task(drained(consumer, early))
        await asyncio.sleep(0)
        await consumer.perform_seek()
        await turn
        assert (early, consumer.log) == ([], ["fetch", "seek"])
        assert marks.position(PLACE) is None
        turn = asyncio.create_task(drained(consumer, late))
        await asyncio.sleep(0.02)
        assert consumer.log == ["fetch", "seek"]  # Nobody fetches before the flow is resumed.
        consumer.resume_flow()
        await turn
        assert late == list(range(expected, 6))
        assert (marks.position(PLACE), marks.position(CHANGELOG)) == (expected, None)

    asyncio.run(scene())


def test_a_seek_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the fetch in hand never comes back, the recovery fails instead of waiting for ever."""
    monkeypatch.setattr(guarded_faust, "SEEK_S_MAX", 0.01)

    async def scene() -> None:
        consumer, _ = guarded(fetch_s=60)
        turn = asyncio.create_task(drained(consumer, []))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await consumer.perform_seek()
        turn.cancel()

    asyncio.run(scene())


def test_tables_are_sought_between_fetches() -> None:
    """The seek to what a table is restored from waits for the fetch in hand as well."""

    async def scene() -> None:
        consumer, _ = guarded(fetch_s=0.01)
        turn = asyncio.create_task(drained(consumer, []))
        await asyncio.sleep(0)
        await consumer.seek_wait("there")
        assert turn.done()

    asyncio.run(scene())


def test_a_second_rebalance_finds_nothing_in_hand() -> None:
    """A fetch that waited for one seek, and finds the flow stopped after it, holds up no other."""

    async def scene() -> None:
        consumer, _ = guarded(fetch_s=0.01)
        first = asyncio.create_task(consumer.seek_wait("there"))
        await asyncio.sleep(0)
        turn = asyncio.create_task(drained(consumer, []))
        await asyncio.sleep(0)
        consumer.stop_flow()
        await first
        await asyncio.wait_for(consumer.perform_seek(), 5)
        await turn
        assert consumer.log == ["seek there", "seek"]

    asyncio.run(scene())


def test_what_faust_drops_is_not_committed_past() -> None:
    """Records fetched and never handed over hold the offset back, whatever Faust says was acked."""

    async def scene() -> None:
        consumer, marks = guarded()
        await drained(consumer, [])
        for offset in (0, 1, 3, 4, 5):  # Record 2 was dropped on its way.
            marks.finish(PLACE, offset)
        assert await consumer.force_commit()
        assert not await consumer.force_commit()
        assert consumer.sent == [{PLACE: 2}]
        assert not consumer._acked

    asyncio.run(scene())


class Broker:
    """What the watch asks: assignment, ends, positions."""

    def assignment(self) -> set[TP]:
        return {PLACE, CHANGELOG}

    async def highwaters(self, *places: TP) -> dict[TP, int]:
        return dict.fromkeys(places, 10)

    async def position(self, _place: TP) -> int:
        return 10


class App:
    """An app that counts how often it was crashed."""

    def __init__(self, *, rebalancing: bool) -> None:
        self.consumer, self.topics, self.rebalancing = Broker(), TOPICS, rebalancing
        self.rebalancing_count, self.crashes = 1, 0
        self.tables = SimpleNamespace(recovery=SimpleNamespace(active_offsets={CHANGELOG: 1}))

    async def crash(self, _error: Exception) -> None:
        self.crashes += 1


def looked(app: App, marks: Watermarks, *, changes: Callable[[], None] = lambda: None) -> Ops:
    """Two looks, the second one long after; a change between them."""
    ops = Ops("finish")
    watch = Watch(app, marks, ops, stalled_s_max=60)

    async def scene() -> None:
        await watch._look()
        watch._progress_s -= 1_000
        changes()
        await watch._look()
        await watch._end_if_stalled()

    asyncio.run(scene())
    return ops


def shown(ops: Ops, metric: metrics.Metric) -> float:
    """The gauge of the one partition."""
    lines = ops.text().decode().splitlines()
    (line,) = (line for line in lines if line.startswith(metric.name + "{"))
    assert 'topic="t"' in line
    return float(line.rpartition(" ")[2])


def test_a_dropped_record_is_lag_and_ends_the_worker() -> None:
    """Lag in messages and in seconds from the first unfinished record; no progress, no worker."""
    app, marks = App(rebalancing=False), Watermarks()
    for offset in (7, 8, 9):
        marks.take(PLACE, offset, at_ms=round((time.time() - 100) * 1000))
    marks.finish(PLACE, 8)
    ops = looked(app, marks)
    assert app.crashes == 1
    assert shown(ops, metrics.LAG) == 3
    assert 99 < shown(ops, metrics.LAG_SECONDS) < 160


def test_progress_and_rest_keep_the_worker() -> None:
    """A record finished, or none waiting, and nothing is ended; without lag the age is 0."""
    app, marks = App(rebalancing=False), Watermarks()
    marks.take(PLACE, 8)
    looked(app, marks, changes=lambda: marks.finish(PLACE, 8))
    assert shown(looked(app, Watermarks()), metrics.LAG_SECONDS) == 0
    assert app.crashes == 0


def test_a_rebalance_that_hangs_ends_the_worker() -> None:
    """No lag, but the group never comes to rest and nothing is restored; restoring is progress."""
    app = App(rebalancing=True)
    offsets = app.tables.recovery.active_offsets
    looked(app, Watermarks(), changes=lambda: offsets.update({CHANGELOG: 2}))
    assert app.crashes == 0
    looked(app, Watermarks())
    assert app.crashes == 1


@pytest.mark.parametrize("name", ["on_recovery_completed", "_resume_streams"])
def test_faust_still_does_what_the_guard_is_for(name: str) -> None:
    """After an upgrade: the seek comes before the buffers are emptied, the flow is resumed last."""
    body = inspect.getsource(getattr(Recovery, name))
    order = ["consumer.perform_seek()", "flow_control.resume()", "consumer.resume_flow()"]
    places = [body.index(call) for call in order]
    assert places == sorted(places)
    for method in ("getmany", "_getmany", "perform_seek", "seek_wait", "seek_to_committed"):
        assert callable(getattr(Consumer, method))
    assert callable(Consumer._commit_offsets)
    assert callable(AIOKafkaConsumerThread.seek_to_beginning)
