"""`/livez`, `/readyz` and `/metrics` of one process, on one port.

Alive means: the poll loop turned within `LIVE_AGE_S_MAX`. Ready means: every named condition holds.
Never answers with anything a request or a tenant said.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import ProcessCollector as _ProcessCollector

from schemas.errors import EXIT_PORT_TAKEN, Unusable
from schemas.metrics import METRICS, POLL_AGE, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("heddle.ops")

LIVE_AGE_S_MAX: Final = 60.0
"""Longer than the longest bounded wait of a turn."""
READ_S_MAX: Final = 10.0
"""A client that says nothing for that long is dropped."""


class Ops:
    """What one process tells about itself. Safe to use from several threads."""

    def __init__(self, stage: str, *, conditions: tuple[str, ...] = ()) -> None:
        self.stage = stage
        self._conditions = dict.fromkeys(conditions, False)
        self._beat_s = time.monotonic()
        self._registry = CollectorRegistry()
        _ProcessCollector(registry=self._registry)
        self._metrics: dict[str, Any] = {
            metric.name: _collector(metric, self._registry) for metric in METRICS
        }
        self._children: dict[tuple[str, ...], Any] = {}
        self._server: OpsServer | None = None

    def beat(self) -> None:
        """The poll loop has turned."""
        self._beat_s = time.monotonic()

    def ready(self, condition: str, *, yes: bool) -> None:
        """Set one of the conditions of readiness; an unknown one joins them."""
        self._conditions[condition] = yes

    def holds(self, condition: str) -> bool:
        """Whether a condition holds; one that nobody has spoken of does."""
        return self._conditions.get(condition, True)

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        self._child(metric, labels).inc(by)

    def gauge(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._child(metric, labels).set(value)

    def forget(self, metric: Metric, *labels: str) -> None:
        """Tell of these labels no longer; nothing happens where nothing was told of them."""
        if self._children.pop((metric.name, *labels), None) is not None:
            self._metrics[metric.name].remove(*labels)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add to a histogram."""
        self._child(metric, labels).observe(value)

    @property
    def is_live(self) -> bool:
        """Whether the poll loop turned lately."""
        return time.monotonic() - self._beat_s < LIVE_AGE_S_MAX

    @property
    def waiting_for(self) -> list[str]:
        """Conditions that do not hold, in alphabetical order; empty when ready."""
        return sorted(name for name, holds in self._conditions.items() if not holds)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        self.gauge(POLL_AGE, time.monotonic() - self._beat_s, self.stage)
        return bytes(generate_latest(self._registry))

    def start(self, port: int, *, host: str = "127.0.0.1") -> int:
        """Serve on `port` (0: a free one); the port. Raises Unusable where it is taken."""
        try:
            self._server = OpsServer((host, port), Answers)
        except OSError as error:
            line = f"port {port} is taken; stop what listens there or set HEDDLE_PORT"
            raise Unusable(line, exit_code=EXIT_PORT_TAKEN) from error
        self._server.ops = self
        threading.Thread(target=self._server.serve_forever, daemon=True, name="ops").start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        key = (metric.name, *labels)
        child = self._children.get(key)
        if child is None:
            collector = self._metrics[metric.name]
            child = self._children[key] = collector.labels(*labels) if labels else collector
        return child


class OpsServer(ThreadingHTTPServer):
    """Threads that answer for one `Ops`."""

    daemon_threads = True
    ops: Ops

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked and went away is no news; anything else is one line, without its words."""
        kind = sys.exc_info()[0] or Exception
        if not issubclass(kind, ConnectionError | TimeoutError):
            log.error("answering failed", extra={"kind": kind.__name__})


class Answers(BaseHTTPRequestHandler):
    """The three paths every process has, in JSON but for the metrics; a subclass adds its own."""

    server: OpsServer
    timeout = READ_S_MAX
    paths: ClassVar[tuple[str, ...]] = ("/livez", "/readyz", "/metrics")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if not self.answered(path):
            self.say(404, {"error": "no such path", "paths": self.paths})

    def answered(self, path: str) -> bool:
        """Answer what is asked under `path`; False where there is no such thing."""
        ops = self.server.ops
        if path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", ops.text())
        elif path == "/livez":
            self.say(200 if ops.is_live else 503, {"stage": ops.stage, "live": ops.is_live})
        elif path == "/readyz":
            missing = ops.waiting_for
            self.say(503 if missing else 200, {"stage": ops.stage, "waiting_for": missing})
        else:
            return False
        return True

    def say(self, status: int, body: Mapping[str, Any]) -> None:
        """Answer in JSON."""
        self._answer(status, "application/json", json.dumps(body).encode() + b"\n")

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes and progress bars ask all the time: no news."""


def _collector(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind == "counter":
        return Counter(metric.name, metric.meaning, metric.labels, registry=registry)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)
    return Histogram(
        metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets
    )
