"""What goes around a record on Kafka: key, event id and CloudEvents headers.

Follows the CloudEvents 1.0.2 Kafka binding in binary mode. Produces nothing; knows no Kafka client.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from . import records

if TYPE_CHECKING:
    from datetime import datetime

    from .records import Record

Header = tuple[str, bytes]

CONTENT_TYPE: Final = b"application/avro"
TRACE_HEADER: Final = "traceparent"
TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context; anything else is left out of the headers."""


def headers_of(record: Record, *, source: str, happened_at: datetime | None = None) -> list[Header]:
    """CloudEvents attributes as `ce_` headers, content type, and traceparent where there is one.

    `source` is the CloudEvents source, a URI reference such as `/heddle/route`; `happened_at` is
    left out where nobody knows it.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id_of(record).encode()),
        ("ce_source", source.encode()),
        ("ce_type", f"heddle.{type(record).__name__}".encode()),
    ]
    if happened_at is not None:
        moment = happened_at.astimezone(UTC).isoformat(timespec="milliseconds")
        headers.append(("ce_time", moment.replace("+00:00", "Z").encode()))
    headers.append(("content-type", CONTENT_TYPE))
    trace = traceparent_of(record)
    if trace and TRACEPARENT.fullmatch(trace):
        headers.append((TRACE_HEADER, trace.encode()))
    return headers


def key_of(record: Record) -> str:
    """The record key: request id, worker incarnation, tenant or book entry, by record."""
    match record:
        case records.UsageMeasured():
            return record.incarnation
        case records.TenantChanged():
            return record.tenant
        case records.RegistryChanged(kind="alias-moved"):
            return f"{record.family}/{record.epoch}"
        case records.RegistryChanged():
            return f"{record.family}@{record.version}"
        case (
            records.PatternRouted()
            | records.TileGenerated()
            | records.AssetPublished()
            | records.PatternFailed()
        ):
            return record.pattern.request_id
        case _:
            return record.request_id


def event_id_of(record: Record) -> str:
    """The event's id; a request, which has none of its own, is named by its request id."""
    if isinstance(record, records.PatternRequested):
        return record.request_id
    return record.event_id


def traceparent_of(record: Record) -> str | None:
    """The W3C trace context that travels with a pattern, where there is one."""
    trace: str | None = getattr(getattr(record, "pattern", record), "traceparent", None)
    return trace
