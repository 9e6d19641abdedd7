"""The generate stage by its own threads, on a real folder shelf and the stand-in engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.folder import FolderStore
from inference.stand_in import StandIn
from schemas.codec import Codec
from schemas.errors import Busy, Rejected
from schemas.records import PatternFailed, PatternRouted, Prompt, TileGenerated, UsageMeasured
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.loop.stage import Ending
from streams.ops import Ops
from streams.stages.generate import GenerateLimits, GenerateStage, Parts
from streams.stages.usage import UsageClock, Worker
from streams.stages.wishes import Wishes
from tests.unit.analytics.events import pattern as some_pattern

EVENTS = Events(codec=Codec())
PATIENCE_S = 20.0
LIMITS = GenerateLimits(waiting_max=4, attempts_max=2)


class Unwished(Wishes):
    """Wishes of a house without a broker: there are none."""

    def start(self) -> None:
        """Nothing to read."""

    def close(self) -> None:
        """Nothing to close."""


class House:
    """A stage and what it has ended."""

    def __init__(self, folder: Path, engine: StandIn) -> None:
        self.usage, self.ops = UsageClock(Worker(name="w", stage="generate")), Ops("generate")
        parts = Parts(
            engine=engine,
            store=FolderStore(folder),
            events=EVENTS,
            wishes=Unwished(Connection(bootstrap="nowhere:1"), EVENTS),
            usage=self.usage,
            ops=self.ops,
            limits=LIMITS,
        )
        self.stage = GenerateStage(parts)
        self.stage.open()
        self.endings: list[Ending] = []

    def submit(self, number: int, *, steps: int = 2, tier: str = "draft") -> Message:
        """One order."""
        facts = replace(
            some_pattern(f"r{number}"),
            tier=tier,
            lattice="straight",
            canvas_width_px=64,
            canvas_height_px=64,
        )
        order = PatternRouted(
            event_id="e", pattern=facts, prompt=Prompt(text="x"), seed=number, steps=steps
        )
        output = EVENTS.output(order, topic="patterns.routed.draft")
        message = Message(Place("t", 0, number), output.key, output.value)
        self.stage.submit(message)
        return message

    def until(self, condition: Callable[[], bool]) -> None:
        """Collect, as the runner does, until something holds."""
        pause = threading.Event()
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            self.endings += self.stage.collect()
            assert time.monotonic() < deadline_s, "in vain"
            pause.wait(0.002)

    def ended(self, count: int) -> list[Ending]:
        """So many endings."""
        self.until(lambda: len(self.endings) >= count)
        return self.endings

    def riding(self) -> float:
        """Rows that have boarded so far."""
        lines = self.ops.text().decode().splitlines()
        joined = [one for one in lines if one.startswith("heddle_rows_joined_total{")]
        return sum(float(one.rpartition(" ")[2]) for one in joined)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[[StandIn], House]]:
    """Houses that are closed afterwards."""
    built: list[House] = []

    def make(engine: StandIn) -> House:
        built.append(House(tmp_path / "shelf", engine))
        return built[-1]

    yield make
    for house in built:
        house.stage.close(timeout_s=5)


def tile_of(ending: Ending) -> TileGenerated:
    """The event of a pattern that was made."""
    (output,) = ending.outputs
    return EVENTS.codec.decode(output.value, TileGenerated)


def test_the_last_usage_is_told_at_the_end(build: Callable[[StandIn], House]) -> None:
    """Time since the last whole interval waits while the worker goes on, and is told by the last
    asides of a drain: a worker that stops cleanly leaves no time unbooked. /metrics has it all."""
    house = build(StandIn(step_ms=1))
    house.submit(1)
    made = tile_of(house.ended(1)[0])
    whole = list(house.stage.asides())
    last = house.stage.asides(last=True)
    assert last, "the interval that runs is not told"
    told = [EVENTS.codec.decode(output.value, UsageMeasured) for output in [*whole, *last]]
    parts = [part for event in told for one in event.forwards for part in one.parts]
    assert sum(part.duration_us for part in parts) == made.gpu_us
    shown = [
        one for one in house.ops.text().decode().splitlines() if "machine_seconds_total{" in one
    ]
    spent_s = sum(event.duration_us for event in told) / 1e6
    assert sum(float(one.rpartition(" ")[2]) for one in shown) == pytest.approx(spent_s)


def test_a_bad_tile_is_made_again_as_a_row(build: Callable[[StandIn], House]) -> None:
    """The second attempt's tile is the one announced, with the machine time of both."""
    house = build(StandIn(step_ms=1, flawed=lambda row: row.attempt == 1))
    house.submit(1)
    event = tile_of(house.ended(1)[0])
    assert event.attempt == 2
    forwards = [one for output in house.usage.end() for one in output.forwards]
    parts = [part for one in forwards for part in one.parts]
    assert {part.attempt for part in parts} == {1, 2}
    assert event.gpu_us == sum(part.duration_us for part in parts)


def test_a_pattern_whose_attempts_are_used_up_fails_with_its_figures(
    build: Callable[[StandIn], House],
) -> None:
    """The failure names attempts, gates and all the time; its place is free again."""
    house = build(StandIn(step_ms=1, flawed=lambda row: True))
    message = house.submit(1)
    error = house.ended(1)[0].error
    assert isinstance(error, Rejected)
    output = house.stage.failure(message, error, attempts=1)
    assert output is not None
    event = EVENTS.codec.decode(output.value, PatternFailed)
    assert (event.outcome, event.attempts) == ("failed", 2)
    assert event.gates
    assert event.gpu_us >= 4_000


def test_a_drain_gives_back_what_no_engine_has_seen(build: Callable[[StandIn], House]) -> None:
    """The row aboard ends, the waiting ones are returned at once, and no place stays taken."""
    house = build(StandIn(rows_max=1, step_ms=20))
    places = [house.submit(number, steps=10).place for number in range(LIMITS.waiting_max)]
    with pytest.raises(Busy):
        house.submit(90)
    house.until(lambda: house.riding() == 1)
    given = house.stage.surrender(places)
    assert len(given) == LIMITS.waiting_max - 1
    assert [ending.place for ending in house.ended(1)] == [p for p in places if p not in given]
    assert house.endings[0].error is None
    for number in range(10, 10 + LIMITS.waiting_max):
        house.submit(number, steps=1)
    house.ended(1 + LIMITS.waiting_max)
    assert house.riding() == 1 + LIMITS.waiting_max, "nothing given back was made"


def test_a_record_that_comes_back_while_it_rides_frees_its_place_once(
    build: Callable[[StandIn], House],
) -> None:
    """A partition that left and returned: two jobs, two endings of one tile, no place lost."""
    house = build(StandIn(rows_max=2, step_ms=5))
    house.submit(1, steps=5)
    house.until(lambda: house.riding() == 1)
    house.submit(1, steps=5)
    first, second = house.ended(2)
    assert tile_of(first).event_id == tile_of(second).event_id
    for number in range(10, 10 + LIMITS.waiting_max):
        house.submit(number)
    house.ended(2 + LIMITS.waiting_max)


def test_closing_waits_for_one_step_and_tells_its_time(build: Callable[[StandIn], House]) -> None:
    """A row with minutes before it is left as it is; what it has cost is told."""
    house = build(StandIn(step_ms=10))
    house.submit(1, steps=150)
    house.until(lambda: house.riding() == 1)
    began_s = time.monotonic()
    house.stage.close(timeout_s=10)
    assert time.monotonic() - began_s < 1
    parts = [p for event in house.usage.end() for one in event.forwards for p in one.parts]
    assert {part.pattern_id for part in parts} <= {"r1.1"}
