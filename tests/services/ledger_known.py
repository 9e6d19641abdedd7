"""A small house whose every figure was worked out by hand: two tenants, two days, eight patterns.

An hour of a CPU is 0.048 EUR, so 75 seconds are 0.001 EUR, and everything here lasts a multiple of
that. Prices and days are in `examples/prices.toml`.

On 2 November worker w1 starts (150 s), loads (75 s), idles (375 s) and works (300 s): 0.012 EUR, a
third of it work. On 3 November it idles 450 s and works 225 s, then starts (225 s) and works 375 s:
0.017 EUR for 600 s of work: on the loaded basis an hour of work costs 2.125 times its price.
Finishing a.1 takes 75 s of a CPU: 0.001 EUR.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from analytics.sink import Sink
from schemas.records import Pattern, Record, UsageMeasured
from tests.unit.analytics import events
from tests.unit.analytics.events import pattern

WAVE_US = 75_000_000
"""0.001 EUR."""
Written = tuple[Record, datetime]


def on(day: int, clock: str) -> datetime:
    """A time of November 2026, UTC."""
    hour, minute, second = map(int, clock.split(":"))
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def write_known(sink: Sink) -> None:
    """The whole house, one record after the other."""
    stream = [*acme(), *draft(), *mill(), *machines(), *refused()]
    sink.write([(record, "known", 0, n, at) for n, (record, at) in enumerate(stream)])


def acme() -> list[Written]:
    """a.1: second attempt, rejected, then accepted; a.2: rejected. Costs 0.004 and 0.001 EUR."""
    asked = on(2, "10:00:00")
    one, two = (pattern("a", n, requested_at=asked) for n in (1, 2))
    return [
        (events.routed(one), on(2, "10:00:01")),
        (events.routed(two), on(2, "10:00:01")),
        *made(one, on(2, "10:05:01"), on(2, "10:06:01"), attempt=2, cpu_us=WAVE_US),
        *made(two, on(2, "10:03:01"), on(2, "10:04:01")),
        word(one, "rejected", on(2, "11:00:00")),
        word(two, "rejected", on(2, "12:00:00")),
        word(one, "accepted", on(3, "09:00:00")),
    ]


def draft() -> list[Written]:
    """b.1: canary, ordered, 0.001 EUR; b.2: failed after two attempts, 0.002 EUR."""
    one, two = (
        pattern("b", n, requested_at=on(3, "08:00:00"), tier="draft", version="2", labels={},
                recipe="web-preview", experiment="e1", arm="canary")
        for n in (1, 2)
    )  # fmt: skip
    failed = replace(events.failed(two), failed_at=on(3, "08:05:00"))
    return [
        (events.routed(one), on(3, "08:00:02")),
        (events.routed(two), on(3, "08:00:02")),
        *made(one, on(3, "08:02:02"), on(3, "08:02:32")),
        (failed, on(3, "08:05:00")),
        word(one, "ordered", on(3, "10:00:00")),
    ]


def mill() -> list[Written]:
    """m.1: published, 0.004 EUR; m.2: open, 0.001 EUR; m.3: cancelled in time."""
    one, two, three = (
        pattern("m", n, count=3, requested_at=on(3, "12:00:00"), tier="premium", tenant="mill")
        for n in (1, 2, 3)
    )
    gone = replace(events.failed(three, outcome="cancelled"), failed_at=on(3, "12:01:00"), field="")
    routed = [(events.routed(of), on(3, "12:00:01")) for of in (one, two, three)]
    return [
        *routed,
        *made(one, on(3, "12:10:01"), on(3, "12:10:31")),
        (gone, on(3, "12:01:00")),
    ]


def machines() -> list[Written]:
    """Three lives of a worker."""
    work = {("a.1", 1): WAVE_US, ("a.1", 2): 2 * WAVE_US, ("a.2", 1): WAVE_US}
    early = {("b.1", 1): WAVE_US, ("b.2", 1): WAVE_US, ("b.2", 2): WAVE_US}
    noon = {("m.1", 1): 4 * WAVE_US, ("m.2", 1): WAVE_US}
    intervals = [
        *life("i1", on(2, "09:50:00"), [("starting", 2), ("loading", 1), ("idle", 5), work]),
        *life("i2", on(3, "07:52:30"), [("idle", 6), early]),
        *life("i3", on(3, "11:56:15"), [("starting", 3), noon]),
    ]
    return [(one, one.started_at) for one in intervals]


def refused() -> list[Written]:
    """A request refused before it became patterns, and a word on a pattern that nobody knows."""
    bad = pattern("bad", ordinal=0, count=0, tenant="mill")
    at = on(3, "13:00:00")
    no = replace(events.failed(bad, outcome="rejected"), field="repeat.width_um", failed_at=at)
    return [(no, at), word(pattern("nobody"), "accepted", at)]


def life(incarnation: str, start: datetime, states: list[Any]) -> list[UsageMeasured]:
    """Intervals one after the other: (state, waves), or the parts of a busy one; cut at 10 s."""
    found: list[UsageMeasured] = []
    at = start
    for state in states:
        used = state if isinstance(state, dict) else {}
        us = sum(used.values()) or state[1] * WAVE_US
        one = replace(
            events.usage(used, len(found), incarnation=incarnation), started_at=at, duration_us=us,
            event_id=f"{incarnation}/{len(found)}", state="busy" if used else state[0],
        )  # fmt: skip
        found += events.cut(one if used else replace(one, forwards=()))
        at = datetime.fromtimestamp(at.timestamp() + us / 1e6, UTC)
    return found


def made(
    of: Pattern, generated_at: datetime, published_at: datetime, attempt: int = 1, cpu_us: int = 0
) -> list[Written]:
    """Tile and asset: 4,000 bytes on the shelf."""
    tile = replace(events.generated(of, attempt=attempt), generated_at=generated_at)
    asset = replace(
        events.published(of, attempt=attempt, cpu_us=cpu_us),
        generated_at=generated_at,
        published_at=published_at,
    )
    return [(tile, generated_at), (asset, published_at)]


def word(of: Pattern, kind: str, at: datetime) -> Written:
    """A person's word."""
    return replace(events.feedback(of, kind), happened_at=at), at
