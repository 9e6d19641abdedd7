"""Spans and log fields of one record's way: ids, parents, links, and what they never hold."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heddle import settings
from schemas import names
from schemas.codec import Codec
from schemas.errors import Deadly, Rejected, Transient
from schemas.records import Pattern, PatternRequested, PatternRouted, Prompt, Repeat
from streams.kafka.events import Events
from streams.kafka.message import Message, Place
from streams.loop.hops import Hops, about, told_refused
from streams.loop.tracked import InFlight
from streams.loop.verdicts import given_up
from streams.tracing import Hop, Tracing, span_id, trace_id

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{SPAN}-01"
ROUTE = Hop(topic="p.requested", partition=1, offset=7, kind="PatternRequested", request_id="r1")
GENERATE = replace(ROUTE, topic="p.routed", kind="PatternRouted", pattern_id="r1.2")
FINISH = replace(GENERATE, topic="p.generated", kind="TileGenerated")
EVENTS = Events(codec=Codec(), prefix="t")


def spans(*hops: tuple[str, Hop]) -> list[Any]:
    """What a collector would get for these (stage, hop)."""
    got: list[Any] = []
    for stage, hop in hops:
        exporter = InMemorySpanExporter()
        tracing = Tracing(exporter, stage=stage, group=f"heddle.{stage}")
        tracing.ended(hop)
        tracing.close()
        got += exporter.get_finished_spans()
    return got


def test_a_given_context_is_the_parent_of_every_stage() -> None:
    """All spans are children of the requester's span; links name the span that wrote the record."""
    hops = [replace(hop, traceparent=GIVEN) for hop in (ROUTE, GENERATE, FINISH)]
    route, generate, finish = spans(*zip(("route", "generate", "finish"), hops, strict=True))
    for span in (route, generate, finish):
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == SPAN
        assert span.kind.name == "CONSUMER"
    assert route.links == ()
    assert generate.links[0].context.span_id == route.context.span_id
    assert finish.links[0].context.span_id == generate.context.span_id
    assert (generate.name, finish.name) == ("generate p.routed", "finish p.generated")


def test_without_a_context_the_request_id_names_the_trace() -> None:
    """Route's span is the root, the others are its children, all in one derived trace."""
    route, generate, finish = spans(("route", ROUTE), ("generate", GENERATE), ("finish", FINISH))
    assert route.parent is None
    assert {span.context.trace_id for span in (generate, finish)} == {route.context.trace_id}
    assert generate.parent.span_id == finish.parent.span_id == route.context.span_id
    assert f"{route.context.trace_id:032x}" == trace_id("r1", None)
    assert trace_id("r1", None) != trace_id("r2", None)


def test_the_derived_ids_never_change() -> None:
    """The same request gives the same trace in every process and every version."""
    assert trace_id("r1", None) == "85a63ca640b8e2f05c71d963c53c606a"
    assert span_id(TRACE, "route", "PatternRequested", "r1") == "34298a1ccc137c76"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "garbage",
        GIVEN.upper(),
        GIVEN[:-1],
        GIVEN.replace(TRACE, "0" * 32),
        GIVEN.replace(SPAN, "0" * 16),
        "ff" + GIVEN[2:],
    ],
)
def test_a_broken_context_counts_as_none(broken: str) -> None:
    """Whatever W3C forbids does not name a trace."""
    assert trace_id("r1", broken) == trace_id("r1", None)


def test_attributes_follow_the_conventions() -> None:
    """Messaging attributes by OpenTelemetry's names, ours under heddle; a failure is an error."""
    failed = replace(GENERATE, outcome="failed", field="seam_p", attempts=3)
    (span,) = spans(("generate", failed))
    assert dict(span.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "generate",
        "messaging.destination.name": "p.routed",
        "messaging.destination.partition.id": "1",
        "messaging.kafka.offset": 7,
        "messaging.kafka.message.key": "r1",
        "messaging.consumer.group.name": "heddle.generate",
        "heddle.stage": "generate",
        "heddle.request_id": "r1",
        "heddle.pattern_id": "r1.2",
        "heddle.outcome": "failed",
        "heddle.attempts": 3,
        "heddle.refused_field": "seam_p",
    }
    assert span.status.status_code.name == "ERROR"
    assert span.resource.attributes["service.name"] == "heddle.generate"


def test_a_refusal_is_not_the_span_that_others_link_to() -> None:
    """The same id with another payload is refused beside the good request, not in its place."""
    good, refused = spans(("route", ROUTE), ("route", replace(ROUTE, offset=8, outcome="rejected")))
    assert good.context.trace_id == refused.context.trace_id
    assert good.context.span_id != refused.context.span_id


def test_unsampled_requests_have_no_spans() -> None:
    """A requester that does not sample is not sampled here either."""
    assert spans(("route", replace(ROUTE, traceparent=GIVEN[:-2] + "00"))) == []


def test_the_operator_samples_whole_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a ratio every stage decides alike, with or without route's span at hand."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    counts = set()
    for number in range(12):
        route, generate = (replace(hop, request_id=f"r{number}") for hop in (ROUTE, GENERATE))
        counts.add(len(spans(("route", route), ("generate", generate))))
    assert counts == {0, 2}


def routed(**pattern: Any) -> PatternRouted:
    """A work order."""
    whole = Pattern(request_id="r1", ordinal=2, count=3, tenant="acme", **pattern)
    return PatternRouted(event_id="e", pattern=whole, prompt=Prompt(text="secret words"), seed=1)


def flight(record: Any, topic: str, **changed: Any) -> InFlight:
    """A record in flight, as the runner has it."""
    output = EVENTS.output(record, topic=topic)
    value = changed.pop("value", output.value)
    message = Message(Place(f"t.{topic}", 1, 7), output.key, value, output.headers)
    return InFlight(message, 0.0, **changed)


def ended(one: InFlight, outcome: str = "done") -> list[Any]:
    """Spans that the runner's hook makes of it."""
    exporter = InMemorySpanExporter()
    hops = Hops(Tracing(exporter, stage="generate", group="g"), EVENTS)
    hops.ended(one, outcome, took_ms=250.0)
    hops.close()
    return list(exporter.get_finished_spans())


def test_a_record_in_flight_becomes_a_span() -> None:
    """Pattern id and context come out of the record; the span is as long as the work; no prompt."""
    (span,) = ended(flight(routed(traceparent=GIVEN), "patterns.routed.draft"))
    assert span.attributes["heddle.pattern_id"] == "r1.2"
    assert span.name == "generate t.patterns.routed.draft"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.end_time - span.start_time == 250_000_000
    assert "secret" not in span.to_json()
    assert "acme" not in span.to_json()


def test_what_cannot_be_read_still_has_a_span() -> None:
    """Garbage and a deadly record are named by key and header alone; usage has no span at all."""
    (garbage,) = ended(
        flight(routed(traceparent=GIVEN), "patterns.routed.draft", value=b"garbage"), "rejected"
    )
    assert f"{garbage.context.trace_id:032x}" == TRACE
    assert "heddle.pattern_id" not in garbage.attributes
    deadly = Deadly("a worker died", field="value", outcome="failed")
    (span,) = ended(flight(routed(), "patterns.routed.draft", refused=deadly), "failed")
    assert "heddle.pattern_id" not in span.attributes
    assert ended(flight(routed(), "patterns.usage")) == []


def test_log_lines_name_the_request_and_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Refusals, retries and errors of ours carry request id and trace id, and never a prompt."""
    message = flight(routed(traceparent=GIVEN), "patterns.routed.draft").message
    refused = Rejected("unknown tier", field="tier", limit="one of draft", outcome="rejected")
    with caplog.at_level(logging.INFO, "heddle.loop"):
        told_refused(message, refused, attempts=1)
        given_up(ValueError("secret words"), 1, message)
        assert given_up(Transient("shelf away"), 8, message).limit == "8 attempts"
    for line in caplog.records:
        assert (vars(line)["request_id"], vars(line)["trace_id"]) == ("r1", TRACE)
        assert "secret" not in json.dumps(vars(line), default=str)
    told = vars(caplog.records[0])
    assert (told["reason"], told["field"]) == ("unknown tier", "tier")
    assert (told["limit"], told["outcome"]) == ("one of draft", "rejected")
    assert about(replace_headers(message))["trace_id"] == trace_id("r1", None)


def replace_headers(message: Message) -> Message:
    """The same record without headers."""
    return Message(message.place, message.key, message.value)


def test_tracing_changes_no_bytes() -> None:
    """Ids of events do not know of traces: the derived trace is nowhere in a record."""
    request = PatternRequested(
        request_id="r1",
        tenant="acme",
        prompt=Prompt(text="dots"),
        repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
    )
    traced = replace(request, traceparent=GIVEN)
    assert names.payload_hash(request) == names.payload_hash(traced)
    assert "traceparent" not in dict(EVENTS.output(request).headers)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/in"}, "http://c/in"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, ""),
    ],
)
def test_the_collector_is_named_by_the_standard_variables(
    environ: dict[str, str], url: str
) -> None:
    """OpenTelemetry's own names, read at the edge; without one there is no tracing."""
    assert settings.read(environ).traces_url == url


def test_nothing_is_loaded_untraced() -> None:
    """A process without a collector never imports OpenTelemetry."""
    line = (
        "import sys; from heddle import parts, run, settings;"
        " assert parts.hops(settings.read({}), 'route') is None;"
        " assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", line], check=True, timeout=60)
