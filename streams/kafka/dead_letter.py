"""A refused record with its reason and origin, ready for `<topic>.<stage>.dlq`.

The raw bytes and headers are kept as they were; what we add begins with `heddle_`. A letter that is
replayed loses these headers again, so a second refusal does not pile them up. A record that no
broker would take a second time is told of in a letter without its bytes: it lies where it lay.
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
CUT: Final = "heddle_left_out"
"""What was too large for the letter's topic."""
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


def without_value(letter: Output) -> Output:
    """The same letter for a topic that does not take it whole: reason and origin alone."""
    ours = tuple(pair for pair in letter.headers if pair[0].startswith(MARK))
    key = letter.key if len(letter.key or b"") <= HEADER_CHARACTERS_MAX else None
    left_out = f"{len(letter.value or b'')} bytes of value, and the headers"
    return Output(letter.topic, key, None, (*ours, (CUT, left_out.encode())))


def original_headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """The headers a record had before it was refused."""
    return tuple(pair for pair in message.headers if not pair[0].startswith(MARK))


def replayed(letter: Message) -> Output:
    """The letter's record for its topic of origin. Raises Rejected where it cannot be had."""
    origin = letter.header(TOPIC)
    if origin is None:
        raise Rejected("not a dead letter of ours", field=TOPIC, limit="a topic")
    if left_out := letter.header(CUT):
        place = f"{origin}/{letter.header(PARTITION)}/{letter.header(OFFSET)}"
        reason = f"the letter was too large to hold its record, which lies at {place}"
        raise Rejected(reason, field=CUT, limit=left_out)
    return Output(origin, letter.key, letter.value, original_headers(letter))
