"""Keys, event ids and headers by record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas import envelope, records
from schemas.records import Record

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REQUEST = records.PatternRequested(
    request_id="r1",
    tenant="acme",
    prompt=records.Prompt(text="secret words"),
    repeat=records.Repeat(lattice="straight", width_um=1, height_um=1),
    traceparent=TRACE,
)
FAILED = records.PatternFailed(
    event_id="e1",
    pattern=records.Pattern(request_id="r1", ordinal=2, count=3, traceparent=TRACE),
    stage="finish",
    outcome="failed",
    reason="",
)
USAGE = records.UsageMeasured(
    event_id="e2",
    worker="w",
    incarnation="w-7",
    interval=1,
    stage="generate",
    pool="",
    device="cpu",
    state="idle",
    started_at=NOON,
    duration_us=1,
)
TENANT = records.TenantChanged(event_id="e3", tenant="acme", changed_at=NOON)
ALIAS = records.RegistryChanged(
    event_id="e4", family="loom", epoch=4, kind="alias-moved", changed_at=NOON, version="2"
)
VERSION = records.RegistryChanged(
    event_id="e5", family="loom", epoch=0, kind="version-registered", changed_at=NOON, version="2"
)


@pytest.mark.parametrize(
    ("record", "key", "event_id"),
    [
        (REQUEST, "r1", "r1"),
        (FAILED, "r1", "e1"),
        (USAGE, "w-7", "e2"),
        (TENANT, "acme", "e3"),
        (ALIAS, "loom/4", "e4"),
        (VERSION, "loom@2", "e5"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_keys_and_ids(record: Record, key: str, event_id: str) -> None:
    """Each record has the key and event id of the design."""
    assert envelope.key_of(record) == key
    assert envelope.event_id_of(record) == event_id


def test_headers_are_cloud_events() -> None:
    """All required attributes, UTC time by the millisecond, content type and trace context."""
    local = NOON.astimezone(timezone(timedelta(hours=2)))
    found = dict(envelope.headers_of(FAILED, source="/heddle/finish", happened_at=local))
    assert found == {
        "ce_specversion": b"1.0",
        "ce_id": b"e1",
        "ce_source": b"/heddle/finish",
        "ce_type": b"heddle.PatternFailed",
        "ce_time": b"2026-11-23T12:00:00.000Z",
        "content-type": b"application/avro",
        "traceparent": TRACE.encode(),
    }


@pytest.mark.parametrize("trace", ["", "junk", TRACE.upper(), TRACE + "\r\nx: y", "0" * 200_000])
def test_only_a_trace_context_becomes_a_header(trace: str) -> None:
    """Whatever else stands in the field stays out of the headers, and so does the prompt."""
    headers = envelope.headers_of(dataclasses.replace(REQUEST, traceparent=trace), source="/x")
    assert "traceparent" not in dict(headers)
    assert "ce_time" not in dict(headers)
    assert b"secret" not in b"".join(value for _, value in headers)
