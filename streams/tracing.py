"""Spans of one request's way through the stages. OpenTelemetry's only door.

The trace context travels unchanged in the records: a redelivered record must give the same bytes.
So every stage's span is a child of the requester's span, and a link names the span that wrote the
record. For that, ids are derived and never drawn: anybody can name the span of the stage before.
A request that came without a context gets a trace id derived from its request id, and route's span
is the root. Nothing of OpenTelemetry is imported before a `Tracing` is made. A span never holds a
prompt, a tenant's name or a reason's words.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from typing import Any, Final

log = logging.getLogger("heddle.traces")

TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
FLUSH_S_MAX: Final = 3.0
"""For the last spans when a process ends; a collector that is away must not hold up a drain."""
FIRST: Final = ("route", "PatternRequested")
WRITTEN_FROM: Final = {
    "PatternRouted": FIRST,
    "TileGenerated": ("generate", "PatternRouted"),
    "AssetPublished": ("finish", "TileGenerated"),
}
"""Record to the stage that writes it, and what that stage makes it from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One record's way through one stage, ended."""

    topic: str
    partition: int
    offset: int
    kind: str
    """Name of the record's type."""
    request_id: str
    pattern_id: str = ""
    """Empty where the record is about the whole request."""
    traceparent: str = ""
    outcome: str = "done"
    field: str = ""
    """What was refused, if it was."""
    attempts: int = 1
    begun_ns: int = 0
    ended_ns: int = 0


def trace_id(request_id: str, traceparent: str | None) -> str:
    """The trace of a request, 32 hexadecimal digits: the requester's, else derived from its id."""
    given = _given(traceparent)
    return given[0] if given else _derived(request_id, digits=32)


def span_id(trace: str, stage: str, kind: str, about: str) -> str:
    """The span in which `stage` brought a record of `kind` about `about` to a good end."""
    return _derived(f"{trace}/{stage}/{kind}/{about}", digits=16)


class Tracing:
    """Sends the spans of one stage. Safe to use from several threads."""

    def __init__(self, exporter: Any, *, stage: str, group: str) -> None:
        from opentelemetry.sdk import resources  # noqa: PLC0415 - see the module's docstring
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        own = {"service.name": f"heddle.{stage}", "service.namespace": "heddle"}
        # What the operator says in OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES wins.
        told = resources.OTELResourceDetector().detect()
        self._stage, self._group, self._ids = stage, group, _ids()
        self._provider = TracerProvider(
            resource=resources.Resource.create(own).merge(told),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("heddle")

    def ended(self, hop: Hop) -> None:
        """Tell of one record's way. Never blocks: what finds no room in the queue is dropped."""
        from opentelemetry import trace  # noqa: PLC0415

        about = hop.pattern_id or hop.request_id
        name = trace_id(hop.request_id, hop.traceparent)
        # Only the good end has the name that others link to: a refusal is another span.
        spot = "" if hop.outcome == "done" else f"/{hop.topic}/{hop.partition}/{hop.offset}"
        self._ids.next = int(name, 16), int(span_id(name, self._stage, hop.kind, about + spot), 16)
        span = self._tracer.start_span(
            f"{self._stage} {hop.topic}",
            self._parent(hop, name),
            trace.SpanKind.CONSUMER,
            self._attributes(hop),
            self._links(hop, name, about),
            start_time=hop.begun_ns,
        )
        if hop.outcome == "failed":
            span.set_status(trace.StatusCode.ERROR, hop.field)
        span.end(hop.ended_ns)

    def close(self) -> None:
        """Send what is left, within `FLUSH_S_MAX`."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True, name="last spans")
        last.start()
        last.join(FLUSH_S_MAX)
        if last.is_alive():
            log.warning("spans lost: the collector does not answer")

    def _parent(self, hop: Hop, name: str) -> Any:
        """The requester's span; without one, route's; none for route's own."""
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.context import Context  # noqa: PLC0415

        given = _given(hop.traceparent)
        if given is not None:
            span, flags = given[1], int(given[2], 16)
        elif (self._stage, hop.kind) == FIRST:
            return Context()
        else:
            span, flags = span_id(name, *FIRST, hop.request_id), self._sampled(name)
        context = trace.SpanContext(
            int(name, 16), int(span, 16), is_remote=True, trace_flags=trace.TraceFlags(flags)
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(context), Context())

    def _sampled(self, name: str) -> int:
        """The flag that route's root span of this trace got: samplers decide by the trace id."""
        answer: Any = self._provider.sampler.should_sample(None, int(name, 16), "")
        return int(answer.decision.is_sampled())

    def _links(self, hop: Hop, name: str, about: str) -> list[Any]:
        from opentelemetry import trace  # noqa: PLC0415

        writer = WRITTEN_FROM.get(hop.kind)
        if writer is None:
            return []
        made_about = hop.request_id if writer == FIRST else about
        span = int(span_id(name, *writer, made_about), 16)
        return [trace.Link(trace.SpanContext(int(name, 16), span, is_remote=True))]

    def _attributes(self, hop: Hop) -> dict[str, str | int]:
        """OpenTelemetry's semantic conventions for messaging, and our own under `heddle.`."""
        told: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": self._stage,
            "messaging.destination.name": hop.topic,
            "messaging.destination.partition.id": str(hop.partition),
            "messaging.kafka.offset": hop.offset,
            "messaging.kafka.message.key": hop.request_id,
            "messaging.consumer.group.name": self._group,
            "heddle.stage": self._stage,
            "heddle.request_id": hop.request_id,
            "heddle.outcome": hop.outcome,
            "heddle.attempts": hop.attempts,
        }
        if hop.pattern_id:
            told["heddle.pattern_id"] = hop.pattern_id
        if hop.field:
            told["heddle.refused_field"] = hop.field
        return told


def otlp_exporter(endpoint: str) -> Any:
    """To a collector's traces endpoint, OTLP over HTTP. Headers and certificates it reads itself.

    Raises MissingPart where the packages are not installed.
    """
    from schemas.errors import MissingPart  # noqa: PLC0415

    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415
    except ImportError as error:
        line = "spans need OpenTelemetry: type `pip install 'heddle[traces]'`"
        raise MissingPart(line) from error
    return trace_exporter.OTLPSpanExporter(endpoint=endpoint)


def _given(traceparent: str | None) -> tuple[str, str, str] | None:
    """(trace, span, flags) of a W3C context; None where there is none, or none that is valid."""
    found = TRACEPARENT.fullmatch(traceparent or "")
    if found is None or not int(found[1], 16) or not int(found[2], 16) or found[0][:2] == "ff":
        return None
    return found[1], found[2], found[3]


def _derived(text: str, *, digits: int) -> str:
    return hashlib.sha256(f"heddle/{text}".encode()).hexdigest()[:digits]


def _ids() -> Any:
    """A generator that gives out the names set just before, on the same thread."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415

    class Named(threading.local, IdGenerator):
        next = (1, 1)

        def generate_trace_id(self) -> int:
            return self.next[0]

        def generate_span_id(self) -> int:
            return self.next[1]

    return Named()
