"""One child process: started in a group of its own, ended with everything it started.

The kernel ends a child when the thread that started it ends, even by SIGKILL, so start children
from a thread that lives as long as they should: the main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

PYTHON: Final = (sys.executable, "-P")
"""This environment's interpreter, with the folder a command was typed in kept out of the import
path: a user's folder may hold a `client/` or a `schemas/` of its own."""

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.02
# Looked up before any fork: between fork and exec nothing may be loaded.
_LIBC = ctypes.CDLL(None, use_errno=True)
# Remembered, or Python complains of children that run on when nobody names them any more.
_apart: list[subprocess.Popen[bytes]] = []


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv` with stdout and stderr appended to `log`; OSError when it cannot be started."""
    return _start(argv, env=env, log=log, cwd=cwd, parent_death=signal.SIGKILL)


def spawn_apart(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    parent_death: signal.Signals | None = None,
) -> subprocess.Popen[bytes]:
    """As `spawn`, but the child outlives its parent, or is sent `parent_death` when that ends."""
    child = _start(argv, env=env, log=log, cwd=None, parent_death=parent_death)
    _apart[:] = [one for one in _apart if one.poll() is None] + [child]
    return child


def _start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    cwd: Path | None,
    parent_death: signal.Signals | None,
) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)

    def leash() -> None:
        """Runs in the child between fork and exec."""
        if parent_death is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, parent_death, 0, 0, 0)

    with log.open("ab") as out:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Safe here: one system call through a library that is already loaded.
            preexec_fn=leash,  # noqa: PLW1509
        )


def has_exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether `child` is over; leaves it unreaped, so that its id cannot go to a stranger yet."""
    if child.returncode is not None:
        return True
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def reap(child: subprocess.Popen[bytes]) -> int:
    """SIGKILL whatever is left of the child's group; its exit code (negative: a signal)."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


def end(child: subprocess.Popen[bytes], *, grace_s: float) -> int:
    """SIGTERM, up to `grace_s` to leave, then SIGKILL to the whole group. Returns the exit code."""
    if not has_exited(child):
        child.terminate()
    deadline_s = time.monotonic() + grace_s
    while not has_exited(child) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return reap(child)
