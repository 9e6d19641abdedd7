"""HTTP around `answers`: bounded connections, bodies and silences; probes; a clean stop."""

from __future__ import annotations

import errno
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest

from heddle.schema_endpoint import answers
from schemas.committed import SCHEMA_BYTES_MAX
from schemas.errors import EXIT_PORT_TAKEN, Unusable
from schemas.metrics import SCHEMA_ANSWERS

LOG: Final = logging.getLogger(__name__)
CONNECTIONS_MAX: Final = 128
"""More are closed unanswered; serialisers cache, so one call per process and schema is normal."""
BODY_BYTES_MAX: Final = 2 * SCHEMA_BYTES_MAX
SILENCE_S_MAX: Final = 30.0
MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_PROBES: Final = frozenset({"/livez", "/readyz"})


def serve(*, port: int, stop: threading.Event, prefix: str = "", host: str = "127.0.0.1") -> None:
    """Answer until `stop` is set. Raises Unusable where the port is taken."""
    with running(port=port, prefix=prefix, host=host):
        stop.wait()


@contextmanager
def running(*, port: int = 0, prefix: str = "", host: str = "127.0.0.1") -> Iterator[str]:
    """The endpoint's address while it runs; port 0 takes any free one."""
    try:
        server = _Server((host, port), partial(_Exchange, Said(prefix)))
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        reason = f"port {port} on {host}, wanted for the schema endpoint: {error.strerror}"
        raise Unusable(f"{reason}; set HEDDLE_SCHEMA_PORT", exit_code=EXIT_PORT_TAKEN) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="schema-endpoint")
    thread.start()
    address = f"http://{host}:{server.server_port}"
    LOG.info("schema endpoint at %s", address)
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Said:
    """Answers, counted by status; and the count itself, for Prometheus."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._counter = Counter(
            SCHEMA_ANSWERS.name,
            SCHEMA_ANSWERS.meaning,
            SCHEMA_ANSWERS.labels,
            registry=self._registry,
        )

    def answer(self, method: str, target: str, body: bytes) -> answers.Answer:
        """What `answers` says."""
        said = answers.answer(method, target, body, prefix=self._prefix)
        self._counter.labels(str(said.status)).inc()
        return said

    def metrics(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class _Server(ThreadingHTTPServer):
    """One thread per connection, at most CONNECTIONS_MAX of them."""

    daemon_threads = True
    # An idle keep-alive connection must not hold up a stop.
    block_on_close = False

    def __init__(self, address: tuple[str, int], exchange: Any) -> None:
        self._places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__(address, exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take the connection if there is a place."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection, then free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        LOG.debug("connection from %s broke off", client_address)


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = SILENCE_S_MAX
    server_version = "heddle"
    sys_version = ""

    def __init__(self, said: Said, *arguments: Any) -> None:
        self._said = said
        super().__init__(*arguments)

    def setup(self) -> None:
        """Small answers go out at once."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *values: Any) -> None:
        """Request lines are for debugging only."""
        LOG.debug(format, *values)

    def _exchange(self) -> None:
        if self.path in _PROBES:
            self._send(answers.Answer(200, {"status": "ok"}))
            return
        if self.path == "/metrics":
            self._send_bytes(200, "text/plain; version=0.0.4; charset=utf-8", self._said.metrics())
            return
        try:
            body = self._body()
        except ValueError:
            # What was announced is left unread: this connection cannot go on.
            self.close_connection = True
            too_large = answers.Refusal(
                413, f"body at most {BODY_BYTES_MAX} bytes, with its length"
            )
            self._send(too_large.answer())
            return
        self._send(self._said.answer(self.command, self.path, body))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _exchange  # noqa: N815 - the base class's names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise ValueError
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= BODY_BYTES_MAX:
            raise ValueError
        return self.rfile.read(length)

    def _send(self, answer: answers.Answer) -> None:
        self._send_bytes(answer.status, MEDIA_TYPE, json.dumps(answer.document).encode())

    def _send_bytes(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
