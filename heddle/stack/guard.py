"""Outlives the supervisor by a moment: when that is killed, ends everything it had started.

`python -m heddle.stack.guard RUN_ID` reads its standard input, which the supervisor holds open
and never writes. The kernel closes it when the supervisor ends, in whatever way.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping

from heddle.stack import children, marks


def start(run_id: str, *, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the guard of run `run_id`; end it with `dismiss`."""
    return subprocess.Popen(
        [*children.PYTHON, "-m", "heddle.stack.guard", run_id],
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def dismiss(watcher: subprocess.Popen[bytes]) -> None:
    """Let the guard go; it looks around a last time and ends."""
    if watcher.stdin is not None:
        watcher.stdin.close()
    watcher.wait()


def main(run_id: str) -> None:
    """Wait for the end of standard input, then sweep."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    while sys.stdin.buffer.read(1):
        pass
    marks.sweep(run_id)


if __name__ == "__main__":
    main(sys.argv[1])
