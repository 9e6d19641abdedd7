"""generate: routed patterns become tiles. Threads hand jobs on; nothing is shared by two.

    runner ─submit→ [prepare] ─→ engine thread: lanes → running batches ─→ [settle] ─collect→ runner

prepare asks the shelf (a tile that lies there is only announced again); on the engine's thread rows
join and leave running batches between two steps (`flight.py`); settle runs the tile's gates, lays
file and manifest down, or sends the job back as a row with a derived seed.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from inference.engine import Engine, Tile
from schemas import metrics
from schemas.errors import Busy, HeddleError, Rejected, Undecodable
from schemas.names import STOPPED
from schemas.records import PatternRouted
from streams.lanes.openings import BoardLimits
from streams.loop.stage import Ending
from streams.stages import tile as tiles
from streams.stages.flight import Crew, Flight
from streams.stages.job import Job
from streams.stages.refusal import failed, now
from streams.stages.usage import DRAINING

if TYPE_CHECKING:
    from assets.store import AssetStore
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output, Place
    from streams.ops import Ops
    from streams.stages.usage import UsageClock
    from streams.stages.wishes import Wishes

log = logging.getLogger("heddle.generate")

STAGE: Final = tiles.STAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateLimits:
    """Bounds of this stage."""

    waiting_max: int = 32
    """Per tier, before the engine."""
    attempts_max: int = 3
    """Tiles made for one pattern before its gates' refusal stands."""
    threads_max: int = 4
    """For the shelf and the gates, each way."""
    board: BoardLimits = field(default_factory=BoardLimits)
    """Of the running batches; how many rows share a step and how many models are aboard is the
    engine's to say."""


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
    takes_tombstones = False

    def __init__(self, parts: Parts) -> None:
        self._parts, self._limits = parts, parts.limits
        self._endings: queue.SimpleQueue[tuple[Job, Ending]] = queue.SimpleQueue()
        self._arrivals: queue.SimpleQueue[tuple[Job, bool]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._trouble: Exception | None = None
        self._jobs: dict[Place, Job] = {}
        self._refused: dict[Place, Job] = {}
        self._tiers: Counter[str] = Counter()
        crew = Crew(
            engine=parts.engine,
            wishes=parts.wishes,
            usage=parts.usage,
            ops=parts.ops,
            on_tile=lambda job, tile: self._settle.submit(
                self._guarded, job, self._settle_job, tile
            ),
            on_end=self._failed,
        )
        self._flight = Flight(
            crew,
            # Above what `submit` lets in: second attempts and jobs given back lie there too.
            waiting_max=self._limits.waiting_max * 4,
            limits=self._limits.board,
        )
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
        """Nothing waits for company here: a row begins at once and others join it."""

    def collect(self) -> Sequence[Ending]:
        """What has ended. Raises what stopped the engine's thread."""
        if self._trouble is not None:
            raise self._trouble
        endings = []
        # The runner asks for the failure of what it collects before it collects again.
        self._refused.clear()
        while not self._endings.empty():
            job, ending = self._endings.get()
            self._forget(job)
            if isinstance(ending.error, Rejected):
                self._refused[ending.place] = job
            endings.append(ending)
        return endings

    def asides(self, *, last: bool = False) -> Sequence[Output]:
        """Usage whose interval is complete; the running one too where it is the last."""
        if not self._parts.ops.holds("draining"):
            self._parts.usage.enter(DRAINING)
        done = self._parts.usage.end() if last else self._parts.usage.take()
        for event in done:
            # An earlier life is told by the same way; its time was not this process's.
            if event.state != STOPPED:
                spent_s = event.duration_us / 1e6
                self._parts.ops.count(metrics.MACHINE_TIME, STAGE, event.state, by=spent_s)
        return [self._parts.events.output(event) for event in done]

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
        """Give back what no engine has seen; what it has seen goes before any newcomer."""
        given = []
        for job in [self._jobs[place] for place in places if place in self._jobs]:
            if job.claim():
                job.given_back = True
                given.append(job.place)
                self._forget(job)
            else:
                job.leaving = True
        return given

    def close(self, *, timeout_s: float) -> None:
        """Stop the threads; the engine stops at its next step or is left behind."""
        self._parts.usage.enter(DRAINING)
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._prepare.shutdown(wait=False, cancel_futures=True)
        self._settle.shutdown(wait=False, cancel_futures=True)
        self._parts.wishes.close()
        self._parts.engine.close()

    def _forget(self, job: Job) -> None:
        """Free its place, once. After a rebalance the same record may be here as another job."""
        if job.counted:
            job.counted = False
            self._tiers[job.order.pattern.tier] -= 1
        if self._jobs.get(job.place) is job:
            del self._jobs[job.place]

    # prepare and settle threads -----------------------------------------------------------------

    def _guarded(self, job: Job, step: Callable[..., None], *details: object) -> None:
        """Run a step; whatever it raises ends the job, the runner decides how."""
        try:
            step(job, *details)
        except Exception as error:  # noqa: BLE001 - the runner decides what each kind means
            self._failed(job, error)

    def _failed(self, job: Job, error: Exception) -> None:
        self._endings.put((job, Ending(place=job.place, error=error)))

    def _prepare_job(self, job: Job) -> None:
        event = tiles.settled(self._parts.store, job.order.pattern)
        if event is not None:
            output = self._parts.events.output(event)
            ending = Ending(place=job.place, outputs=(output,), outcome="repeated")
            self._endings.put((job, ending))
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
        ending = Ending(place=job.place, outputs=(self._parts.events.output(event),))
        self._endings.put((job, ending))

    # the engine's thread ------------------------------------------------------------------------

    def _engine_thread(self) -> None:
        try:
            self._parts.usage.enter("loading")
            self._parts.engine.load()
            self._parts.usage.enter("warming")
            self._parts.engine.warm()
            self._parts.ops.ready("weights", yes=True)
            while not self._stop.is_set():
                self._engine_turn()
            self._flight.close()
        except HeddleError as error:
            self._end_of_engine(error)
        except Exception as error:  # noqa: BLE001 - without its engine the worker must end
            log.error("engine thread ended", extra={"kind": type(error).__name__})
            self._end_of_engine(error)

    def _end_of_engine(self, error: Exception) -> None:
        self._parts.usage.enter("failed")
        self._trouble = error

    def _engine_turn(self) -> None:
        self._wake.clear()
        while not self._arrivals.empty():
            job, again = self._arrivals.get()
            self._guarded(job, self._line_up, again)
        if not self._flight.turn():
            # One bad row is no broken machine: the breaker is who tells them apart.
            held = not self._parts.ops.holds("breaker")
            self._parts.usage.enter("failed" if held else "idle")
            self._wake.wait(1.0)

    def _line_up(self, job: Job, again: bool) -> None:
        self._flight.line_up(job, first=again)
