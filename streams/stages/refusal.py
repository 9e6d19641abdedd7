"""From a refused record to the PatternFailed that tells of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas import names
from schemas.errors import Conflict, Deadly, Rejected, Undecodable
from schemas.names import REQUEST_ID
from schemas.plain import moment
from schemas.records import EPOCH, Pattern, PatternFailed, PatternRequested

if TYPE_CHECKING:
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output


def failed(
    pattern: Pattern, stage: str, refused: Rejected, *, at: datetime, attempts: int = 1
) -> PatternFailed:
    """The failure event of one pattern. Its id is derived, so a second one is the same event."""
    return PatternFailed(
        event_id=names.event_id(pattern.pattern_id, stage, "PatternFailed"),
        pattern=pattern,
        stage=stage,
        outcome=refused.outcome,
        reason=refused.reason,
        field=refused.field,
        limit=refused.limit,
        attempts=attempts,
        failed_at=at,
    )


def before_split(message: Message, refused: Rejected, events: Events) -> Pattern | None:
    """Ordinal 0 of the request a message is about; None where there is nothing to tell.

    The record key is the request id by contract. A deadly record is not decoded once more.
    """
    if isinstance(refused, Undecodable | Conflict):
        return None
    request_id, tenant = (message.key or b"").decode(errors="replace"), ""
    if not isinstance(refused, Deadly):
        request = events.record(message, PatternRequested)
        request_id, tenant = request.request_id, request.tenant
    if not REQUEST_ID.fullmatch(request_id):
        return None
    return Pattern(request_id=request_id, ordinal=0, count=0, tenant=tenant)


def time_of(message: Message) -> datetime:
    """The broker's timestamp: the same at every reading."""
    return moment(message.timestamp_ms) if message.timestamp_ms else EPOCH


def now() -> datetime:
    """UTC, to the millisecond: what Avro keeps."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def failure_output(
    events: Events, pattern: Pattern, refused: Rejected, *, stage: str, attempts: int = 1
) -> Output:
    """The failure event, ready to produce."""
    return events.output(failed(pattern, stage, refused, at=now(), attempts=attempts))
