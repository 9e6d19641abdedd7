"""Start, run and stop the ledger process.

SIGTERM ends in `stop` being set: nothing new is taken, running statements end within
`limits.drain_s_max`, the rest is killed, the engine closes. SIGKILL loses nothing acknowledged: an
insert is answered when its part is on disk (fsync, a setting of every table).
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import socket
import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from analytics.contract import READER, WRITER, tenant_reader
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
PASSWORD_CHARS_MIN: Final = 12
"""Of every password, where others than this machine can reach the endpoint."""
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
        self._audit = Audit(engine, self.gauges, limits)
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

    def __init__(self, address: tuple[str, int], ledger: Ledger) -> None:
        self.ledger = ledger
        self._places = threading.BoundedSemaphore(ledger.limits.connections_max)
        self.open_connections = 0
        super().__init__(address, Exchange)

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
    host: str = HOST,
) -> None:
    """Serve the folder on host:port until `stop` is set.

    Every question needs a password, wherever from; only `/livez`, `/readyz`, `/ping` and `/metrics`
    answer without one. On anything but loopback a password must be worth its name.

    Raises Unusable: port taken, passwords missing, alike or too short for `host`, folder held by
    another process or written by a newer version.
    """
    check_passwords(passwords, host=host)
    address = (host, port)
    _check_address(address)
    engine = Engine(data_folder, limits)
    try:
        with engine.handle() as handle:
            applied = migrate(handle.texts)
        LOG.info("ledger opened, engine %s, %d migrations applied", engine.version, len(applied))
        _serve(Ledger(engine, passwords, limits), address, stop)
    finally:
        engine.close()


def check_passwords(passwords: Passwords, *, host: str) -> None:
    """Raise Unusable, naming whose but not which, where the endpoint would be open to others.

    All must differ in any case, or one user would have another's rights.
    """
    words = [passwords.writer, passwords.reader, *passwords.tenants.values()]
    if not passwords.writer or not passwords.reader or len({*words}) < len(words):
        raise Unusable(
            "the ledger's writer, its reader and every tenant's reader need passwords of their own,"
            " all different"
        )
    if is_loopback(host):
        return
    named = {WRITER: passwords.writer, READER: passwords.reader}
    named |= {tenant_reader(one): word for one, word in passwords.tenants.items()}
    short = [name for name, word in named.items() if len(word) < PASSWORD_CHARS_MIN]
    if short:
        raise Unusable(
            f"the ledger on {host} (HEDDLE_HOST) can be reached by others, and the password of"
            f" {', '.join(short[:3])} has fewer than {PASSWORD_CHARS_MIN} characters:"
            " give it a longer one, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether nobody beyond this machine reaches an address; names other than localhost: no."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _serve(ledger: Ledger, address: tuple[str, int], stop: threading.Event) -> None:
    try:
        server = Server(address, ledger)
    except OSError as error:
        raise _address_error(address, error)
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


def _check_address(address: tuple[str, int]) -> None:
    """Before the engine opens: a taken port should not cost seconds."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise _address_error(address, error)


def _address_error(address: tuple[str, int], error: OSError) -> Unusable:
    host, port = address
    if error.errno == errno.EADDRINUSE:
        reason = f"port {port} is taken; stop what listens there, or choose another for the ledger"
        return Unusable(reason, exit_code=EXIT_PORT_TAKEN)
    return Unusable(f"port {port} on {host} cannot be used: {error.strerror}")
