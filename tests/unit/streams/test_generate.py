"""The generate stage by its own threads, on a real folder shelf and the stand-in engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.stand_in import StandIn
from schemas.errors import Busy, Rejected, Unusable
from schemas.records import PatternFailed, TileGenerated, UsageMeasured
from streams.loop.stage import Ending
from tests.unit.streams.generate_house import EVENTS, LIMITS, House, Slow


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


def states(house: House) -> list[str]:
    """What the worker has been in, in order; ends its clock."""
    told = [event.state for event in house.usage.end()]
    return [one for at, one in enumerate(told) if told[:at][-1:] != [one]]


def test_weights_load_before_the_first_forward_warms(build: Callable[[StandIn], House]) -> None:
    """Two states: the bill of a cold start says which of the two it was."""
    house = build(Slow())
    house.submit(1)
    house.ended(1)
    assert states(house)[:4] == ["starting", "loading", "warming", "busy"]


def test_a_stage_that_its_breaker_holds_has_failed(build: Callable[[StandIn], House]) -> None:
    """Its probes are work; between them it is of no use to anybody, until it recovers."""
    house = build(StandIn(step_ms=1))
    house.ops.ready("breaker", yes=False)
    for number in (1, 2):
        house.submit(number)
        house.ended(number)
        house.until(lambda: house.usage.state == "failed")
    house.ops.ready("breaker", yes=True)
    house.submit(3)
    house.ended(3)
    house.until(lambda: house.usage.state == "idle")
    assert states(house)[-6:] == ["busy", "failed", "busy", "failed", "busy", "idle"]


def test_what_is_aboard_ends_in_a_draining_worker(build: Callable[[StandIn], House]) -> None:
    """From the wish to stop on, though rows ride; their forwards are told all the same."""
    house = build(StandIn(step_ms=5))
    house.submit(1, steps=10)
    house.until(lambda: house.riding() == 1)
    house.ops.ready("draining", yes=False)
    told = [*house.stage.asides()]
    house.ended(1)
    told += house.stage.asides(last=True)
    events = [EVENTS.codec.decode(output.value, UsageMeasured) for output in told]
    assert [event.state for event in events][-2:] == ["busy", "draining"]
    assert any(event.forwards for event in events if event.state == "draining")


def test_an_engine_that_ends_leaves_a_failed_worker(build: Callable[[StandIn], House]) -> None:
    """Until its process ends too; the drain that follows is none."""

    class Broken(StandIn):
        def warm(self) -> None:
            raise Unusable("no such device")

    house = build(Broken())
    with pytest.raises(Unusable):
        house.until(lambda: False)
    assert house.usage.state == "failed"
