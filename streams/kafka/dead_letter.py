"""A refused record with its reason and origin, ready for `<topic>.<stage>.dlq`.

The raw bytes and headers are kept as they were; what we add begins with `heddle_`. A letter that is
replayed loses these headers again, so a second refusal does not pile them up.
"""

from __future__ import annotations

from typing import Final

from schemas.errors import Rejected
from schemas.topics import dead_letter as dead_letter_topic
from streams.kafka.message import Message, Output

MARK: Final = "heddle_"
REASON: Final = "heddle_reason"
FIELD: Final = "heddle_field"
LIMIT: Final = "heddle_limit"
OUTCOME: Final = "heddle_outcome"
STAGE: Final = "heddle_stage"
TOPIC: Final = "heddle_origin_topic"
PARTITION: Final = "heddle_origin_partition"
OFFSET: Final = "heddle_origin_offset"
HEADER_CHARACTERS_MAX: Final = 1_000


def dead_letter(message: Message, stage: str, refused: Rejected) -> Output:
    """The letter for a refused message."""
    notes = (
        (REASON, refused.reason),
        (FIELD, refused.field),
        (LIMIT, refused.limit),
        (OUTCOME, refused.outcome),
        (STAGE, stage),
        (TOPIC, message.place.topic),
        (PARTITION, str(message.place.partition)),
        (OFFSET, str(message.place.offset)),
    )
    return Output(
        dead_letter_topic(message.place.topic, stage),
        message.key,
        message.value,
        (
            *original_headers(message),
            *((name, text[:HEADER_CHARACTERS_MAX].encode()) for name, text in notes),
        ),
    )


def original_headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """The headers a record had before it was refused."""
    return tuple(pair for pair in message.headers if not pair[0].startswith(MARK))


def replayed(letter: Message) -> Output:
    """The letter's record for its topic of origin. Raises Rejected where no origin is noted."""
    origin = letter.header(TOPIC)
    if origin is None:
        raise Rejected("not a dead letter of ours", field=TOPIC, limit="a topic")
    return Output(origin, letter.key, letter.value, original_headers(letter))
