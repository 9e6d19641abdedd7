"""Machine time and its money, for the model of `ledger_model`: spans, shares, loaded prices.

A span is a stretch of one worker's time in one state, a share what one attempt of one pattern had
of it or of the table's processors; neither crosses a midnight (UTC). What a killed worker never
reported is a span of state `failed`, each day of it at that day's price.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

from schemas.names import STOPPED
from schemas.records import AssetPublished, Forward, PatternFailed, UsageMeasured
from tests.services.ledger_model import HOUR_US, House, Within, money

Machine = tuple[date, str, str, str]
"""Day, stage, pool, device: what has one price, and one load."""
MICROSECOND = timedelta(microseconds=1)
FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Of machine time."""

    told: UsageMeasured
    """The interval, or the stop whose tail this is."""
    state: str
    model: str
    version: str
    started_at: datetime
    duration_us: int
    forwards_us: int = 0
    parts_us: int = 0

    @property
    def ended_at(self) -> datetime:
        return self.started_at + self.duration_us * MICROSECOND

    @property
    def machine(self) -> Machine:
        told = self.told
        return self.started_at.date(), told.stage, told.pool, told.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of one attempt of one pattern."""

    pattern: tuple[str, int]
    attempt: int
    machine: Machine
    duration_us: int


class Books:
    """The money of a house: made once per question, of what it has heard by then."""

    def __init__(self, house: House) -> None:
        self._house = house
        intervals = [one for one, _ in house.good(UsageMeasured) if one.state != STOPPED]
        stops = [one for one, _ in house.good(UsageMeasured) if one.state == STOPPED]
        self.shares: list[Share] = [*_finishing(house)]
        self.spans: list[Span] = []
        lives: dict[str, list[UsageMeasured]] = defaultdict(list)
        for one in intervals:
            lives[one.incarnation].append(one)
            self._book(one)
        for stop in stops:
            self.spans += _tail(stop, lives[stop.incarnation])
        self._worked: Counter[Machine] = Counter()
        self._provided: Counter[Machine] = Counter()
        self._readied: Counter[Machine] = Counter()
        for share in self.shares:
            self._worked[share.machine] += share.duration_us
        for span in self.spans:
            self._provided[span.machine] += span.duration_us
            if span.state in ("starting", "loading", "warming"):
                self._readied[span.machine] += span.duration_us

    def of(self, pattern: tuple[str, int]) -> list[Share]:
        """What one pattern took."""
        return [one for one in self.shares if one.pattern == pattern]

    def direct(self, machine: Machine, us: int) -> Fraction:
        """Money for so much time of a machine, without any idle time."""
        price = self._house.price(machine[3], machine[0])
        return us * Fraction(price.per_hour) / HOUR_US

    def direct_sum(self, shares: Iterable[Share]) -> Within:
        """Money of several, as a column shows it."""
        exact = (self.direct(one.machine, one.duration_us) for one in shares)
        return money(sum(exact, Fraction()))

    def loaded(self, machine: Machine, us: int) -> Fraction:
        """With the same machine's other time of that day, in proportion to the work."""
        provided, worked = self._provided[machine], self._worked[machine]
        load = Fraction(provided, worked) if provided and worked else Fraction(1)
        return self.direct(machine, us) * load

    def readying(self, machine: Machine, us: int) -> Fraction:
        """A share of the machine's starting, loading and warming, as far as no pattern had it."""
        worked = self._worked[machine]
        ready_us = min(self._readied[machine], max(self._provided[machine] - worked, 0))
        return self.direct(machine, us) * Fraction(ready_us, worked)

    def idling(self, machine: Machine, us: int) -> Fraction:
        """A share of all its other time that no pattern had."""
        loaded = max(self.loaded(machine, us), self.direct(machine, us))
        return loaded - self.direct(machine, us) - self.readying(machine, us)

    def _book(self, told: UsageMeasured) -> None:
        for started_at, duration_us, forwards in _pieces(told):
            parts = [part for forward in forwards for part in forward.parts]
            span = Span(
                told=told, state=told.state, model=told.model, version=told.version,
                started_at=started_at, duration_us=duration_us,
                forwards_us=sum(one.duration_us for one in forwards),
                parts_us=sum(one.duration_us for one in parts),
            )  # fmt: skip
            self.spans.append(span)
            for part in parts:
                request_id, _, ordinal = part.pattern_id.partition(".")
                self.shares.append(Share(
                    pattern=(request_id, int(ordinal)), attempt=part.attempt,
                    machine=span.machine, duration_us=part.duration_us))  # fmt: skip


def _finishing(house: House) -> Iterator[Share]:
    """The table's: of files that stand, and each time it was done in vain (attempt 0)."""
    ends: list[tuple[AssetPublished | PatternFailed, int, datetime]] = [
        *((one, one.attempt, one.published_at) for one, _ in house.good(AssetPublished)),
        *((one, 0, one.failed_at) for one, _ in house.good(PatternFailed)),
    ]
    for end, attempt, at in ends:
        if end.pattern.ordinal and 0 < end.cpu_us <= 600_000_000:
            yield Share(
                pattern=(end.pattern.request_id, end.pattern.ordinal), attempt=attempt,
                machine=(at.date(), FINISH, FINISH, "cpu"), duration_us=end.cpu_us,
            )  # fmt: skip


def _pieces(told: UsageMeasured) -> list[tuple[datetime, int, list[Forward]]]:
    """Start, microseconds and forwards of an interval on each side of a midnight.

    Parts are cut in the interval's proportion, rounded down before midnight.
    """
    midnight = _next_midnight(told.started_at)
    early_us = (midnight - told.started_at) // MICROSECOND
    if told.duration_us <= early_us:
        return [(told.started_at, told.duration_us, list(told.forwards))]
    early = [_scaled(one, early_us, told.duration_us) for one in told.forwards]
    late = [_rest(one, first) for one, first in zip(told.forwards, early, strict=True)]
    return [(told.started_at, early_us, early), (midnight, told.duration_us - early_us, late)]


def _scaled(whole: Forward, early_us: int, total_us: int) -> Forward:
    parts = tuple(
        type(part)(
            pattern_id=part.pattern_id, attempt=part.attempt,
            duration_us=part.duration_us * early_us // total_us,
        )
        for part in whole.parts
    )  # fmt: skip
    us = sum(part.duration_us for part in parts)
    return Forward(
        kind=whole.kind, parts=parts,
        duration_us=us if parts else whole.duration_us * early_us // total_us,
    )  # fmt: skip


def _rest(whole: Forward, early: Forward) -> Forward:
    parts = tuple(
        type(part)(
            pattern_id=part.pattern_id, attempt=part.attempt,
            duration_us=part.duration_us - first.duration_us,
        )
        for part, first in zip(whole.parts, early.parts, strict=True)
    )  # fmt: skip
    us = whole.duration_us - early.duration_us
    return Forward(kind=whole.kind, parts=parts, duration_us=us)


def _tail(stop: UsageMeasured, reported: list[UsageMeasured]) -> Iterator[Span]:
    """From the end of the last report, or of the life's beginning, to the stop; by days."""
    last = max(reported, key=lambda one: one.interval, default=None)
    ends = [one.started_at + one.duration_us * MICROSECOND for one in reported]
    since, stopped_at = (
        max([stop.started_at, *ends]),
        stop.started_at + stop.duration_us * MICROSECOND,
    )
    while since < stopped_at:
        until = min(_next_midnight(since), stopped_at)
        yield Span(
            told=stop, state="failed", model=last.model if last else "",
            version=last.version if last else "", started_at=since,
            duration_us=(until - since) // MICROSECOND,
        )  # fmt: skip
        since = until


def _next_midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date() + timedelta(days=1), time(), UTC)
