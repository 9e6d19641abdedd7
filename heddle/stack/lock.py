"""One supervisor per stack folder. The lock is the kernel's: it cannot outlive its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import Unusable

# A reader looking at the lock holds it for an instant; that must not turn a supervisor away.
_TRIES_MAX = 10
_PAUSE_S = 0.05


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the block; Unusable when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(descriptor):
            raise Unusable(already_running(path, holder(path)))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """Process id of the supervisor that holds the lock, None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        # 0: taken so recently that the holder has not yet written its id.
        return int(os.pread(descriptor, 20, 0) or b"0")
    else:
        return None
    finally:
        os.close(descriptor)


def already_running(path: Path, pid: int | None) -> str:
    """The sentence for a folder that is in use."""
    return (
        f"a stack already runs in {path.parent.parent} (process {pid or 'unknown'}):"
        " stop it with `heddle down`, or start this one beside it with `--stack DIR`"
    )


def _take(descriptor: int) -> bool:
    for _ in range(_TRIES_MAX):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        else:
            return True
    return False
