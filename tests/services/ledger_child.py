"""A ledger process of one's own: `python -m tests.services.ledger_child FOLDER PORT [limit=n ...]`.

`running` starts one and waits until it is ready; `Ledger` says where it is and who may ask.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect

from analytics.endpoint.limits import Limits
from analytics.endpoint.question import Passwords
from analytics.endpoint.server import serve
from schemas.errors import Unusable

WRITER_PASSWORD = "write-me"
READER_PASSWORD = "read-me"
TENANT_PASSWORDS = {"acme": "acme-only", "mill": "mill-only"}
READY_S_MAX = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One running process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, role: str, **options: Any) -> Any:
        """The vendor's own client, unmodified."""
        known = {"writer": WRITER_PASSWORD, "reader": READER_PASSWORD}
        known |= {f"reader_{tenant}": word for tenant, word in TENANT_PASSWORDS.items()}
        password = known[role]
        return clickhouse_connect.get_client(
            host="127.0.0.1",
            port=self.port,
            username=f"heddle_{role}",
            password=password,
            **options,
        )

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of one of the pages for machines."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()
        self.process.wait(timeout=30)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, port: int, **limits: int) -> Ledger:
    """Start without waiting; the process writes its complaint to stderr."""
    words = [f"{name}={value}" for name, value in limits.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.services.ledger_child", str(folder), str(port), *words],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
    )
    return Ledger(port=port, process=process)


def wait_ready(ledger: Ledger) -> None:
    """Until /readyz says so. Raises RuntimeError with what the process wrote before it died."""
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline:
        if ledger.process.poll() is not None:
            assert ledger.process.stderr is not None
            raise RuntimeError(ledger.process.stderr.read().decode())
        try:
            if ledger.page("/readyz")[0] == 200:
                return
        except OSError:
            threading.Event().wait(0.05)
    raise TimeoutError("the ledger did not become ready")


@contextmanager
def running(folder: Path, **limits: int) -> Iterator[Ledger]:
    """A ready ledger; SIGTERM and a wait on leaving."""
    ledger = start(folder, free_port(), **limits)
    try:
        wait_ready(ledger)
        yield ledger
    finally:
        if ledger.process.poll() is None:
            ledger.process.terminate()
        try:
            ledger.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            ledger.kill()
        if ledger.process.stderr is not None:
            ledger.process.stderr.close()


def main() -> int:
    """Serve until SIGTERM; the exit code of the refusal, if there is one."""
    folder, port, *words = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    limits = Limits(**{name: int(value) for name, value in (w.split("=") for w in words)})
    try:
        serve(
            data_folder=Path(folder),
            port=int(port),
            passwords=Passwords(
                writer=WRITER_PASSWORD, reader=READER_PASSWORD, tenants=TENANT_PASSWORDS
            ),
            limits=limits,
            stop=stop,
        )
    except Unusable as refusal:
        os.write(2, f"{refusal}\n".encode())
        return refusal.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
