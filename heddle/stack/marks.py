"""Finds the processes of one run of a stack, however they were started, and ends them.

Every process of a run carries HEDDLE_STACK_RUN in its environment, and so does everything it
starts in turn. Only processes of the same user are seen: others' environments cannot be read.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "HEDDLE_STACK_RUN"
_PROC = Path("/proc")
_SWEEPS_MAX = 50
_PAUSE_S = 0.02


def marked(run_id: str) -> tuple[int, ...]:
    """Ids of the living processes of run `run_id`, the caller left out. Empty for an empty id."""
    if not run_id:
        return ()
    wanted = f"{MARK}={run_id}".encode("ascii")
    return tuple(
        int(entry.name)
        for entry in _PROC.iterdir()
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _carries(entry, wanted)
    )


def sweep(run_id: str, *, spare: tuple[int, ...] = ()) -> tuple[int, ...]:
    """SIGKILL every process of the run but those in `spare`; ids of those that were there.

    Looks again until none is left, because a dying process may just have started another.
    """
    found: set[int] = set()
    for _ in range(_SWEEPS_MAX):
        left = set(marked(run_id)) - set(spare)
        if not left:
            break
        found |= left
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return tuple(sorted(found))


def _carries(entry: Path, wanted: bytes) -> bool:
    # Gone meanwhile, or another user's. A zombie's environment reads as empty.
    with suppress(OSError):
        return wanted in (entry / "environ").read_bytes().split(b"\0")
    return False
