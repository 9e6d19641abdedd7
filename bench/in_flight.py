"""Rows that join a running batch against batches made to their end: the same arrivals, twice.

    python -m bench.in_flight [--engine stand-in|diffusion] [--loads 0.5,0.8,burst] [--shapes 1]

Requests arrive as a Poisson stream (draft 60 %, standard 30 %, premium 10 %; a third each of few,
middling and many steps) at a share of what full batches could make, or all at once (`burst`). One
side is the generate stage's own flight; the other is what it was before: lanes, 20 ms for company,
and each batch from beginning to end. Gates and shelf are the same on both sides and not in it.

With the stand-in, time is the bench's own clock and the figures are the same on every machine: a
step costs what it was published to cost on a GPU at 512 px, 130 ms and 37 ms for each row (fitted
to 0.167, 0.183, 0.240 and 0.425 s at 1, 2, 4 and 8 rows, see docs/benchmarks.md). With the model it
is the wall's. Prints a JSON line per load, each figure as [to the end, in flight].
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.river_records import REQUESTED_AT
from inference.build import LoomSettings, build_engine
from inference.engine import Ended, Engine, Forward, ModelCard, Row, Tile
from inference.stand_in import StandIn
from inference.whole import run
from schemas.codec import Codec
from schemas.records import Pattern, PatternRouted, Prompt
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.message import Place
from streams.lanes.lanes import LaneLimits, Lanes
from streams.lanes.openings import BoardLimits
from streams.ops import Ops
from streams.stages.flight import Crew, Flight
from streams.stages.job import Job
from streams.stages.usage import UsageClock, Worker
from streams.stages.wishes import Wishes

TIERS = {"draft": 0.6, "standard": 0.3, "premium": 0.1}
COMPANY_S = 0.02
"""How long a batch with free places waited for company."""
STEP_MS, ROW_MS = 130.0, 37.0
ROWS_MAX = 8


class Wall:
    """The machine's time."""

    now_s = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


class Clock:
    """A time that passes by sleeping alone."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        """Seconds since it was made."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let so many pass."""
        self._now_s += seconds


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request and when it comes."""

    at_s: float
    job: Job


@dataclass
class Counted:
    """An engine that counts who rides."""

    inner: Engine
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows_max, self.models_max = self.inner.rows_max, self.inner.models_max
        self.device_name = self.inner.device_name

    def step(self, slots: Collection[int]) -> dict[int, Tile | Ended]:
        """As the engine's."""
        self.rows.append(len(slots))
        return self.inner.step(slots)

    def key(self, row: Row) -> tuple[Hashable, ...]:
        """As the engine's."""
        return self.inner.key(row)

    def load(self) -> None:
        """As the engine's."""
        self.inner.load()

    def warm(self) -> None:
        """As the engine's."""
        self.inner.warm()

    def add(self, rows: Sequence[Row]) -> list[int | Ended]:
        """As the engine's."""
        return self.inner.add(rows)

    def drop(self, slots: Collection[int]) -> None:
        """As the engine's."""
        self.inner.drop(slots)

    def spent(self) -> tuple[Forward, ...]:
        """As the engine's."""
        return self.inner.spent()

    def models(self) -> tuple[ModelCard, ...]:
        """As the engine's."""
        return self.inner.models()

    def close(self) -> None:
        """As the engine's."""


class InFlight:
    """The product's own flight."""

    def __init__(
        self, engine: Engine, clock: Wall | Clock, on_tile: Callable[[Job, Any], object]
    ) -> None:
        events = Events(codec=Codec())
        crew = Crew(
            engine=engine,
            wishes=Wishes(Connection(bootstrap="nowhere:1"), events),
            usage=UsageClock(Worker(name="bench", stage="generate")),
            ops=Ops("generate"),
            on_tile=on_tile,
            on_end=on_tile,
            now_ms=lambda: clock.now_s() * 1000,
        )
        self._flight = Flight(crew, waiting_max=10_000, limits=BoardLimits())

    def offer(self, job: Job) -> None:
        """A row lines up."""
        self._flight.line_up(job, first=False)

    def turn(self, _offer_due: Callable[[], None]) -> bool:
        """One step."""
        return self._flight.turn()


class ToTheEnd:
    """What generate did before: a batch from the lanes, made to its end."""

    def __init__(
        self, engine: Engine, clock: Wall | Clock, on_tile: Callable[[Job, Any], object]
    ) -> None:
        self._engine, self._clock, self._on_tile = engine, clock, on_tile
        self._lanes: Lanes[Job] = Lanes(limits=LaneLimits(waiting_max=10_000))

    def offer(self, job: Job) -> None:
        """A row lines up."""
        key = self._engine.key(job.row())
        now_ms = self._clock.now_s() * 1000
        self._lanes.offer(job.waiting(key, steps=job.order.steps or 1, now_ms=now_ms))

    def turn(self, offer_due: Callable[[], None]) -> bool:
        """One whole batch."""
        if not len(self._lanes):
            return False
        if len(self._lanes) < self._engine.rows_max:
            self._clock.sleep(COMPANY_S)
            offer_due()
        now_ms = self._clock.now_s() * 1000
        first = self._lanes.call(now_ms=now_ms)
        batch = [first] if first else []
        while first and len(batch) < self._engine.rows_max:
            more = self._lanes.call(now_ms=now_ms, may=lambda one: one.key == first.key)
            if more is None:
                break
            batch.append(more)
        jobs = [one.item for one in batch]
        for job, end in zip(jobs, run(self._engine, [job.row() for job in jobs]).ends, strict=True):
            self._on_tile(job, end)
        return True


def main() -> None:
    """Measure both sides at each load and print."""
    options = _options()
    clock: Wall | Clock = Clock() if options.engine == "stand-in" else Wall()
    engine = _engine(options, clock)
    engine.warm()
    steps = [int(text) for text in options.steps.split(",")]
    capacity = _capacity(engine, clock, steps)
    for load in options.loads.split(","):
        rate = None if load == "burst" else float(load) * capacity
        sides = {}
        for name, kind in (("to_the_end", ToTheEnd), ("in_flight", InFlight)):
            arrivals = _arrivals(engine, steps, rate, options)
            sides[name] = _side(kind, engine, clock, arrivals)
        print(json.dumps({"load": load, "tiles_per_s_full": round(capacity, 2), **_told(sides)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("stand-in", "diffusion"), default="stand-in")
    parser.add_argument("--loads", default="0.5,0.8,burst")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--shapes", type=int, default=1, help="sizes, in turn, that share nothing")
    parser.add_argument("--steps", default="12,20,28")
    parser.add_argument("--step-ms", type=float, default=STEP_MS, help="of the stand-in")
    parser.add_argument("--row-ms", type=float, default=ROW_MS, help="of the stand-in")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _engine(options: argparse.Namespace, clock: Wall | Clock) -> Engine:
    if options.engine == "stand-in":
        return StandIn(
            rows_max=ROWS_MAX, step_ms=options.step_ms, row_ms=options.row_ms, sleep=clock.sleep
        )
    return build_engine(
        "diffusion", LoomSettings(threads=options.threads, rows_max=ROWS_MAX, device="cpu")
    )


def _capacity(engine: Engine, clock: Wall | Clock, steps: Sequence[int]) -> float:
    """Tiles per second of full batches that begin together, of middling steps."""
    middling = sorted(steps)[len(steps) // 2]
    rows = [_job(engine, at, "draft", middling).row() for at in range(engine.rows_max)]
    began_s = clock.now_s()
    run(engine, rows)
    return len(rows) / (clock.now_s() - began_s)


def _arrivals(
    engine: Engine, steps: Sequence[int], rate: float | None, options: argparse.Namespace
) -> list[Arrival]:
    """The same requests at the same times for whoever asks. `rate` per second; None: all at 0."""
    dice, at_s, found = random.Random(7), 0.0, []
    for number in range(options.count):
        tier = dice.choices(list(TIERS), list(TIERS.values()))[0]
        shape = dice.randrange(options.shapes)
        found.append(Arrival(at_s, _job(engine, number, tier, dice.choice(steps), shape=shape)))
        at_s += dice.expovariate(rate) if rate else 0.0
    return found


def _job(engine: Engine, number: int, tier: str, steps: int, *, shape: int = 0) -> Job:
    card = engine.models()[0]
    # The stand-in draws in Python; a small tile keeps that out of the figures.
    side_px = card.size_px_min if card.family == "stand-in" else card.tile_px
    pattern = Pattern(
        request_id=f"bench-{number}",
        ordinal=1,
        count=1,
        tenant=f"tenant-{number % 3}",
        tier=tier,
        lattice="straight",
        repeat_width_um=640_000,
        repeat_height_um=640_000,
        canvas_width_px=side_px + shape * card.size_multiple_px,
        canvas_height_px=side_px,
        model=card.family,
        version=card.version,
        prompt_hash="",
        prompt_length=0,
        payload_hash="",
        requested_at=REQUESTED_AT,
    )
    order = PatternRouted(
        event_id="",
        pattern=pattern,
        prompt=Prompt(text="navy dots on cream"),
        seed=number,
        steps=steps,
    )
    return Job(Place("bench", 0, number), order)


def _side(
    kind: Any, engine: Engine, clock: Wall | Clock, arrivals: Sequence[Arrival]
) -> dict[str, Any]:
    """Latencies by tier, seconds in all, rows per step."""
    counted = Counted(engine)
    took_s: dict[str, list[float]] = {tier: [] for tier in TIERS}
    came_s = {arrival.job: arrival.at_s for arrival in arrivals}
    began_s = clock.now_s()

    def ended(job: Job, end: object) -> None:
        assert isinstance(end, Tile), end
        tier = job.order.pattern.tier
        took_s[tier].append(clock.now_s() - began_s - came_s[job])

    side, due = kind(counted, clock, ended), list(arrivals)[::-1]

    def offer_due() -> None:
        while due and due[-1].at_s <= clock.now_s() - began_s:
            side.offer(due.pop().job)

    while due or sum(map(len, took_s.values())) < len(arrivals):
        offer_due()
        if not side.turn(offer_due) and due:
            clock.sleep(max(1e-4, due[-1].at_s - (clock.now_s() - began_s)))
    return {
        "seconds": clock.now_s() - began_s,
        "fill": statistics.fmean(counted.rows) / counted.rows_max,
        "took_s": took_s,
    }


def _told(sides: dict[str, dict[str, Any]]) -> dict[str, Any]:
    before, now = sides["to_the_end"], sides["in_flight"]
    told: dict[str, Any] = {
        "throughput_ratio": round(before["seconds"] / now["seconds"], 2),
        "fill": [round(before["fill"], 2), round(now["fill"], 2)],
    }
    everybody = {tier: [one["took_s"][tier] for one in (before, now)] for tier in TIERS}
    everybody["all"] = [[s for tier in TIERS for s in one["took_s"][tier]] for one in (before, now)]
    for tier, (old, new) in everybody.items():
        if len(new) > 1:
            told[tier] = {
                f"p{share}_seconds": [round(_quantile(one, share), 3) for one in (old, new)]
                for share in (50, 95)
            }
    return told


def _quantile(values: Sequence[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


if __name__ == "__main__":
    main()
