"""One process as the supervisor keeps it: what it is, how it goes, its next start."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from heddle.stack import children, diagnosis, ends, restarts
from heddle.stack.restarts import RestartPolicy
from heddle.stack.state import Phase, ProcessState

LOG_BYTES_MAX: Final = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What to start, and how to know that it is ready."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """Whole: nothing is inherited beside it."""

    log: Path
    after: tuple[str, ...] = ()
    """Started once these are ready (a one-shot: done); stopped before them."""

    ready: Callable[[], bool] | None = None
    """Asked again and again while starting; answers within half a second and never raises.
    None: ready as soon as it runs."""

    alive: Callable[[], bool] | None = None
    """Asked now and then once it is ready; answers like `ready`. None: alive while it runs."""

    one_shot: bool = False
    """Has done its work when it exits with 0; not started again then."""

    port: int | None = None
    cwd: Path | None = None

    ends: Path | None = None
    """Where its lives are noted that ended without a goodbye. Where given, each life is told its
    own name, HEDDLE_INCARNATION."""


@dataclass(slots=True)
class Kept:
    """The supervisor's notes on one process. `now_ms` is a monotonic clock throughout."""

    process: Process
    policy: RestartPolicy
    phase: Phase = "waiting"
    child: subprocess.Popen[bytes] | None = None
    was_ready: bool = False
    exit_code: int = 0
    restarts: int = 0
    reason: str = ""
    """Why it ended last; kept while the next one runs."""
    started_at: str | None = None
    next_start_ms: int = 0
    _started_ms: int = 0
    _quick_deaths: int = 0
    _log_bytes: int = 0
    _next_look_ms: int = 0
    _unanswered: int = 0
    _incarnation: str = ""
    _born_ms: int = 0

    @property
    def satisfied(self) -> bool:
        """Whether those that come after this one may start."""
        return self.phase in {"ready", "done"}

    def due(self, *, now_ms: int) -> bool:
        """Whether it is to be started, as far as its own history goes."""
        return self.phase == "waiting" or (
            self.phase == "backing off" and now_ms >= self.next_start_ms
        )

    def start(self, *, now_ms: int) -> None:
        """Start it; one that cannot even be started counts as a death."""
        process = self.process
        self._started_ms = now_ms
        self._log_bytes = process.log.stat().st_size if process.log.exists() else 0
        self.started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._quick_deaths or self.was_ready:
            self.restarts += 1
        self._incarnation, self._born_ms = str(uuid.uuid4()), time.time_ns() // 1_000_000
        named = {} if process.ends is None else {"HEDDLE_INCARNATION": self._incarnation}
        try:
            self.child = children.spawn(
                process.argv, env={**process.env, **named}, log=process.log, cwd=process.cwd
            )
        except OSError as reason:
            self._died(127, f"cannot be started: {reason}", now_ms=now_ms)
            return
        self.phase = "starting"
        self._unanswered = 0

    def look(self, *, now_ms: int) -> None:
        """Notice that it ended, or that it became ready; end one that hangs."""
        if self.child is None:
            return
        if children.has_exited(self.child):
            self._ended(children.reap(self.child), now_ms=now_ms)
        elif self.phase == "starting" and not self.process.one_shot and self._answers():
            self.phase, self.was_ready = "ready", True
        elif self.phase == "ready" and self._hangs(now_ms=now_ms):
            self._ended(children.reap(self.child), now_ms=now_ms)

    def told(self) -> ProcessState:
        """For `stack.json`."""
        return ProcessState(
            name=self.process.name,
            phase=self.phase,
            pid=self.child.pid if self.child is not None else None,
            port=self.process.port,
            started_at=self.started_at,
            restarts=self.restarts,
            log=str(self.process.log),
            reason=self.reason,
        )

    def bound_log(self) -> None:
        """Keep the log under LOG_BYTES_MAX, one older part beside it.

        The child appends to the file it was given, so that is emptied in place; what it writes
        between the copy and the cut is lost.
        """
        log = self.process.log
        with suppress(OSError):
            if log.stat().st_size > LOG_BYTES_MAX:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)

    def note_end(self, exit_code: int) -> None:
        """Its life is over; note it for the next one where it could not say so itself."""
        if self.process.ends is not None:
            life = ends.Life(
                incarnation=self._incarnation,
                started_ms=self._born_ms,
                stopped_ms=time.time_ns() // 1_000_000,
            )
            ends.note(self.process.ends, life, clean=exit_code == 0)

    def _answers(self) -> bool:
        return self.process.ready is None or self.process.ready()

    def _hangs(self, *, now_ms: int) -> bool:
        """Whether it has said nothing for so many looks. Looks count, not time: a machine that was
        asleep or too busy to look has no case against anybody."""
        if self.process.alive is None or now_ms < self._next_look_ms:
            return False
        self._next_look_ms = now_ms + self.policy.look_ms
        self._unanswered = 0 if self.process.alive() else self._unanswered + 1
        return self._unanswered >= self.policy.unanswered_max

    def _ended(self, exit_code: int, *, now_ms: int) -> None:
        self.note_end(exit_code)
        if self.process.one_shot and exit_code == 0:
            self.child, self.phase, self.reason = None, "done", ""
            self.was_ready = True
            return
        how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        hung = self._unanswered >= self.policy.unanswered_max
        what = f"hung (silent at {self._unanswered} looks) and was ended" if hung else "died"
        said = diagnosis.from_log(self.process.log, since_bytes=self._log_bytes)
        self._died(exit_code, f"{what} ({how}): {said}", now_ms=now_ms)

    def _died(self, exit_code: int, reason: str, *, now_ms: int) -> None:
        self.child, self.exit_code, self.reason = None, exit_code, reason
        self._quick_deaths = self.policy.quick_deaths(
            self._quick_deaths, lived_ms=now_ms - self._started_ms
        )
        delay_ms = self.policy.delay_ms(self._quick_deaths)
        if delay_ms is None or restarts.hopeless(exit_code, was_ready=self.was_ready):
            self.phase = "gave up"
            return
        self.phase, self.next_start_ms = "backing off", now_ms + delay_ms
