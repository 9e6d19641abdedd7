"""Lives of a process that ended without a goodbye, noted for its next life to tell.

A worker reports its machine time in intervals, so one that is killed takes the last of it along;
that it lived until now only its supervisor knows. One small file per process, JSON lines.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

LIVES_MAX: Final = 100
"""Noted at once; the oldest are dropped."""
TOLD_MS: Final = 60_000
"""A life this long has told of those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """From start to end, Unix milliseconds of the supervisor's clock."""

    incarnation: str
    started_ms: int
    stopped_ms: int


def note(path: Path, life: Life, *, clean: bool) -> None:
    """A life has ended; `clean` ones have told of themselves. A full disk loses the note."""
    lives = () if life.stopped_ms - life.started_ms >= TOLD_MS else read(path)
    kept = [*lives, *(() if clean else (life,))][-LIVES_MAX:]
    beside = path.with_suffix(".new")
    with suppress(OSError):
        beside.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in kept), encoding="ascii")
        os.replace(beside, path)


def read(path: Path) -> tuple[Life, ...]:
    """Lives that nobody may have told of yet; lines that are none are passed over."""
    lives = []
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="ascii").splitlines()[-LIVES_MAX:]:
            with suppress(ValueError, TypeError):
                lives.append(Life(**json.loads(line)))
    return tuple(lives)
