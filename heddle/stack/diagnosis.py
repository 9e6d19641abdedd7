"""Why a part of the stack stopped, in one line that says what to do. Reads; changes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from schemas.errors import Unusable

_TAIL_BYTES_MAX = 64 * 1024
_LINE_CHARS_MAX = 300

KNOWN: Final = (
    ("No space left on device", "the disk is full: free some space, then start again"),
    ("Address already in use", "its port is taken: stop the other process or set another port"),
    ("OutOfMemoryError", "it ran out of heap: stop other programs, then start again"),
    ("Cannot allocate memory", "the machine is out of memory: stop other programs"),
    ("Failed to acquire lock on file", "another broker uses the same folder: `heddle down` it"),
    ("Too many open files", "the limit on open files is too low: raise it with `ulimit -n 4096`"),
    ("Permission denied", "a file is not ours to write: check who owns the stack's folder"),
)
"""What to look for in a log, and what a person can do about it."""


def from_log(log: Path, *, since_bytes: int = 0) -> str:
    """One line: the known cause if the end of `log` shows one, else its last line; names `log`.

    `since_bytes`: what the log held before, and what is therefore no news.
    """
    tail = _tail(log, since_bytes)
    for sign, advice in KNOWN:
        if sign in tail:
            return f"{advice} (log: {log})"
    lines = [line for line in tail.splitlines() if line.strip()]
    last = lines[-1][:_LINE_CHARS_MAX] if lines else "it said nothing"
    return f"{last} (log: {log})"


def require_room(folder: Path, *, free_bytes_min: int, what: str) -> None:
    """Unusable when the disk under `folder` has less than `free_bytes_min` left for `what`."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < free_bytes_min:
        raise Unusable(
            full_disk(folder, free_bytes=free_bytes, need_bytes=free_bytes_min, what=what)
        )


def full_disk(folder: Path, *, free_bytes: int, need_bytes: int, what: str) -> str:
    """The sentence for a disk without room."""
    return (
        f"the disk under {folder} has {free_bytes // 2**20} MB left and {what} needs"
        f" {need_bytes // 2**20} MB: free some space, or keep the stack on another disk"
        " with `--stack DIR`"
    )


def _tail(log: Path, since_bytes: int) -> str:
    try:
        with log.open("rb") as opened:
            size_bytes = os.fstat(opened.fileno()).st_size
            # A log cut meanwhile is shorter than it was: then all of it is news.
            start = since_bytes if since_bytes <= size_bytes else 0
            opened.seek(max(start, size_bytes - _TAIL_BYTES_MAX))
            return opened.read(_TAIL_BYTES_MAX).decode("utf-8", errors="replace")
    except OSError as reason:
        return f"its log cannot be read: {reason.strerror}"
