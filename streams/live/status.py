"""What is known of one request: a join of everything that was ever said about it. Pure.

Each pattern keeps the earliest time it was routed, generated and published, and the earliest
ending without an asset. Joining two such statuses is associative, commutative and idempotent, so
any order of events, any duplicate and any replay lead to the same status. The one thing that
depends on order is what `RequestCompleted` said: it is made once, when the last pattern ended, and
remembered; later events change the status and never what was sent.

Knows nothing of Kafka or Faust. Holds no prompt, no file and no key of the shelf.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from schemas.errors import Rejected
from schemas.limits import VARIATIONS_MAX
from schemas.names import event_id, pattern_id
from schemas.records import (
    EPOCH,
    AssetPublished,
    PatternFailed,
    PatternRouted,
    RequestCompleted,
    TileGenerated,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.records import Pattern

STAGE: Final = "live"
STATES: Final = (
    "waiting",
    "routed",
    "generated",
    "published",
    "rejected",
    "failed",
    "cancelled",
    "expired",
)
"""Of a pattern. `waiting` was promised by its request's count and not seen yet."""
ENDED: Final = frozenset(STATES[3:])
MS_MAX: Final = 253_402_300_799_999
"""Last millisecond of the year 9999: a foreign producer may claim any timestamp."""

Event: TypeAlias = PatternRouted | TileGenerated | AssetPublished | PatternFailed
T = TypeVar("T", bound="int | Ending")


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Ending:
    """How a pattern, or a request refused before the split, ended without an asset.

    Ordered, time first: of several endings the earliest counts, and of two at the same time always
    the same one.
    """

    at_ms: int
    outcome: str
    stage: str = ""
    reason: str = ""
    field: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternStatus:
    """What is known of one pattern; times are milliseconds since 1970, None where unknown."""

    routed_ms: int | None = None
    generated_ms: int | None = None
    published_ms: int | None = None
    ending: Ending | None = None

    @property
    def state(self) -> str:
        """One of `STATES`; an asset supersedes any failure, whichever was seen first."""
        if self.published_ms is not None:
            return "published"
        if self.ending is not None:
            return self.ending.outcome if self.ending.outcome in ENDED else "failed"
        if self.generated_ms is not None:
            return "generated"
        return "waiting" if self.routed_ms is None else "routed"

    @property
    def ended_ms(self) -> int | None:
        """When it was published, else when it ended otherwise; None while it is under way."""
        if self.published_ms is not None:
            return self.published_ms
        return self.ending.at_ms if self.ending else None

    def joined(self, other: PatternStatus) -> PatternStatus:
        """Everything that either of the two knows."""
        return PatternStatus(
            routed_ms=_earliest(self.routed_ms, other.routed_ms),
            generated_ms=_earliest(self.generated_ms, other.generated_ms),
            published_ms=_earliest(self.published_ms, other.published_ms),
            ending=_earliest(self.ending, other.ending),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What RequestCompleted said. Ordinals ascending; the four together are 1..count."""

    at_ms: int
    published: tuple[int, ...]
    failed: tuple[int, ...]
    """Rejected patterns included: the event knows four outcomes."""
    cancelled: tuple[int, ...]
    expired: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStatus:
    """One request. `count` is 0 and `patterns` empty while only its refusal is known."""

    request_id: str
    tenant: str = ""
    tier: str = ""
    session: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    requested_ms: int = 0
    count: int = 0
    patterns: Mapping[int, PatternStatus] = field(default_factory=dict)
    """By ordinal; those of 1..count that were never mentioned are missing."""
    refusal: Ending | None = None
    """Refused before the split. Superseded by any pattern."""
    completed: Completed | None = None
    """What was sent, once; never changed afterwards."""

    @property
    def state(self) -> str:
        """`rejected`, `running` or `completed`."""
        if not self.patterns:
            return "rejected"
        return "completed" if self._all_ended() else "running"

    @property
    def touched_ms(self) -> int:
        """The latest time anything is known to have happened."""
        times = [self.requested_ms, self.refusal.at_ms if self.refusal else 0]
        for known in self.patterns.values():
            times += [known.routed_ms or 0, known.generated_ms or 0, known.ended_ms or 0]
        return max(times)

    def counts(self) -> Counter[str]:
        """Patterns by state; the sum is `count`."""
        found = Counter(known.state for known in self.patterns.values())
        found["waiting"] += self.count - len(self.patterns)
        return +found

    def progress(self) -> float:
        """0 to 1: a generated pattern is half done, an ended one is done."""
        if not self.count:
            return 1.0
        found = self.counts()
        ended = sum(found[state] for state in ENDED)
        return (ended + found["generated"] / 2) / self.count

    def _all_ended(self) -> bool:
        return len(self.patterns) == self.count and all(
            known.ended_ms is not None for known in self.patterns.values()
        )


def apply(
    status: RequestStatus | None, event: Event, *, at_ms: int
) -> tuple[RequestStatus, RequestCompleted | None]:
    """The status after `event`, and the RequestCompleted it brings about, at most one ever.

    `at_ms` is the broker's timestamp, taken where the event has no time of its own. Raises Rejected
    for an event that does not fit its own request: ordinal outside 1..count, count over
    `VARIATIONS_MAX`, another request id.
    """
    pattern = event.pattern
    _check(pattern, status)
    at_ms = min(max(at_ms, 0), MS_MAX)
    seen = status or RequestStatus(request_id=pattern.request_id)
    if pattern.ordinal == 0:
        return _refused(seen, event, at_ms), None
    known = seen.patterns.get(pattern.ordinal, PatternStatus())
    joined = known.joined(_said(event, at_ms))
    after = replace(_headed(seen, pattern), patterns=_with(seen, pattern.ordinal, joined))
    if after.completed is not None or after.state != "completed":
        return after, None
    after = replace(after, completed=_ended(after))
    return after, completed_event(after)


def completed_event(status: RequestStatus) -> RequestCompleted:
    """The event of a completed status: always the same one. Raises ValueError for another."""
    if status.completed is None:
        message = f"request {status.request_id} is not completed"
        raise ValueError(message)
    sent = status.completed
    return RequestCompleted(
        event_id=event_id(pattern_id(status.request_id, 0), STAGE, RequestCompleted.__name__),
        request_id=status.request_id,
        tenant=status.tenant,
        count=status.count,
        published=sent.published,
        failed=sent.failed,
        cancelled=sent.cancelled,
        expired=sent.expired,
        completed_at=time_of(sent.at_ms),
        session=status.session,
        labels=status.labels,
    )


def time_of(at_ms: int) -> datetime:
    """Milliseconds since 1970 as a UTC time, exact."""
    return EPOCH + timedelta(milliseconds=at_ms)


def ms_of(at: datetime, *, otherwise: int) -> int:
    """A UTC time as milliseconds since 1970; `otherwise` for one that was never set."""
    if at == EPOCH:
        return otherwise
    return (at.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def _check(pattern: Pattern, status: RequestStatus | None) -> None:
    if status is not None and status.request_id != pattern.request_id:
        raise Rejected("event of another request", field="request_id", limit=status.request_id)
    if not 0 <= pattern.count <= VARIATIONS_MAX:
        limit = f"0 to {VARIATIONS_MAX}"
        raise Rejected(f"count is {pattern.count}", field="count", limit=limit)
    low = 1 if pattern.count else 0
    if not low <= pattern.ordinal <= pattern.count:
        limit = f"{low} to {pattern.count}"
        raise Rejected(f"ordinal is {pattern.ordinal}", field="ordinal", limit=limit)
    if status is not None and status.count and pattern.count not in {0, status.count}:
        raise Rejected(
            f"count is {pattern.count}", field="count", limit=f"{status.count}, as before"
        )


def _said(event: Event, at_ms: int) -> PatternStatus:
    match event:
        case PatternRouted():
            return PatternStatus(routed_ms=at_ms)
        case TileGenerated():
            return PatternStatus(generated_ms=ms_of(event.generated_at, otherwise=at_ms))
        case AssetPublished():
            return PatternStatus(published_ms=ms_of(event.published_at, otherwise=at_ms))
        case PatternFailed():
            return PatternStatus(ending=_ending(event, at_ms))


def _ending(event: PatternFailed, at_ms: int) -> Ending:
    return Ending(
        at_ms=ms_of(event.failed_at, otherwise=at_ms),
        outcome=event.outcome,
        stage=event.stage,
        reason=event.reason,
        field=event.field,
        limit=event.limit,
    )


def _refused(seen: RequestStatus, event: Event, at_ms: int) -> RequestStatus:
    """The status after an event of ordinal 0: only a refusal says anything there."""
    if not isinstance(event, PatternFailed):
        raise Rejected("ordinal is 0", field="ordinal", limit=f"1 to {event.pattern.count}")
    return replace(
        _headed(seen, event.pattern), refusal=_earliest(seen.refusal, _ending(event, at_ms))
    )


def _headed(seen: RequestStatus, pattern: Pattern) -> RequestStatus:
    """What every event of a request repeats; a pattern's word supersedes a refusal's."""
    if seen.patterns:
        return seen
    return replace(
        seen,
        tenant=pattern.tenant,
        tier=pattern.tier,
        session=pattern.session,
        labels=dict(pattern.labels),
        requested_ms=ms_of(pattern.requested_at, otherwise=0),
        count=pattern.count,
    )


def _with(seen: RequestStatus, ordinal: int, joined: PatternStatus) -> dict[int, PatternStatus]:
    return dict(sorted({**seen.patterns, ordinal: joined}.items()))


def _ended(status: RequestStatus) -> Completed:
    def those(*states: str) -> tuple[int, ...]:
        return tuple(o for o, known in status.patterns.items() if known.state in states)

    return Completed(
        at_ms=max(known.ended_ms or 0 for known in status.patterns.values()),
        published=those("published"),
        failed=those("failed", "rejected"),
        cancelled=those("cancelled"),
        expired=those("expired"),
    )


def _earliest(one: T | None, other: T | None) -> T | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
