"""Ports of this machine: free ones, and a clear word about taken ones. Loopback only.

Between choosing a port and listening on it pass seconds in which a neighbour could choose it too.
So a chosen port is marked: by an abstract socket named after it, which all processes of the machine
see and which the kernel removes when this process ends, in whatever way.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from contextlib import ExitStack, closing
from pathlib import Path

from schemas.errors import EXIT_PORT_TAKEN, Unusable

LOOPBACK = "127.0.0.1"

_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 20_000
_TRIES_MAX = 2_000
_MARKS_MAX = 256
# This process's marks and their descriptors, oldest first. Beyond the limit the oldest is given up.
_marks: dict[int, int] = {}


def free_ports(count: int) -> tuple[int, ...]:
    """`count` distinct ports nobody listens on, kept from other stacks while this process lives.

    They lie below the range from which the kernel serves outgoing connections, so that a passing
    client cannot sit on one between this answer and its use. Unusable when none can be found.
    """
    above = _ephemeral_start()
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(_TRIES_MAX):
            if len(found) == count:
                break
            # Not a secret: only spreads neighbours apart.
            port = random.randrange(_LOWEST_PORT, above)  # noqa: S311
            bound = _bind(port) if port not in _marks and mark(port) else None
            if bound is not None:
                held.enter_context(closing(bound))
                found.append(port)
    if len(found) < count:
        raise Unusable(
            f"no {count} free ports between {_LOWEST_PORT} and {above} on {LOOPBACK}",
            exit_code=EXIT_PORT_TAKEN,
        )
    return tuple(found)


def require_free(port: int, *, what: str, setting: str) -> None:
    """Unusable (EXIT_PORT_TAKEN) when `port` is taken; the message says how to choose another."""
    if is_free(port):
        return
    raise Unusable(
        f"port {port} on {LOOPBACK}, wanted for {what}, is taken: stop the process that holds it"
        f" (`ss -ltnp sport = :{port}` names it), or set {setting} to another port,"
        " or leave it unset to have a free one chosen",
        exit_code=EXIT_PORT_TAKEN,
    )


def mark(port: int) -> bool:
    """Keep `port` from being chosen by others; whether it is now ours."""
    if port in _marks:
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0heddle-port-{port}")
    except OSError:
        claim.close()
        return False
    while len(_marks) >= _MARKS_MAX:
        unmark(next(iter(_marks)))
    # Detached: open until the process ends, and no complaint then.
    _marks[port] = claim.detach()
    return True


def unmark(port: int) -> None:
    """Let others choose `port` again; nothing when it is not marked by this process."""
    if port in _marks:
        os.close(_marks.pop(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    bound = _bind(port)
    if bound is not None:
        bound.close()
    return bound is not None


def port_answers(port: int, *, timeout_s: float) -> bool:
    """Whether anything accepts a connection on `port`."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def _bind(port: int) -> socket.socket | None:
    """A socket bound to `port`, None when somebody else has it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As servers do: a port whose last connections are still in TIME_WAIT counts as free.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, port))
        sock.listen(1)
    except OSError as reason:
        sock.close()
        if reason.errno in {errno.EADDRINUSE, errno.EACCES}:
            return None
        raise
    return sock


def _ephemeral_start() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
