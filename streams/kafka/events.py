"""Records into outputs: topic, envelope, framed Avro; and back.

The envelope (key, CloudEvents headers) is `schemas.envelope`, the one that the client writes too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from schemas import envelope, records, topics
from schemas.codec import Codec
from streams.kafka.message import Message, Output

if TYPE_CHECKING:
    from schemas.records import Record

R = TypeVar("R", bound="Record")


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
            envelope.key_of(record).encode(),
            self.codec.encode(record),
            tuple(envelope.headers_of(record, source=self.source)),
        )

    def record(self, message: Message, kind: type[R]) -> R:
        """The record in a message. Raises Undecodable."""
        return self.codec.decode(message.value, kind)

    def name_of(self, message: Message) -> str:
        """Topic of a message without the installation's prefix."""
        return topics.unprefixed(self.prefix, message.place.topic)


_TOPIC_OF: Final = {
    topic.record: topic for topic in topics.TOPICS if topic.record is not records.PatternRouted
}
