"""Records into outputs: topic, key, CloudEvents headers, framed Avro; and back.

Headers follow the CloudEvents 1.0.2 Kafka binding in binary mode: `ce_id` is the derived event id,
so a repeated event is the same event for any consumer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from schemas import records, topics
from schemas.codec import Codec
from streams.kafka.message import Message, Output

if TYPE_CHECKING:
    from schemas.records import Record

R = TypeVar("R", bound="Record")

CONTENT_TYPE: Final = b"application/avro"
TRACEPARENT: Final = "traceparent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Writes and reads the events of one installation."""

    codec: Codec
    prefix: str = ""
    source: str = "/heddle"
    """CloudEvents source, `/heddle/<stage>`."""

    def output(self, record: Record, *, topic: str | None = None) -> Output:
        """`record` ready to produce; `topic` without prefix where a record has several."""
        name = topic or _TOPIC_OF[type(record)].name
        return Output(
            topics.prefixed(self.prefix, name),
            key_of(record).encode(),
            self.codec.encode(record),
            self._headers(record),
        )

    def record(self, message: Message, kind: type[R]) -> R:
        """The record in a message. Raises Undecodable."""
        return self.codec.decode(message.value, kind)

    def name_of(self, message: Message) -> str:
        """Topic of a message without the installation's prefix."""
        return topics.unprefixed(self.prefix, message.place.topic)

    def _headers(self, record: Record) -> tuple[tuple[str, bytes | None], ...]:
        headers: tuple[tuple[str, bytes | None], ...] = (
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id_of(record).encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", f"heddle.{type(record).__name__}".encode()),
            ("content-type", CONTENT_TYPE),
        )
        trace = traceparent_of(record)
        return (*headers, (TRACEPARENT, trace.encode())) if trace else headers


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
    """The event's id; a request, which its producer does not name, is named by its request id."""
    if isinstance(record, records.PatternRequested):
        return record.request_id
    return record.event_id


def traceparent_of(record: Record) -> str | None:
    """The W3C trace context that travels with a pattern, where there is one."""
    pattern = getattr(record, "pattern", record)
    return getattr(pattern, "traceparent", None)


_TOPIC_OF: Final = {
    topic.record: topic for topic in topics.TOPICS if topic.record is not records.PatternRouted
}
