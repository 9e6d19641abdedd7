"""Records as they go on the wire and come back."""

from __future__ import annotations

import pytest

from schemas import envelope
from schemas.codec import Codec
from schemas.records import Pattern, PatternFailed
from streams.kafka.events import Events
from streams.kafka.message import Message, Place

EVENTS = Events(codec=Codec(), prefix="mill", source="/heddle/finish")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def failed(trace: str = "") -> PatternFailed:
    """An event of finish."""
    pattern = Pattern(request_id="r1", ordinal=2, count=3, traceparent=trace)
    return PatternFailed(
        event_id="e1", pattern=pattern, stage="finish", outcome="failed", reason="seam"
    )


def test_an_output_is_read_back_as_it_was() -> None:
    """Topic with the prefix, key, and the record behind its frame."""
    output = EVENTS.output(failed(TRACE))
    assert (output.topic, output.key) == ("mill.patterns.failed", b"r1")
    message = Message(Place(output.topic, 0, 0), output.key, output.value, output.headers)
    assert EVENTS.name_of(message) == "patterns.failed"
    assert EVENTS.record(message, PatternFailed) == failed(TRACE)


@pytest.mark.parametrize("trace", ["", TRACE, "junk"])
def test_the_envelope_is_the_clients(trace: str) -> None:
    """Key and headers are those of `schemas.envelope`; junk is no trace context here either."""
    record = failed(trace)
    output = EVENTS.output(record)
    assert output.key == envelope.key_of(record).encode()
    assert list(output.headers) == envelope.headers_of(record, source="/heddle/finish")
    assert (envelope.TRACE_HEADER in dict(output.headers)) == (trace == TRACE)
