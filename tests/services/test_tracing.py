"""One request's spans on the real line, as a collector gets them by OTLP over HTTP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas.codec import Codec
from schemas.records import PatternRequested, Prompt, Repeat
from schemas.topics import prefixed
from streams.kafka.message import Output
from streams.kafka.producer import Producer
from streams.tracing import span_id, trace_id
from tests.services.line import Line

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PLAIN = PatternRequested(
    request_id="untraced",
    tenant="acme",
    prompt=Prompt(text="a secret prompt about navy dots"),
    repeat=Repeat(lattice="half-drop", width_um=640_000, height_um=640_000),
)


class Collector(ThreadingHTTPServer):
    """Keeps every span it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: list[Any] = []
        self.bodies = b""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def whole(self, trace: str) -> dict[str, Any] | None:
        """Spans of one trace by name of their stage, once all three have come."""
        mine = [span for span in self.spans if span.trace_id.hex() == trace]
        found = {span.name.partition(" ")[0]: span for span in mine}
        return found if len(found) == 3 else None


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        self.server.bodies += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of one's own."""
    made = Collector()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def line(broker: str, prefix: str, tmp_path: Path, collector: Collector) -> Iterator[Line]:
    """route, generate and finish, telling the collector."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    made = Line(broker, prefix, tmp_path, extra=told)
    made.prepare("acme")
    made.start("route", "generate", "finish")
    yield made
    made.close()


@pytest.mark.timeout(180)
def test_one_request_is_one_trace_across_the_stages(line: Line, collector: Collector) -> None:
    """A context that came as a header alone is the parent of all three stages' spans; without one
    the three share a trace derived from the request id, below route's span; logs of a refusal
    carry the same trace id; no prompt and no tenant reaches the collector."""
    codec = Codec()
    traced = Output(
        prefixed(line.prefix, "patterns.requested"),
        b"traced",
        codec.encode(_named("traced")),
        (("traceparent", f"00-{TRACE}-{SPAN}-01".encode()),),
    )
    Producer(line.connection, client_id="tests").deliver([traced], timeout_s=30)
    bad = codec.encode(_named("refused", tier="gold"))
    line.raw("patterns.requested", [("untraced", codec.encode(PLAIN)), ("refused", bad)])
    derived = trace_id("untraced", None)
    found = line.until(lambda: collector.whole(TRACE), 60, "spans")
    for stage, span in found.items():
        assert span.parent_span_id.hex() == SPAN, stage
        assert (span.kind, span.status.code) == (5, 0)
    assert found["generate"].links[0].span_id == found["route"].span_id
    assert found["finish"].links[0].span_id == found["generate"].span_id
    assert _told(found["finish"])["heddle.pattern_id"] == "traced.1"
    assert _told(found["finish"])["messaging.consumer.group.name"] == f"{line.prefix}.heddle.finish"
    plain = line.until(lambda: collector.whole(derived), 60, "derived spans")
    assert plain["route"].parent_span_id == b""
    assert {plain[stage].parent_span_id for stage in ("generate", "finish")} == {
        plain["route"].span_id
    }
    assert plain["route"].span_id.hex() == span_id(derived, "route", "PatternRequested", "untraced")
    assert trace_id("refused", None) in line.said("route")
    for word in (b"secret", b"acme", b"navy"):
        assert word not in collector.bodies
    assert set(line.stop().values()) == {0}


def _named(request_id: str, **changed: Any) -> PatternRequested:
    return replace(PLAIN, request_id=request_id, **changed)


def _told(span: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in span.attributes}
