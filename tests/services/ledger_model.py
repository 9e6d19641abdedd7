"""A plain model of what is true about a ledger: what was delivered, reckoned with in Python.

It knows events and the contract of `docs/sql.md`, and nothing of tables. `House` hears rows as a
sink takes them, in any order and any number of times; each function of `ledger_model_views` says
what one documented view must hold then. Exact throughout: money is a fraction.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from analytics.prices import Price, PriceBook
from schemas.names import STOPPED
from schemas.records import (
    AssetPublished,
    FeedbackGiven,
    Forward,
    Pattern,
    PatternFailed,
    PatternRouted,
    Record,
    RegistryChanged,
    TileGenerated,
    UsageMeasured,
)
from tests.services.ledger_weaver import Row

T = TypeVar("T", bound=Record)
HOUR_US = 3_600_000_000
INTERVAL_US_MAX = 10_000_000
WORK_US_MAX = 600_000_000
"""Of a forward, or of finishing one pattern."""
AHEAD_MAX = timedelta(minutes=15)
STATES = ("starting", "loading", "warming", "idle", "busy", "draining", "failed")
KINDS = ("accepted", "rejected", "ordered", "withdrawn")
LAST_DIGIT = Fraction(1, 10**12)
"""Money has twelve decimals, the rest is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """A figure that is known to lie between two, both included."""

    low: Fraction
    high: Fraction

    def holds(self, found: Decimal | float) -> bool:
        return self.low <= Fraction(found) <= self.high


def money(exact: Fraction, *, slack: Fraction = Fraction(0)) -> Within:
    """An amount as a column of twelve decimals may show it."""
    return Within(low=exact - LAST_DIGIT - slack, high=exact)


@dataclass(slots=True)
class Heard:
    """One telling of an event, and each place where it lay."""

    record: Record
    places: dict[tuple[str, int, int], datetime] = field(default_factory=dict)

    @property
    def first_at(self) -> datetime:
        """Broker time of the earliest."""
        return min(self.places.values())

    @property
    def newest_at(self) -> datetime:
        """Broker time at the highest offset."""
        return self.places[max(self.places, key=lambda place: place[2])]


@dataclass(slots=True)
class Life:
    """Everything that was said of one pattern."""

    of: Pattern
    routed_at: datetime | None = None
    tile: TileGenerated | None = None
    asset: AssetPublished | None = None
    failures: list[PatternFailed] = field(default_factory=list)
    words: list[FeedbackGiven] = field(default_factory=list)
    """Of its own tenant."""

    @property
    def end(self) -> PatternFailed | None:
        """The last failure, which counts unless there are files."""
        if self.asset or not self.failures:
            return None
        return max(self.failures, key=lambda one: (one.failed_at, one.event_id))

    @property
    def outcome(self) -> str:
        if self.asset:
            return "published"
        return self.end.outcome if self.end else "open"

    @property
    def attempt(self) -> int:
        made = self.asset or self.tile
        return made.attempt if made else 0

    @property
    def generated_at(self) -> datetime | None:
        made = self.asset or self.tile
        return made.generated_at if made else None

    @property
    def published_at(self) -> datetime | None:
        return self.asset.published_at if self.asset else None

    @property
    def word(self) -> FeedbackGiven | None:
        """The latest, withdrawals included; of two of one moment, the greater id."""
        return max(self.words, key=lambda one: (one.happened_at, one.event_id), default=None)

    @property
    def verdict(self) -> str:
        """Accepted, rejected, ordered; empty where none stands."""
        return self.word.kind if self.word and self.word.kind != "withdrawn" else ""

    @property
    def is_accepted(self) -> bool:
        """Nobody can accept what is not there."""
        return self.asset is not None and self.verdict in ("accepted", "ordered")

    @property
    def bytes_made(self) -> int:
        """Of the tile and its files, as far as they are there."""
        tile = self.tile.file.size_bytes if self.tile else 0
        return tile + sum(one.size_bytes for one in (self.asset.files if self.asset else ()))

    @property
    def stored_bytes(self) -> int:
        """On the shelf, of a published pattern."""
        return self.bytes_made if self.asset else 0

    def kind_of(self, attempt: int) -> str:
        """What machine time of an attempt was: direct, waste or open."""
        if self.outcome == "open":
            return "open"
        return "direct" if self.asset and attempt == self.attempt else "waste"


class House:
    """What the ledger was told so far."""

    def __init__(self, book: PriceBook) -> None:
        self.book = book
        self.places: dict[tuple[str, int, int], tuple[str, datetime]] = {}
        """Event id, empty for none, and broker time of every offset."""
        self._good: dict[str, list[Heard]] = defaultdict(list)
        self._bad: dict[str, list[Heard]] = defaultdict(list)

    def hear(self, rows: Iterable[Row]) -> None:
        """Rows as a sink takes them; what was heard before changes nothing."""
        for record, topic, partition, offset, at in rows:
            place = (topic, partition, offset)
            self.places[place] = ("" if record is None else _name(record), at)
            if record is None:
                continue
            heard = self._bad if wrong_with(record, at) else self._good
            tellings = heard[_name(record)]
            known = next((one for one in tellings if one.record == record), None)
            if known is None:
                known = Heard(record)
                tellings.append(known)
            known.places[place] = at

    def good(self, kind: type[T]) -> list[tuple[T, Heard]]:
        """All distinct events of a kind that count."""
        return [
            (one.record, one)
            for tellings in self._good.values()
            for one in tellings
            if isinstance(one.record, kind)
        ]

    def bad(self) -> list[tuple[Record, Heard, tuple[str, str]]]:
        """Events that count nowhere, with field and limit."""
        return [
            (one.record, one, wrong)
            for tellings in (*self._bad.values(), *self._good.values())
            for one in tellings
            if (wrong := wrong_with(one.record, one.newest_at) or wrong_cpu(one.record))
        ]

    def lives(self) -> dict[tuple[str, int], Life]:
        """Every pattern that one of our own events named, by request and ordinal."""
        found: dict[tuple[str, int], Life] = {}

        def life(of: Pattern) -> Life:
            return found.setdefault((of.request_id, of.ordinal), Life(of))

        for routed, heard in self.good(PatternRouted):
            life(routed.pattern).routed_at = heard.first_at
        for tile, _ in self.good(TileGenerated):
            life(tile.pattern).tile = tile
        for asset, _ in self.good(AssetPublished):
            life(asset.pattern).asset = asset
        for failure, _ in self.good(PatternFailed):
            if failure.pattern.ordinal:
                life(failure.pattern).failures.append(failure)
        self._let_speak(found)
        return found

    def _let_speak(self, lives: dict[tuple[str, int], Life]) -> None:
        for word, _ in self.good(FeedbackGiven):
            about = lives.get((word.request_id, word.ordinal))
            if about and about.of.tenant == word.tenant:
                about.words.append(word)

    @property
    def today(self) -> date:
        """Which is not over, so that nothing is said of the shelf's cost on it."""
        return datetime.now(UTC).date()

    def shelf_price(self, day: date) -> Price | None:
        """In force on a day, if there is an entry."""
        price = self.price("storage", day)
        return price if price.device == "storage" else None

    def price(self, device: str, day: date) -> Price:
        """In force on a day: the device's own entries before those for any, the newest of them."""
        fitting = [
            one
            for one in self.book.entries
            if one.device in (device, "*") and one.valid_from.date() <= day
        ]
        return max(fitting, key=lambda one: (one.device == device, one.valid_from))

    def changes(self) -> list[RegistryChanged]:
        """Of the pattern book."""
        return [record for record, _ in self.good(RegistryChanged)]


def _name(record: Record) -> str:
    """The event id; a request is named by its producer, so that the same wish is the same event."""
    return getattr(record, "event_id", "") or f"wish/{record.request_id}"


def wrong_with(record: Record, at: datetime) -> tuple[str, str] | None:
    """Field and limit of an event that can count nowhere, else None."""
    wrong = None
    if isinstance(record, FeedbackGiven):
        wrong = _wrong_with_word(record)
    elif isinstance(record, UsageMeasured):
        wrong = _wrong_with_usage(record)
    elif isinstance(record, PatternRouted) and record.seed < 0:
        wrong = "seed", f"0 to {2**64 - 1}"
    return wrong or _from_the_future(record, at)


def _from_the_future(record: Record, at: datetime) -> tuple[str, str] | None:
    """What claims to have happened long after the broker had it."""
    claims: dict[str, datetime] = {}
    if isinstance(record, TileGenerated | AssetPublished):
        claims["generated_at"] = record.generated_at
    if isinstance(record, AssetPublished):
        claims["published_at"] = record.published_at
    if isinstance(record, PatternFailed):
        claims["failed_at"] = record.failed_at
    if isinstance(record, FeedbackGiven):
        claims["happened_at"] = record.happened_at
    if isinstance(record, UsageMeasured):
        claims["started_at"] = record.started_at
        claims["duration_us"] = record.started_at + timedelta(microseconds=record.duration_us)
    limit = "at most 900 s ahead of the broker's clock"
    return next(((name, limit) for name, when in claims.items() if when - at > AHEAD_MAX), None)


def wrong_cpu(record: Record) -> tuple[str, str] | None:
    """An end counts whatever its processor time says; that alone is refused."""
    if isinstance(record, AssetPublished | PatternFailed) and record.cpu_us > WORK_US_MAX:
        return "cpu_us", f"0 to {WORK_US_MAX}"
    return None


def _wrong_with_word(word: FeedbackGiven) -> tuple[str, str] | None:
    if word.ordinal < 1:
        return "ordinal", "1 to 64"
    if word.kind not in KINDS:
        return "kind", "one of accepted, rejected, ordered, withdrawn"
    return None


def _wrong_with_usage(usage: UsageMeasured) -> tuple[str, str] | None:
    if usage.started_at.year > 2200:
        return "started_at", "years 1970 to 2200"
    if usage.state == STOPPED:
        return None
    if usage.state not in STATES:
        return "state", "one of " + ", ".join(STATES)
    if not 0 <= usage.duration_us <= INTERVAL_US_MAX:
        return "duration_us", f"0 to {INTERVAL_US_MAX}"
    return next((wrong for one in usage.forwards if (wrong := _wrong_with_forward(one))), None)


def _wrong_with_forward(forward: Forward) -> tuple[str, str] | None:
    if forward.parts and sum(one.duration_us for one in forward.parts) != forward.duration_us:
        return "forwards.parts", "parts sum to their forward"
    if not all(re.fullmatch(r"[A-Za-z0-9_-]+\.\d+", one.pattern_id) for one in forward.parts):
        return "pattern_id", "request_id.ordinal"
    return None
