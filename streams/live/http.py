"""The live view on one port: `/requests/{id}`, `/counts`, `/livez`, `/readyz`, `/metrics`.

Read-only and without authentication: for the inside of an installation, where the gateway asks it.
Answers JSON, also for what is unknown; never lists requests.
"""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import EXIT_PORT_TAKEN, Unusable
from schemas.names import REQUEST_ID
from streams.live.stored import view

if TYPE_CHECKING:
    from streams.live.kept import Kept
    from streams.ops import Ops

log = logging.getLogger("heddle.live")

READ_S_MAX: Final = 10.0
"""A client that says nothing for that long is dropped."""
PATHS: Final = ("/requests/{id}", "/counts", "/livez", "/readyz", "/metrics")
_REQUESTS: Final = "/requests/"


def serve(port: int, kept: Kept, ops: Ops, *, host: str = "127.0.0.1") -> Server:
    """Serve in a thread; `port` 0 takes a free one. Raises Unusable where it is taken."""
    try:
        server = Server((host, port), _Handler)
    except OSError as error:
        line = f"port {port} is taken; stop what listens there or set HEDDLE_PORT"
        raise Unusable(line, exit_code=EXIT_PORT_TAKEN) from error
    server.kept, server.ops = kept, ops
    threading.Thread(target=server.serve_forever, daemon=True, name="live-http").start()
    log.info("live view serves", extra={"port": server.port})
    return server


class Server(ThreadingHTTPServer):
    """The live view's port."""

    daemon_threads = True
    kept: Kept
    ops: Ops

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = READ_S_MAX

    def do_GET(self) -> None:
        ops, path = self.server.ops, self.path.partition("?")[0]
        if path.startswith(_REQUESTS):
            self._request(path.removeprefix(_REQUESTS))
        elif path == "/counts":
            self._say(200, self.server.kept.counts())
        elif path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", ops.text())
        elif path == "/livez":
            self._say(200 if ops.is_live else 503, {"stage": ops.stage, "live": ops.is_live})
        elif path == "/readyz":
            missing = ops.waiting_for
            self._say(503 if missing else 200, {"stage": ops.stage, "waiting_for": missing})
        else:
            self._say(404, {"error": "no such path", "paths": PATHS})

    def _request(self, request_id: str) -> None:
        """An unknown id is 404 once the view is whole; before that nobody can know: 503."""
        if not REQUEST_ID.fullmatch(request_id):
            limit = "1 to 64 of [A-Za-z0-9_-]"
            self._say(400, {"error": "not a request id", "field": "request_id", "limit": limit})
            return
        status = self.server.kept.get(request_id.encode())
        if status is not None:
            self._say(200, view(status))
        elif self.server.ops.waiting_for:
            self._say(503, {"error": "not ready", "waiting_for": self.server.ops.waiting_for})
        else:
            self._say(404, {"error": "unknown request", "request_id": request_id})

    def _say(self, status: int, body: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(body).encode() + b"\n")

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Polled once a second by every progress bar: no news."""
