"""A stage for the supervisor's tests: `stack_child.py WAY` behaves in one known way.

Ways: stay, crash, flaky MARKER, brood, stubborn, refuse, done. As a stand-in for the `heddle`
command: one-shots are done at once, `run STAGE` answers /readyz on HEDDLE_PORT.
"""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _serve() -> None:
    port = int(os.environ["HEDDLE_PORT"])
    http.server.HTTPServer(("127.0.0.1", port), _Ready).serve_forever()


def _stay() -> None:
    time.sleep(600)


def _crash() -> None:
    sys.exit("it went wrong in a known way")


def _flaky() -> None:
    """Die the first time, stay the second."""
    marker = Path(sys.argv[2])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    _stay()


def _brood() -> None:
    """Start a child in a session of its own, which no signal to a group reaches."""
    subprocess.Popen([sys.executable, __file__, "stay"], start_new_session=True)
    _stay()


def _stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _stay()


def _refuse() -> None:
    """Say that a person must act: schemas.errors.EXIT_MISSING_PART."""
    sys.stderr.write("potrace is missing: type `make setup`\n")
    sys.exit(4)


WAYS = {
    "stay": _stay,
    "crash": _crash,
    "flaky": _flaky,
    "brood": _brood,
    "stubborn": _stubborn,
    "refuse": _refuse,
    "done": lambda: None,
    "topics": lambda: None,
    "models": lambda: None,
    "tenants": lambda: None,
    "run": _serve,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
