"""Rows join and leave running batches; every microsecond is somebody's; a bad row ends alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine import Ended, Row, Tile
from inference.stand_in import StandIn
from schemas import metrics
from schemas.codec import Codec
from schemas.errors import Rejected, Transient
from schemas.records import CancelRequested, PatternRouted, Prompt
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.lanes.openings import BoardLimits
from streams.ops import Ops
from streams.stages.flight import Crew, Flight
from streams.stages.job import Job
from streams.stages.usage import UsageClock, Worker
from streams.stages.wishes import Wishes
from tests.unit.analytics.events import pattern as some_pattern

EVENTS = Events(codec=Codec())


class House:
    """A flight over an engine, and what became of its jobs."""

    def __init__(self, engine: StandIn | None = None, *, rows_max: int = 4) -> None:
        self.engine = engine or StandIn(rows_max=rows_max)
        self.wishes = Wishes(Connection(bootstrap="nowhere:1"), EVENTS)
        self.usage = UsageClock(Worker(name="w", stage="generate"))
        self.ops = Ops("generate")
        self.tiles: dict[Job, Tile] = {}
        self.ended: dict[Job, Exception] = {}
        crew = Crew(
            engine=self.engine,
            wishes=self.wishes,
            usage=self.usage,
            ops=self.ops,
            on_tile=self.tiles.__setitem__,
            on_end=self.ended.__setitem__,
        )
        self.flight = Flight(crew, waiting_max=100, limits=BoardLimits(paused_max=2, passed_max=8))
        self.count = 0

    def offer(
        self,
        tier: str = "draft",
        *,
        steps: int = 3,
        side_px: int = 32,
        prompt: str = "x",
        deadline: datetime | None = None,
    ) -> Job:
        """A pattern lines up."""
        self.count += 1
        facts = replace(
            some_pattern(f"r{self.count}"),
            tier=tier,
            deadline=deadline,
            lattice="straight",
            canvas_width_px=side_px,
            canvas_height_px=32,
        )
        order = PatternRouted(
            event_id="e", pattern=facts, prompt=Prompt(text=prompt), seed=1, steps=steps
        )
        job = Job(Place("t", 0, self.count), order)
        self.flight.line_up(job, first=False)
        return job

    def cancel(self, job: Job) -> None:
        """Its tenant wants it stopped."""
        facts = job.order.pattern
        wish = CancelRequested(
            event_id="c",
            request_id=facts.request_id,
            tenant=facts.tenant,
            ordinal=facts.ordinal,
            happened_at=datetime.now(UTC),
        )
        output = EVENTS.output(wish)
        self.wishes.apply(Message(Place("c", 0, 0), output.key, output.value))

    def fly(self) -> None:
        """To the end of everything."""
        for _ in range(1_000):
            if not self.flight.turn():
                return
        pytest.fail("never lands")

    def parts(self) -> tuple[int, dict[str, int]]:
        """(microseconds of all forwards, those of each pattern's parts) as the ledger hears."""
        forwards = [one for event in self.usage.end() for one in event.forwards]
        shares: dict[str, int] = {}
        for forward in forwards:
            assert sum(part.duration_us for part in forward.parts) == forward.duration_us
            for part in forward.parts:
                shares[part.pattern_id] = shares.get(part.pattern_id, 0) + part.duration_us
        return sum(one.duration_us for one in forwards), shares

    def counted(self, line: str) -> float:
        """A metric's value by its line."""
        lines = self.ops.text().decode().splitlines()
        return sum(float(one.rpartition(" ")[2]) for one in lines if one.startswith(line))


class Harmful(StandIn):
    """An engine whose machine fails whenever a row of a harmful prompt rides, or boards."""

    error: Exception = Transient("machine")
    at_boarding = False

    def add(self, rows: Sequence[Row]) -> list[int | Ended]:
        """As the stand-in's."""
        if self.at_boarding and any(row.prompt == "harm" for row in rows):
            raise self.error
        return super().add(rows)

    def step(self, slots: Collection[int]) -> dict[int, Tile | Ended]:
        """As the stand-in's."""
        if any(self._aboard[slot].row.prompt == "harm" for slot in slots):
            raise self.error
        return super().step(slots)


def test_a_row_joins_a_running_batch_at_the_next_step() -> None:
    """It need not wait for those before it, nor they for it; both tiles tell of the company."""
    house = House()
    first = house.offer(steps=4)
    house.flight.turn()
    second = house.offer(steps=2)
    house.flight.turn()
    house.flight.turn()
    assert list(house.tiles) == [second]
    house.fly()
    assert list(house.tiles) == [second, first]
    assert [tile.batch_rows for tile in house.tiles.values()] == [2, 2]
    assert house.counted('heddle_rows_joined_total{how="in-flight"}') == 1
    assert house.counted('heddle_rows_joined_total{how="opening"}') == 1
    assert house.counted(f"{metrics.BATCH_ROWS.name}_sum") == 1 + 2 + 2 + 1


def test_premium_enters_a_full_batch() -> None:
    """The last draft rests for it and ends as the same tile a little later."""
    house = House(rows_max=2)
    drafts = [house.offer(steps=5), house.offer(steps=5)]
    house.flight.turn()
    premium = house.offer("premium", steps=2)
    house.flight.turn()
    house.flight.turn()
    assert list(house.tiles) == [premium]
    house.fly()
    assert list(house.tiles) == [premium, *drafts]
    assert house.counted('heddle_rows_paused_total{tier="draft"}') == 1


def test_another_shape_never_shares_a_forward() -> None:
    """Premium of another size rides beside the batch, in its own forwards."""
    house = House()
    draft = house.offer(steps=6)
    house.flight.turn()
    premium = house.offer("premium", steps=2, side_px=64)
    house.fly()
    assert list(house.tiles) == [premium, draft]
    forwards = [one for event in house.usage.end() for one in event.forwards]
    assert all(len(one.parts) == 1 for one in forwards)


def test_a_cancelled_row_leaves_at_the_step_boundary_and_its_time_is_told() -> None:
    """Its neighbour goes on; what it cost until then is in the forwards and on its own end."""
    house = House(StandIn(step_ms=1))
    stays, goes = house.offer(steps=4), house.offer(steps=4)
    house.flight.turn()
    house.cancel(goes)
    house.fly()
    (end,) = house.ended.values()
    assert isinstance(end, Rejected)
    assert (end.outcome, end.dead_letter) == ("cancelled", False)
    assert list(house.tiles) == [stays]
    total, shares = house.parts()
    assert shares == {stays.pattern_id: stays.gpu_us, goes.pattern_id: goes.gpu_us}
    assert sum(shares.values()) == total
    assert 0 < goes.gpu_us < stays.gpu_us


def test_a_row_whose_deadline_passes_leaves() -> None:
    """Aboard or waiting: expired, and no forward afterwards has it."""
    house = House(StandIn(rows_max=1, step_ms=30))
    soon = datetime.now(UTC) + timedelta(milliseconds=20)
    aboard, waits = house.offer(steps=50, deadline=soon), house.offer(deadline=soon)
    house.fly()
    assert set(house.ended) == {aboard, waits}
    for end in house.ended.values():
        assert isinstance(end, Rejected)
        assert (end.outcome, end.field) == ("expired", "deadline")
    assert waits.gpu_us == 0
    assert set(house.parts()[1]) == {aboard.pattern_id}


def test_a_job_that_was_given_back_never_boards() -> None:
    """Whoever claims first has it; the runner's claim costs no machine time."""
    house = House()
    given, ours = house.offer(), house.offer()
    assert given.claim()
    given.given_back = True
    house.fly()
    assert list(house.tiles) == [ours]
    assert not ours.claim()
    assert house.ended == {}


def test_newcomers_wait_for_rows_whose_partition_leaves() -> None:
    """Until it has ended nobody slows it down; then the others board."""
    house = House()
    leaves = house.offer(steps=3)
    house.flight.turn()
    leaves.leaving = True
    other = house.offer("premium", steps=1)
    house.fly()
    assert list(house.tiles) == [leaves, other]
    assert house.tiles[leaves].batch_rows == 1


def test_a_batch_of_rows_that_leave_goes_on_alone() -> None:
    """One that has run longer, or is premium's, waits until they have ended."""
    house = House()
    old, leaves = house.offer("premium", steps=3), house.offer(steps=6, side_px=64)
    house.flight.turn()
    leaves.leaving = True
    house.fly()
    assert list(house.tiles) == [leaves, old]


HARM = [(Transient("m"), False), (ZeroDivisionError(), False), (ZeroDivisionError(), True)]


@pytest.mark.parametrize(("error", "at_boarding"), HARM)
def test_a_row_that_harms_the_machine_ends_alone(error: Exception, at_boarding: bool) -> None:
    """Its error is its own end; those that rode with it get their tiles."""
    engine = Harmful(rows_max=4)
    engine.error, engine.at_boarding = error, at_boarding
    house = House(engine)
    good = [house.offer(), house.offer()]
    bad = house.offer(prompt="harm")
    house.fly()
    assert house.ended == {bad: error}
    assert set(house.tiles) == set(good)
    assert engine._aboard == {}


def test_a_model_that_cannot_be_loaded_is_tried_once_for_all() -> None:
    """Those that would board together wait for the machine together; the others fly on."""
    engine = Harmful(rows_max=4)
    engine.at_boarding = True
    house = House(engine)
    other = house.offer(steps=4)
    house.flight.turn()
    waits = [house.offer(prompt="harm"), house.offer()]
    house.fly()
    assert house.ended == dict.fromkeys(waits, engine.error)
    assert list(house.tiles) == [other]


def test_a_second_attempt_is_a_row_like_any_other() -> None:
    """It keeps the time it first lined up, pays by its attempt, and joins what is running."""
    house = House()
    job, other = house.offer(steps=1), house.offer(steps=5)
    house.flight.turn()
    assert list(house.tiles) == [job]
    job.again()
    house.flight.line_up(job, first=True)
    house.fly()
    assert house.tiles[job].attempt == 2
    assert house.tiles[other].batch_rows == 2
    total, shares = house.parts()
    assert shares[job.pattern_id] == job.gpu_us
    assert sum(shares.values()) == total
    assert house.counted("heddle_boarding_seconds_count") == 2


def test_an_end_in_mid_flight_tells_what_was_spent() -> None:
    """A worker that stops books the steps of rows it never finished."""
    house = House(StandIn(step_ms=1))
    job = house.offer(steps=50)
    house.flight.turn()
    house.flight.close()
    total, shares = house.parts()
    assert shares == {job.pattern_id: total} == {job.pattern_id: job.gpu_us}
    assert total >= 1_000


@settings(deadline=None, max_examples=40)
@given(
    crowds=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["draft", "standard", "premium"]),
                st.integers(1, 4),
                st.sampled_from([32, 64, 96]),
                st.sampled_from(["x", "x", "x", "harm"]),
                st.booleans(),
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=8,
    ),
    rows_max=st.integers(1, 3),
)
def test_every_microsecond_is_somebodys(
    crowds: list[list[tuple[str, int, int, str, bool]]], rows_max: int
) -> None:
    """Rows that join, rest, are cancelled, fail or end: each job ends once, and the parts of all
    of them sum to the forwards' time exactly."""
    house = House(Harmful(rows_max=rows_max))
    jobs: list[Job] = []
    for crowd in crowds:
        for tier, steps, side_px, prompt, cancelled in crowd:
            jobs.append(house.offer(tier, steps=steps, side_px=side_px, prompt=prompt))
            if cancelled and len(jobs) > 1:
                house.cancel(jobs[-2])
        house.flight.turn()
    house.fly()
    assert len(house.tiles) + len(house.ended) == len(jobs)
    assert {*house.tiles, *house.ended} == set(jobs)
    total, shares = house.parts()
    assert sum(shares.values()) == total == sum(job.gpu_us for job in jobs)
    assert all(shares.get(job.pattern_id, 0) == job.gpu_us for job in jobs)
