"""Start, run and stop the ledger process.

SIGTERM ends in `stop` being set: nothing new is taken, running statements end within
`limits.drain_s_max`, the rest is killed, the engine closes. SIGKILL loses nothing acknowledged: an
insert is answered when its part is on disk (fsync, a setting of every table).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from analytics.migrate import migrate
from schemas.errors import EXIT_PORT_TAKEN, Unusable

from .audit import Audit
from .engine import Engine
from .exchange import Exchange
from .faults import Fault
from .gauges import Gauges
from .guard import Guard
from .session import Sessions

if TYPE_CHECKING:
    from pathlib import Path

    from .limits import Limits
    from .question import Passwords

LOG: Final = logging.getLogger("heddle.ledger")
HOST: Final = "127.0.0.1"
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nX-ClickHouse-Exception-Code: 202\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


class Ledger:
    """What the connections share."""

    def __init__(self, engine: Engine, passwords: Passwords, limits: Limits) -> None:
        self.limits = limits
        self.passwords = passwords
        self.gauges = Gauges()
        self.sessions = Sessions(engine, Guard(engine), limits)
        self._engine = engine
        self._audit = Audit(engine, self.gauges)
        self.is_stopping = False

    def metrics(self) -> tuple[int, bytes]:
        """For Prometheus; the audits among them are at most a minute old."""
        if not self.is_stopping:
            self._audit.look()
        return 200, self.gauges.text

    def ready(self) -> tuple[int, bytes]:
        """Whether questions are answered now: the engine says 1."""
        if self.is_stopping:
            return 503, b"stopping\n"
        try:
            with self._engine.handle() as handle:
                handle.run("SELECT 1")
        except (Fault, Unusable) as error:
            return 503, f"the engine does not answer: {error}\n".encode()
        return 200, b"ready\n"


class Server(ThreadingHTTPServer):
    """A thread per connection, bounded."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, ledger: Ledger) -> None:
        self.ledger = ledger
        self._places = threading.BoundedSemaphore(ledger.limits.connections_max)
        self.open_connections = 0
        super().__init__((HOST, port), Exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Turn the connection away at once where all places are taken."""
        if not self._places.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(_FULL)
            self.shutdown_request(request)
            return
        self.open_connections += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection's life."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.open_connections -= 1
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is no news."""
        del request, client_address
        LOG.debug("a connection broke off")


def serve(
    *,
    data_folder: Path,
    port: int,
    passwords: Passwords,
    limits: Limits,
    stop: threading.Event,
) -> None:
    """Serve the folder on 127.0.0.1:port until `stop` is set.

    Raises Unusable: port taken, folder held by another process or written by a newer version.
    """
    if not passwords.writer or not passwords.reader or passwords.writer == passwords.reader:
        raise Unusable("the ledger's writer and reader need two different passwords")
    _check_port(port)
    engine = Engine(data_folder, limits)
    try:
        with engine.handle() as handle:
            applied = migrate(handle.texts)
        LOG.info("ledger opened, engine %s, %d migrations applied", engine.version, len(applied))
        _serve(Ledger(engine, passwords, limits), port, stop)
    finally:
        engine.close()


def _serve(ledger: Ledger, port: int, stop: threading.Event) -> None:
    try:
        server = Server(port, ledger)
    except OSError as error:
        raise _port_error(port, error)
    ledger.gauges.watch(
        running=lambda role: ledger.sessions.running[role],  # type: ignore[index]
        connections=lambda: server.open_connections,
    )
    thread = threading.Thread(target=server.serve_forever, name="ledger-accept", daemon=True)
    thread.start()
    try:
        stop.wait()
    finally:
        ledger.is_stopping = True
        ledger.sessions.stop()
        server.shutdown()
        server.server_close()
        thread.join(timeout=ledger.limits.drain_s_max)


def _check_port(port: int) -> None:
    """Before the engine opens: a taken port should not cost seconds."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise _port_error(port, error)


def _port_error(port: int, error: OSError) -> Unusable:
    if error.errno == errno.EADDRINUSE:
        reason = f"port {port} is taken; stop what listens there, or choose another for the ledger"
        return Unusable(reason, exit_code=EXIT_PORT_TAKEN)
    return Unusable(f"port {port} cannot be used: {error.strerror}")
