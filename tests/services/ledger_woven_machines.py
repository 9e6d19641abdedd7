"""The machines of a woven house: lives of workers that tell their time, or die without a word.

Each kind of machine has two lives, one after the other: states in a row, forwards shared by
patterns, a stretch across the midnight at which prices change. A life may lose an interval, say
something impossible, be killed and told of by its supervisor, or all of that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.names import STOP_INTERVAL, STOPPED
from schemas.records import Forward, Part, Pattern, UsageMeasured
from tests.services.ledger_weaver import FIRST, Weaver

KINDS = (("gpu", "NVIDIA L4"), ("cpu", "cpu"), ("odd", "abacus"))
MIDNIGHT = FIRST + timedelta(days=1)
BAD: tuple[dict[str, Any], ...] = (
    {"duration_us": -1},
    {"duration_us": 10**13},
    {"state": "dreaming"},
    {"forwards": (Forward(kind="denoise", duration_us=9, parts=(
        Part(pattern_id="a.1", attempt=1, duration_us=8),)),)},
    {"forwards": (Forward(kind="denoise", duration_us=5, parts=(
        Part(pattern_id="no pattern", attempt=1, duration_us=5),)),)},
    {"started_at": FIRST.replace(year=2300)},
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One life of a worker."""

    name: str
    number: int
    pool: str
    device: str

    @property
    def incarnation(self) -> str:
        return f"{self.name}/{self.number}"


def weave_machines(weaver: Weaver, patterns: list[Pattern]) -> None:
    """Three kinds of machines, two lives of each."""
    for number, (kind, device) in enumerate(KINDS):
        name = f"{weaver.name}-w-{kind}"
        clock = MIDNIGHT - timedelta(milliseconds=weaver.draw.randint(1, 60_000))
        for life in range(2):
            one = Machine(name=name, number=life, pool=f"{weaver.name}-{kind}", device=device)
            clock = _life(weaver, one, clock, patterns)
        _young(weaver, Machine(name=f"{name}-young", number=number, pool=one.pool, device=device))


def _life(weaver: Weaver, one: Machine, clock: datetime, patterns: list[Pattern]) -> datetime:
    """Intervals in a row from `clock` on, in whole microseconds; when the next life may begin."""
    began, draw = clock, weaver.draw
    states = ["starting", "loading", "warming"]
    states += [draw.choice(["idle", "busy", "busy"]) for _ in range(draw.randint(2, 8))]
    states += draw.choice([["draining"], ["failed"], []])
    lost = draw.choice([None, None, draw.randrange(len(states))])
    bad = draw.choice([None, None, draw.randrange(len(states))])
    for interval, state in enumerate(states):
        duration_us = draw.randint(1, 10_000_000)
        told = _interval(weaver, one, interval, state, clock, duration_us, patterns)
        if interval == bad:
            told = replace(told, **draw.choice(BAD))
        clock += timedelta(microseconds=duration_us)
        # A stall that nobody measured.
        clock += timedelta(seconds=2) * weaver.chance(0.03)
        if interval != lost:
            weaver.tell("patterns.usage", one.incarnation, told, whole_ms(clock))
    clock += timedelta(microseconds=draw.randint(0, 20_000_000))
    if weaver.chance(0.8):
        _stop(weaver, one, began, clock)
    return clock


def _interval(
    weaver: Weaver, one: Machine, interval: int, state: str, clock: datetime, duration_us: int,
    patterns: list[Pattern],
) -> UsageMeasured:  # fmt: skip
    is_loaded = state not in ("starting", "loading")
    return UsageMeasured(
        event_id=f"{one.incarnation}/{interval}", worker=one.name, incarnation=one.incarnation,
        interval=interval, stage="generate", pool=one.pool, device=one.device, state=state,
        started_at=whole_ms(clock), duration_us=duration_us,
        model="swatch" if is_loaded else "", version="1" if is_loaded else "",
        forwards=_forwards(weaver, state, duration_us, patterns),
    )  # fmt: skip


def _forwards(
    weaver: Weaver, state: str, duration_us: int, patterns: list[Pattern]
) -> tuple[Forward, ...]:
    """Loading has one without parts; the others share theirs among up to four attempts."""
    draw = weaver.draw
    if state == "loading":
        return (Forward(kind="load", duration_us=draw.randint(0, duration_us)),)
    if state != "busy":
        return ()
    names = [of.pattern_id for of in patterns] + [f"{weaver.name}-unknown.1"]
    found, left_us = [], duration_us
    for kind in ("encode", "denoise", "decode"):
        us = draw.randint(0, left_us)
        left_us -= us
        rows = draw.randint(1, 4)
        cuts = sorted(draw.randint(0, us) for _ in range(rows - 1))
        parts = tuple(
            Part(pattern_id=draw.choice(names), attempt=draw.randint(1, 3), duration_us=to - since)
            for since, to in zip([0, *cuts], [*cuts, us], strict=True)
        )
        found.append(Forward(kind=kind, duration_us=us, parts=parts))
    return tuple(found)


def _young(weaver: Weaver, one: Machine) -> None:
    """Killed before its first report; it had been up across a midnight."""
    began = MIDNIGHT + timedelta(days=1, seconds=-30)
    _stop(weaver, one, began, began + timedelta(seconds=weaver.draw.randint(31, 100_000)))


def _stop(weaver: Weaver, one: Machine, began: datetime, stopped: datetime) -> None:
    """As its supervisor saw it."""
    since, to = whole_ms(began), whole_ms(stopped)
    record = UsageMeasured(
        event_id=f"{one.incarnation}/stop", worker=one.name, incarnation=one.incarnation,
        interval=STOP_INTERVAL, stage="generate", pool=one.pool, device=one.device, state=STOPPED,
        started_at=since, duration_us=(to - since) // timedelta(microseconds=1),
    )  # fmt: skip
    weaver.tell("patterns.usage", one.incarnation, record, to)


def whole_ms(moment: datetime) -> datetime:
    """As times travel: the rest is dropped."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
