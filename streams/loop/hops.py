"""What is told of one record's way: fields of every log line about it, and its span at the end."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from schemas.envelope import TRACE_HEADER, traceparent_of
from schemas.errors import Deadly, Rejected
from schemas.names import REQUEST_ID
from schemas.topics import topic_of
from streams.tracing import Hop, trace_id

if TYPE_CHECKING:
    from schemas.records import Record
    from streams.kafka.events import Events
    from streams.kafka.message import Message
    from streams.loop.tracked import InFlight
    from streams.tracing import Tracing

log = logging.getLogger("heddle.loop")


def about(message: Message) -> dict[str, Any]:
    """Log fields of a record: `request_id` and `trace_id`. Decodes nothing: headers and key."""
    request_id = request_of(message)
    return {
        "request_id": request_id,
        "trace_id": trace_id(request_id, message.header(TRACE_HEADER)),
        "topic": message.place.topic,
        "partition": message.place.partition,
        "offset": message.place.offset,
    }


def request_of(message: Message) -> str:
    """The key, which is the request id on every topic that belongs to a request.

    Empty where it is no id: a stranger's key may be anything, a prompt as well, and is not logged.
    """
    key = (message.key or b"").decode(errors="replace")
    return key if REQUEST_ID.fullmatch(key) else ""


def told_refused(message: Message, refused: Rejected, *, attempts: int) -> None:
    """One line for a record that ends without a result. Reasons never hold a prompt."""
    fields = {
        "reason": refused.reason,
        "field": refused.field,
        "limit": refused.limit,
        "outcome": refused.outcome,
        "attempts": attempts,
    }
    log.info("refused", extra=about(message) | fields)


class Hops:
    """Makes a span of every record that ended, where an exporter is configured."""

    def __init__(self, tracing: Tracing, events: Events) -> None:
        self._tracing, self._events = tracing, events

    def ended(self, flight: InFlight, outcome: str, *, took_ms: float) -> None:
        """One record has ended after `took_ms`. Topics that belong to no request have no span."""
        message, refused = flight.message, flight.refused
        topic = topic_of(self._events.name_of(message))
        if topic.key != "request_id":
            return
        # A record that kills its workers is not decoded once more.
        record = None if isinstance(refused, Deadly) else self._record(message, topic.record)
        pattern = getattr(record, "pattern", None)
        travels = traceparent_of(record) if record is not None else None
        ended_ns = time.time_ns()
        self._tracing.ended(
            Hop(
                **message.place._asdict(),
                kind=topic.record.__name__,
                request_id=request_of(message),
                pattern_id=pattern.pattern_id if pattern is not None else "",
                traceparent=travels or message.header(TRACE_HEADER) or "",
                outcome=outcome,
                field=refused.field if refused is not None else "",
                attempts=flight.attempts,
                begun_ns=ended_ns - round(took_ms * 1e6),
                ended_ns=ended_ns,
            )
        )

    def close(self) -> None:
        """Send what is left."""
        self._tracing.close()

    def _record(self, message: Message, kind: type[Record]) -> Record | None:
        try:
            return self._events.record(message, kind)
        except Rejected:
            return None
