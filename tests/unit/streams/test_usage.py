"""Machine time: every microsecond in exactly one state, in intervals of at most ten seconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.names import STOP_INTERVAL, STOPPED
from schemas.records import Forward, UsageMeasured
from streams.stages.usage import FORWARDS_MAX, INTERVAL_US_MAX, UsageClock, Worker, life_of

STEPS = st.lists(
    st.tuples(st.sampled_from(["idle", "busy", "loading"]), st.integers(0, 35_000_000)), max_size=30
)


@given(steps=STEPS)
def test_states_sum_to_the_time_that_passed(steps: list[tuple[str, int]]) -> None:
    """However states change and however rarely anyone looks, nothing is lost or counted twice."""
    now = [1_000_000_000]
    clock = UsageClock(Worker(name="w", stage="generate"), now_us=lambda: now[0])
    events: list[UsageMeasured] = []
    for state, passed_us in steps:
        clock.enter(state)
        now[0] += passed_us
        events += clock.take()
    events += clock.end()
    assert sum(event.duration_us for event in events) == now[0] - 1_000_000_000
    assert all(0 < event.duration_us <= INTERVAL_US_MAX for event in events)
    assert [event.interval for event in events] == list(range(len(events)))
    assert len({event.event_id for event in events}) == len(events)


def test_forwards_are_told_once_and_events_stay_small() -> None:
    """Every forward is in exactly one event, and no event holds more than its maximum."""
    now = [0]
    clock = UsageClock(Worker(name="w", stage="generate"), now_us=lambda: now[0])
    clock.enter("busy")
    now[0] += 5_000_000
    clock.add([Forward(kind="denoise", duration_us=1) for _ in range(FORWARDS_MAX + 10)])
    events = clock.end()
    assert sum(len(event.forwards) for event in events) == FORWARDS_MAX + 10
    assert max(len(event.forwards) for event in events) <= FORWARDS_MAX


def test_a_clock_set_back_makes_no_negative_time() -> None:
    """An hour backwards is no machine time at all."""
    now = [10_000_000_000]
    clock = UsageClock(Worker(name="w", stage="generate"), now_us=lambda: now[0])
    now[0] -= 3_600_000_000
    assert all(event.duration_us >= 0 for event in clock.end())


def test_machine_time_is_told_under_the_devices_own_name() -> None:
    """`auto` is no machine that a price book knows: what was measured before is renamed too."""
    now = [0]
    clock = UsageClock(Worker(name="w", stage="generate", device="auto"), now_us=lambda: now[0])
    now[0] += 5_000_000
    assert clock.runs_on("NVIDIA H200").device == "NVIDIA H200"
    clock.enter("loading")
    now[0] += 1_000_000
    assert [event.device for event in clock.end()] == ["NVIDIA H200"] * 2


def test_an_earlier_life_is_told_first_and_always_as_the_same_event() -> None:
    """The next life says when a killed one stopped; twice told, it is one event."""
    worker = Worker(name="w", stage="generate", pool="p", device="cpu")
    clock = UsageClock(worker)
    life = life_of(worker, incarnation="gone", started_ms=1_000, stopped_ms=61_000)
    clock.tell([life])
    told = clock.take()[0]
    assert (told.incarnation, told.state, told.interval) == ("gone", STOPPED, STOP_INTERVAL)
    assert (told.duration_us, told.pool, told.device) == (60_000_000, "p", "cpu")
    again = life_of(worker, incarnation="gone", started_ms=1_000, stopped_ms=61_000)
    assert again.event_id == told.event_id


def test_a_worker_that_drains_does_so_to_its_end() -> None:
    """Its threads go on saying what they are at; the time is the drain's, forwards included."""
    now = [0]
    clock = UsageClock(Worker(name="w", stage="generate"), now_us=lambda: now[0])
    clock.enter("draining")
    for state in ("busy", "idle", "failed"):
        now[0] += 1_000
        clock.enter(state)
    clock.add([Forward(kind="denoise", duration_us=7)])
    (told,) = clock.end()
    assert (told.state, told.duration_us, len(told.forwards)) == ("draining", 3_000, 1)


def test_a_forward_longer_than_an_interval_is_told_where_it_ended() -> None:
    """The interval is cut, the forward cannot be: its parts stay whole."""
    now = [0]
    clock = UsageClock(Worker(name="w", stage="generate"), now_us=lambda: now[0])
    clock.enter("busy")
    now[0] += 25_000_000
    clock.add([Forward(kind="denoise", duration_us=25_000_000)])
    told = clock.take()
    assert [event.duration_us for event in told] == [10_000_000, 10_000_000, 5_000_000]
    assert [len(event.forwards) for event in told] == [0, 0, 1]
