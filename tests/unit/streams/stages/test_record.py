"""What record hands the ledger, with a list for a sink."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import pytest

from schemas import topics
from schemas.codec import Codec
from schemas.errors import Undecodable
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.loop.stage import Ending
from streams.stages.record import Recording, RecordLimits, Row


class Rows:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Row] = []

    def write(self, batch: Iterable[Row]) -> int:
        """Keep it."""
        before = len(self.kept)
        self.kept += batch
        return len(self.kept) - before


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def recording(rows: Rows) -> Iterator[Recording]:
    """It inserts every record by itself."""
    made = Recording(events=Events(codec=Codec()), sink=rows, limits=RecordLimits(rows_max=1))
    yield made
    made.close(timeout_s=5)


def ended(recording: Recording) -> list[Ending]:
    """Endings, as soon as there are any; none after five seconds."""
    due_s = time.monotonic() + 5
    found: list[Ending] = []
    while not found and time.monotonic() < due_s:
        found += recording.collect()
    return found


def message(offset: int, value: bytes | None) -> Message:
    """A record of a compacted topic."""
    place = Place(topics.TENANTS.name, 0, offset)
    return Message(place=place, key=b"acme", value=value, timestamp_ms=1)


def test_a_tombstone_is_noted_and_ends_with_its_row(recording: Recording, rows: Rows) -> None:
    """The audit of offsets would miss it otherwise."""
    gone = message(7, None)
    recording.submit(gone)
    assert ended(recording) == [Ending(place=gone.place)]
    ((record, topic, partition, offset, _),) = rows.kept
    assert (record, topic, partition, offset) == (None, topics.TENANTS.name, 0, 7)


def test_a_dead_letter_is_noted_and_ends_by_its_refusal(recording: Recording, rows: Rows) -> None:
    """Its row comes with the batch; its end is the runner's, which writes the letter."""
    with pytest.raises(Undecodable):
        recording.submit(message(8, b"not avro"))
    due_s = time.monotonic() + 5
    while not rows.kept and time.monotonic() < due_s:
        assert recording.collect() == []
    assert [(row[0], row[3]) for row in rows.kept] == [(None, 8)]
    assert recording.collect() == []
