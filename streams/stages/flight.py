"""The running batches: jobs board the engine, ride step by step and leave. One thread owns this.

One `turn` is one step boundary and a step of the batches whose turn it is:

    sweep    those that wait and were given back, cancelled or are too late go
    leave    the same for rows aboard: they are paid for no further
    board    whoever may join does (`streams.lanes.openings` has the rules)
    step     batches with an urgent row and one of the others; ended rows are handed on

The engine's time is booked whenever somebody leaves, before anybody hears of it, and at least every
`BOOK_MS`; so the parts of rows that left early are told as well. A step that fails is taken again
row by row: a row that harms the machine ends alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from inference.engine import Ended, Engine, Tile
from inference.engine import Forward as Measured
from schemas import metrics
from schemas.errors import Rejected, Transient
from schemas.records import Forward, Part
from streams.lanes.board import Board
from streams.lanes.lanes import LaneLimits, Lanes
from streams.lanes.openings import BoardLimits
from streams.stages.refusal import now

if TYPE_CHECKING:
    from streams.ops import Ops
    from streams.stages.job import Job
    from streams.stages.usage import UsageClock
    from streams.stages.wishes import Wishes

STAGE: Final = "generate"
STEPS_GUESS: Final = 20
"""For the cost of a pattern that leaves its steps to the model."""
BOOK_MS: Final = 1_000
SWEEP_MS: Final = 100
"""How often those that wait are looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What a flight is made of; the two calls are made on its own thread and return at once."""

    engine: Engine
    wishes: Wishes
    usage: UsageClock
    ops: Ops
    on_tile: Callable[[Job, Tile], object]
    on_end: Callable[[Job, Exception], object]
    now_ms: Callable[[], float] = lambda: time.monotonic() * 1000


class Flight:
    """Jobs that wait for the engine and those in it."""

    def __init__(self, crew: Crew, *, waiting_max: int, limits: BoardLimits) -> None:
        """`limits` in so far as the engine has no say: its own bounds of rows and models hold."""
        self._crew, self._engine = crew, crew.engine
        self._lanes: Lanes[Job] = Lanes(limits=LaneLimits(waiting_max=waiting_max))
        bounds = replace(limits, slots_max=crew.engine.rows_max, groups_max=crew.engine.models_max)
        self._board: Board[Job] = Board(self._lanes, bounds)
        self._booked_ms = self._swept_ms = crew.now_ms()

    def line_up(self, job: Job, *, first: bool) -> None:
        """Let it wait for its turn. Raises Rejected where no engine here can make it, Busy."""
        if job.given_back:
            return
        key = self._engine.key(job.row())
        steps = job.order.steps or STEPS_GUESS
        self._lanes.offer(job.waiting(key, steps=steps, now_ms=self._crew.now_ms()), first=first)

    def turn(self) -> bool:
        """One step boundary and one step or more; False when there was nothing to do."""
        self._sweep()
        self._leave()
        # Whoever makes room for a partition's new owner is not held up by newcomers.
        first = _leaves if any(map(_leaves, self._board.aboard())) else None
        self._join(only=first)
        self._busy()
        batches = self._board.step(first=first)
        for batch in batches:
            self._step(batch)
        if self._crew.now_ms() - self._booked_ms >= BOOK_MS or not len(self._board):
            self._book()
        return bool(batches) or bool(len(self._lanes))

    def close(self) -> None:
        """Everybody leaves as they are; their time is booked."""
        jobs = self._board.aboard()
        self._engine.drop([job.slot for job in jobs])
        self._book()
        self._board.leave(jobs)

    # between two steps --------------------------------------------------------------------------

    def _sweep(self) -> None:
        if self._crew.now_ms() - self._swept_ms < SWEEP_MS:
            return
        self._swept_ms = self._crew.now_ms()
        given_back = {job for job in self._lanes if job.given_back}
        self._lanes.remove(given_back)
        stopped = self._stopped_of(self._lanes)
        self._lanes.remove(stopped)
        self._ended(stopped)

    def _leave(self) -> None:
        stopped = self._stopped_of(self._board.aboard())
        if stopped:
            self._engine.drop([job.slot for job in stopped])
            self._ended(stopped)

    def _stopped_of(self, jobs: Iterable[Job]) -> dict[Job, Rejected]:
        return {job: refused for job in jobs if (refused := self._stopped(job)) is not None}

    def _stopped(self, job: Job) -> Rejected | None:
        """Why a job goes on no further: cancelled, or too late."""
        try:
            self._crew.wishes.check(job.order.pattern, now=now())
        except Rejected as refused:
            return refused
        return None

    def _join(self, *, only: Callable[[Job], bool] | None) -> None:
        turn = self._board.turn(now_ms=self._crew.now_ms(), only=only)
        for job in turn.paused:
            self._crew.ops.count(metrics.ROWS_PAUSED, job.order.pattern.tier)
        if not turn.joined:
            return
        self._crew.ops.count(metrics.JOINED, "in-flight", by=turn.flying)
        self._crew.ops.count(metrics.JOINED, "opening", by=len(turn.joined) - turn.flying)
        together: dict[Hashable, list[Job]] = {}
        for job in turn.joined:
            if self._may_begin(job):
                together.setdefault(self._engine.key(job.row()), []).append(job)
        self._busy()
        for jobs in together.values():
            self._add(jobs)

    def _may_begin(self, job: Job) -> bool:
        """Whether it is still ours to make and still wanted; it leaves otherwise."""
        if job.attempt == 1 and not job.claim():
            self._board.leave([job])
            return False
        if (refused := self._stopped(job)) is not None:
            self._ended({job: refused})
            return False
        return True

    def _add(self, jobs: Sequence[Job]) -> None:
        try:
            boarded = self._engine.add([job.row() for job in jobs])
        except Exception as error:  # noqa: BLE001 - the row at fault ends with it
            # A model that cannot be loaded is nobody's fault: trying it for each row helps none.
            if len(jobs) == 1 or isinstance(error, Transient):
                self._ended(dict.fromkeys(jobs, error))
                return
            for job in jobs:
                self._add([job])
            return
        ends: dict[Job, Tile | Exception] = {}
        for job, seat in zip(jobs, boarded, strict=True):
            if isinstance(seat, Ended):
                ends[job] = _end_of(seat)
            else:
                job.slot = seat
                self._tell_waited(job)
        self._ended(ends)

    def _busy(self) -> None:
        if len(self._board):
            models = {job.model for job in self._board.aboard()}
            # Of several models none is the interval's; the parts say whose time it was.
            self._crew.usage.enter("busy", model=models.pop() if len(models) == 1 else "")

    def _tell_waited(self, job: Job) -> None:
        if job.attempt == 1 and job.since_ms is not None:
            waited_s = (self._crew.now_ms() - job.since_ms) / 1000
            self._crew.ops.observe(metrics.WAITED, waited_s, job.order.pattern.tier)

    # one step -----------------------------------------------------------------------------------

    def _step(self, batch: Sequence[Job]) -> None:
        try:
            ends = self._engine.step([job.slot for job in batch])
        except Exception as error:  # noqa: BLE001 - the row at fault ends with it
            if len(batch) == 1:
                self._engine.drop([batch[0].slot])
                self._ended({batch[0]: error})
                return
            for job in batch:
                self._step([job])
            return
        self._crew.ops.observe(metrics.BATCH_ROWS, len(batch), STAGE)
        by_slot = {job.slot: job for job in batch}
        self._ended({by_slot[slot]: _end_of(end) for slot, end in ends.items()})

    def _ended(self, ends: Mapping[Job, Tile | Exception]) -> None:
        """Book, take off board, tell: in this order, because what is told holds the time."""
        if not ends:
            return
        self._book()
        self._board.leave(ends)
        for job, end in ends.items():
            if isinstance(end, Tile):
                self._crew.on_tile(job, end)
            else:
                self._crew.on_end(job, end)

    def _book(self) -> None:
        self._booked_ms = self._crew.now_ms()
        forwards = self._engine.spent()
        # By attempt too: a pattern that came twice may be aboard twice.
        riders = {(job.pattern_id, job.attempt): job for job in self._board.aboard()}
        for forward in forwards:
            for part in forward.parts:
                job = riders.get((part.pattern_id, part.attempt))
                if job is not None:
                    job.gpu_us += part.duration_us
        self._crew.usage.add([_travelling(forward) for forward in forwards])


def _leaves(job: Job) -> bool:
    return job.leaving


def _end_of(end: Tile | Ended) -> Tile | Rejected:
    if isinstance(end, Tile):
        return end
    return Rejected(
        end.reason,
        field=end.field,
        limit=end.limit,
        outcome=end.outcome,
        dead_letter=end.outcome == "rejected",
    )


def _travelling(forward: Measured) -> Forward:
    """The loom's forward as it travels."""
    parts = tuple(
        Part(pattern_id=part.pattern_id, attempt=part.attempt, duration_us=part.duration_us)
        for part in forward.parts
    )
    return Forward(kind=forward.kind, duration_us=forward.duration_us, parts=parts)
