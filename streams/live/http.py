"""The live view on one port: `/requests/{id}`, `/counts`, `/livez`, `/readyz`, `/metrics`.

Read-only and without authentication: for the inside of an installation, where the gateway asks it.
Answers JSON, also for what is unknown; never lists requests.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from schemas.errors import EXIT_PORT_TAKEN, Unusable
from schemas.names import REQUEST_ID
from streams.live.stored import view
from streams.ops import Answers, OpsServer

if TYPE_CHECKING:
    from streams.live.kept import Kept
    from streams.ops import Ops

log = logging.getLogger("heddle.live")

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


class Server(OpsServer):
    """The live view's port."""

    kept: Kept

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(Answers):
    server: Server
    paths = ("/requests/{id}", "/counts", *Answers.paths)

    def answered(self, path: str) -> bool:
        """The view's own paths before those that every process has."""
        if path.startswith(_REQUESTS):
            self._request(path.removeprefix(_REQUESTS))
        elif path == "/counts":
            self.say(200, self.server.kept.counts())
        else:
            return super().answered(path)
        return True

    def _request(self, request_id: str) -> None:
        """An unknown id is 404 once the view is whole; before that nobody can know: 503."""
        if not REQUEST_ID.fullmatch(request_id):
            limit = "1 to 64 of [A-Za-z0-9_-]"
            self.say(400, {"error": "not a request id", "field": "request_id", "limit": limit})
            return
        status = self.server.kept.get(request_id.encode())
        if status is not None:
            self.say(200, view(status))
        elif self.server.ops.waiting_for:
            self.say(503, {"error": "not ready", "waiting_for": self.server.ops.waiting_for})
        else:
            self.say(404, {"error": "unknown request", "request_id": request_id})
