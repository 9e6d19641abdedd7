"""generate: routed patterns become tiles. Threads hand jobs on; nothing is shared by two.

    runner ─submit→ [prepare] ─→ lanes → engine thread ─→ [settle] ─collect→ runner

prepare asks the shelf (a tile that lies there is only announced again), the engine thread fills
batches from the lanes, settle runs the tile's gates, lays file and manifest down, or sends the job
back for another attempt with a derived seed.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from inference.engine import Batch, Ended, Engine, Tile
from inference.engine import Forward as Measured
from schemas import metrics
from schemas.errors import Busy, HeddleError, Rejected, Undecodable
from schemas.records import Forward, Part, PatternRouted
from streams.lanes.lanes import LaneLimits, Lanes
from streams.loop.stage import Ending
from streams.stages import tile as tiles
from streams.stages.job import Job
from streams.stages.refusal import failed, now

if TYPE_CHECKING:
    from assets.store import AssetStore
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output, Place
    from streams.ops import Ops
    from streams.stages.usage import UsageClock
    from streams.stages.wishes import Wishes

log = logging.getLogger("heddle.generate")

STAGE: Final = tiles.STAGE
STEPS_GUESS: Final = 20
"""For the cost of a pattern that leaves its steps to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateLimits:
    """Bounds of this stage."""

    waiting_max: int = 32
    """Per tier, before the engine."""
    attempts_max: int = 3
    """Tiles made for one pattern before its gates' refusal stands."""
    threads_max: int = 4
    """For the shelf and the gates, each way."""
    company_ms: float = 20.0
    """How long a lone pattern waits for others that could share its batch."""


@dataclass(slots=True)
class Parts:
    """What a generate worker is made of."""

    engine: Engine
    store: AssetStore
    events: Events
    wishes: Wishes
    usage: UsageClock
    ops: Ops
    limits: GenerateLimits = field(default_factory=GenerateLimits)


class GenerateStage:
    """A Stage for the runner around one engine."""

    name = STAGE

    def __init__(self, parts: Parts) -> None:
        self._parts, self._limits = parts, parts.limits
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self._arrivals: queue.SimpleQueue[tuple[Job, bool]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._trouble: Exception | None = None
        self._jobs: dict[Place, Job] = {}
        self._refused: dict[Place, Job] = {}
        self._tiers: Counter[str] = Counter()
        self._lanes: Lanes[Job] = Lanes(limits=LaneLimits(waiting_max=self._limits.waiting_max * 4))
        self._prepare = ThreadPoolExecutor(self._limits.threads_max, "prepare")
        self._settle = ThreadPoolExecutor(self._limits.threads_max, "settle")
        self._thread = threading.Thread(target=self._engine_thread, daemon=True, name="engine")

    # the runner's thread ------------------------------------------------------------------------

    def open(self) -> None:
        """Shelf, wishes; weights load on the engine's thread. Raises Unusable, Transient."""
        self._parts.ops.ready("weights", yes=False)
        self._parts.store.check()
        self._parts.wishes.start()
        self._thread.start()

    def submit(self, message: Message) -> None:
        """Begin one pattern. Raises Busy when its tier is full, Undecodable."""
        order = self._parts.events.record(message, PatternRouted)
        if self._tiers[order.pattern.tier] >= self._limits.waiting_max:
            raise Busy
        job = Job(message.place, order)
        self._jobs[job.place] = job
        self._tiers[order.pattern.tier] += 1
        self._prepare.submit(self._guarded, job, self._prepare_job)

    def hurry(self) -> None:
        """The wait for company is some milliseconds: not worth a word."""

    def collect(self) -> Sequence[Ending]:
        """What has ended. Raises what stopped the engine's thread."""
        if self._trouble is not None:
            raise self._trouble
        endings = []
        while not self._endings.empty():
            ending = self._endings.get()
            job = self._gone(ending.place)
            if job is not None and isinstance(ending.error, Rejected):
                self._refused[ending.place] = job
            endings.append(ending)
        return endings

    def asides(self) -> Sequence[Output]:
        """Usage that is complete."""
        return [self._parts.events.output(event) for event in self._parts.usage.take()]

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """PatternFailed with the figures of the last tile, where there was one."""
        if isinstance(refused, Undecodable):
            return None
        job = self._refused.pop(message.place, None)
        if job is None:
            job = Job(message.place, self._parts.events.record(message, PatternRouted), attempts)
        event = failed(job.order.pattern, STAGE, refused, at=now(), attempts=job.attempt)
        return self._parts.events.output(replace(event, gates=job.gates, gpu_us=job.gpu_us))

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """Give back what no engine has seen."""
        given = []
        for place in places:
            job = self._jobs.get(place)
            if job is not None and not job.begun:
                job.begun = True
                given.append(place)
                self._gone(place)
        return given

    def close(self, *, timeout_s: float) -> None:
        """Stop the threads; the engine finishes its batch within the timeout or is left behind."""
        self._parts.usage.enter("draining")
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._prepare.shutdown(wait=False, cancel_futures=True)
        self._settle.shutdown(wait=False, cancel_futures=True)
        self._parts.wishes.close()
        self._parts.engine.close()

    def _gone(self, place: Place) -> Job | None:
        job = self._jobs.pop(place, None)
        if job is not None:
            self._tiers[job.order.pattern.tier] -= 1
        return job

    # prepare and settle threads -----------------------------------------------------------------

    def _guarded(self, job: Job, step: Callable[..., None], *details: object) -> None:
        """Run a step; whatever it raises ends the job, the runner decides how."""
        try:
            step(job, *details)
        except Exception as error:  # noqa: BLE001 - the runner decides what each kind means
            self._endings.put(Ending(place=job.place, error=error))

    def _prepare_job(self, job: Job) -> None:
        event = tiles.settled(self._parts.store, job.order.pattern)
        if event is not None:
            output = self._parts.events.output(event)
            self._endings.put(Ending(place=job.place, outputs=(output,), outcome="repeated"))
            return
        self._parts.wishes.check(job.order.pattern, now=now())
        self._arrivals.put((job, False))
        self._wake.set()

    def _settle_job(self, job: Job, tile: Tile) -> None:
        try:
            tiles.judge(tile, job)
        except Rejected as refused:
            if job.attempt >= self._limits.attempts_max:
                raise
            self._parts.ops.count(metrics.SECOND_ATTEMPTS, refused.field)
            job.again()
            self._arrivals.put((job, True))
            self._wake.set()
            return
        event = tiles.settle_tile(self._parts.store, job, tile)
        self._endings.put(Ending(place=job.place, outputs=(self._parts.events.output(event),)))

    # the engine's thread ------------------------------------------------------------------------

    def _engine_thread(self) -> None:
        try:
            self._parts.usage.enter("loading")
            self._parts.engine.warm()
            self._parts.ops.ready("weights", yes=True)
            while not self._stop.is_set():
                self._engine_turn()
        except HeddleError as error:
            self._trouble = error
        except Exception as error:  # noqa: BLE001 - without its engine the worker must end
            log.error("engine thread ended", extra={"kind": type(error).__name__})
            self._trouble = error

    def _engine_turn(self) -> None:
        self._wake.clear()
        self._take_arrivals()
        if not len(self._lanes):
            self._parts.usage.enter("idle")
            self._wake.wait(1.0)
            return
        if len(self._lanes) < self._parts.engine.rows_max:
            time.sleep(self._limits.company_ms / 1000)
            self._take_arrivals()
        jobs = self._lanes.take(self._parts.engine.rows_max, now_ms=time.monotonic() * 1000)
        jobs = [job for job in jobs if job.attempt > 1 or not job.begun]
        if jobs:
            self._run(jobs)

    def _take_arrivals(self) -> None:
        while not self._arrivals.empty():
            job, again = self._arrivals.get()
            self._guarded(job, self._line_up, again)

    def _line_up(self, job: Job, again: bool) -> None:
        key = self._parts.engine.key(job.row())
        steps = job.order.steps or STEPS_GUESS
        waiting = job.waiting(key, steps=steps, since_ms=time.monotonic() * 1000)
        self._lanes.offer(waiting, first=again)

    def _run(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.begun = True
        patterns = {job.pattern_id: job.order.pattern for job in jobs}
        self._parts.usage.enter("busy", model=jobs[0].row().model)
        try:
            batch = self._parts.engine.run(
                [job.row() for job in jobs],
                cancelled=lambda pattern_id: self._parts.wishes.stopped(patterns[pattern_id]),
            )
        except Exception as error:  # noqa: BLE001 - each row ends with it; the runner decides
            for job in jobs:
                self._endings.put(Ending(place=job.place, error=error))
            return
        self._parts.ops.observe(metrics.BATCH_ROWS, len(jobs), STAGE)
        self._account(jobs, batch)
        for job, end in zip(jobs, batch.ends, strict=True):
            self._end(job, end)

    def _account(self, jobs: list[Job], batch: Batch) -> None:
        shares: Counter[str] = Counter()
        for forward in batch.forwards:
            for part in forward.parts:
                shares[part.pattern_id] += part.duration_us
        for job in jobs:
            job.gpu_us += shares[job.pattern_id]
        self._parts.usage.add([_travelling(forward) for forward in batch.forwards])

    def _end(self, job: Job, end: Tile | Ended) -> None:
        if isinstance(end, Tile):
            self._settle.submit(self._guarded, job, self._settle_job, end)
            return
        refused = Rejected(
            end.reason,
            field=end.field,
            limit=end.limit,
            outcome=end.outcome,
            dead_letter=end.outcome == "rejected",
        )
        self._endings.put(Ending(place=job.place, error=refused))


def _travelling(forward: Measured) -> Forward:
    """The loom's forward as it travels."""
    parts = tuple(
        Part(pattern_id=part.pattern_id, attempt=part.attempt, duration_us=part.duration_us)
        for part in forward.parts
    )
    return Forward(kind=forward.kind, duration_us=forward.duration_us, parts=parts)
