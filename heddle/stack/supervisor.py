"""Keeps the processes of one stack alive, in order, until told to stop; then leaves none behind.

    1. start each process once all it comes after are ready
    2. notice deaths, readiness and those that hang; start the dead again by the restart policy
    3. write `stack.json` whenever something changed
    4. on SIGTERM, SIGINT or SIGHUP: stop in waves, the last started first, within STOP_S_MAX
    5. end whatever still carries the run's mark

Children start from the thread that calls `run`, which must be the main one. A process that is
given up before the stack was ever ready fails the stack; later it leaves it degraded.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from heddle.stack import children, guard, marks, state
from heddle.stack.kept import Kept, Process
from heddle.stack.restarts import RestartPolicy
from heddle.stack.state import Condition, StackState

STOP_S_MAX: Final = 10.0
"""From the wish to stop to the last process gone."""

# Kept back from the grace of all waves: killing, reaping, the last look around.
_STOP_RESERVE_S: Final = 1.0
_LATER_WAVE_S: Final = 2.0
_BUSY_POLL_S: Final = 0.1
_QUIET_POLL_S: Final = 5.0
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What `stack.json` tells besides the processes."""

    run_id: str
    ports: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    note: str = ""


class Supervisor:
    """The processes of one run. Use once: build, `run`, read what it returns."""

    def __init__(
        self,
        processes: Sequence[Process],
        facts: StackFacts,
        *,
        state_path: Path,
        policy: RestartPolicy | None = None,
        on_change: Callable[[StackState], None] | None = None,
    ) -> None:
        """`processes` in start order; `after` names earlier ones only (ValueError otherwise)."""
        _require_order(processes)
        policy = policy or RestartPolicy()
        mark = {marks.MARK: facts.run_id}
        self._kept = [Kept(replace(one, env={**one.env, **mark}), policy) for one in processes]
        self._quiet_s = min(_QUIET_POLL_S, policy.look_ms / 1000)
        self._facts = facts
        self._state_path = state_path
        self._on_change = on_change
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._told: StackState | None = None
        self._was_ready = False
        self._stop_wishes = 0
        self._failed: Kept | None = None

    def run(self) -> StackState:
        """Keep the stack until a signal asks to stop, or until it fails; the final state."""
        with _signals(self._wish_to_stop) as wake:
            watcher = guard.start(self._facts.run_id, env=os.environ)
            try:
                while not self._stop_wishes:
                    self._step()
                    self._tell(self._condition())
                    if self._failed is not None:
                        break
                    _wait(wake, self._pause_s())
                self._tell("stopping")
                self._stop(wake)
            finally:
                marks.sweep(self._facts.run_id, spare=(watcher.pid,))
                guard.dismiss(watcher)
        return self._tell("failed" if self._failed else "stopped")

    def _wish_to_stop(self) -> None:
        self._stop_wishes += 1

    def _step(self) -> None:
        """One look at each, in start order, so that a whole chain of ready ones starts in one."""
        ready: set[str] = set()
        for one in self._kept:
            if self._stop_wishes:
                return
            now_ms = _now_ms()
            one.look(now_ms=now_ms)
            one.bound_log()
            if one.due(now_ms=now_ms) and ready.issuperset(one.process.after):
                one.start(now_ms=now_ms)
            if one.satisfied:
                ready.add(one.process.name)
            if one.phase == "gave up" and not self._was_ready:
                self._failed = one

    def _condition(self) -> Condition:
        if all(one.satisfied for one in self._kept):
            self._was_ready = True
            return "ready"
        return "degraded" if self._was_ready else "starting"

    def _pause_s(self) -> float:
        """How long nothing can be due. A death or a signal ends the wait at once."""
        if any(one.phase == "starting" for one in self._kept):
            return _BUSY_POLL_S
        now_ms = _now_ms()
        dues = [one.next_start_ms - now_ms for one in self._kept if one.phase == "backing off"]
        # Never zero: one that is due may still wait for another.
        return min([self._quiet_s, *(max(due / 1000, _BUSY_POLL_S) for due in dues)])

    def _stop(self, wake: int) -> None:
        """Stop all in waves. A second wish to stop ends the grace at once."""
        deadline_s = time.monotonic() + STOP_S_MAX - _STOP_RESERVE_S
        waves = stop_waves([one.process for one in self._kept])
        wishes = self._stop_wishes
        for number, names in enumerate(waves, start=1):
            wave = [one for one in self._kept if one.process.name in names]
            for one in wave:
                if one.child is not None and not children.has_exited(one.child):
                    one.child.terminate()
            patience_s = deadline_s - _LATER_WAVE_S * (len(waves) - number)
            while _alive(wave) and time.monotonic() < patience_s and self._stop_wishes == wishes:
                _wait(wake, _BUSY_POLL_S)
            self._note_stopped(wave)

    def _note_stopped(self, wave: list[Kept]) -> None:
        for one in wave:
            if one.child is not None:
                one.reason = (
                    "" if children.has_exited(one.child) else "did not stop in time: killed"
                )
                one.note_end(children.reap(one.child))
            if one.phase != "gave up":
                one.phase = "stopped"
            one.child = None
        self._tell("stopping")

    def _tell(self, condition: Condition) -> StackState:
        failed = self._failed
        reason = f"{failed.process.name} {failed.reason}" if failed else ""
        told = StackState(
            condition=condition,
            run_id=self._facts.run_id,
            supervisor_pid=os.getpid(),
            started_at=self._started_at,
            reason=reason,
            exit_code=failed.exit_code if failed else 0,
            ports=self._facts.ports,
            addresses=self._facts.addresses,
            note=self._facts.note,
            processes=tuple(one.told() for one in self._kept),
        )
        if told == self._told:
            return told
        self._told = told
        # A full disk must not end the keeper of those who can do without it.
        with suppress(OSError):
            state.write(self._state_path, told)
        if self._on_change is not None:
            self._on_change(told)
        return told


def stop_waves(processes: Sequence[Process]) -> list[frozenset[str]]:
    """Names in the order to stop them: those nothing comes after first.

    `processes` in start order.
    """
    depth: dict[str, int] = {}
    for one in processes:
        depth[one.name] = 1 + max((depth[name] for name in one.after), default=0)
    lasting = [one for one in processes if not one.one_shot]
    levels = sorted({depth[one.name] for one in lasting}, reverse=True)
    waves = [frozenset(one.name for one in lasting if depth[one.name] == level) for level in levels]
    # A one-shot that still runs goes with the first.
    brief = frozenset(one.name for one in processes if one.one_shot)
    return [waves[0] | brief, *waves[1:]] if waves else [brief]


def _require_order(processes: Sequence[Process]) -> None:
    seen: set[str] = set()
    for one in processes:
        if one.name in seen or not seen.issuperset(one.after):
            raise ValueError(f"{one.name}: named twice, or comes after what is not yet named")
        seen.add(one.name)


def _alive(wave: list[Kept]) -> bool:
    return any(one.child is not None and not children.has_exited(one.child) for one in wave)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _wait(wake: int, timeout_s: float) -> None:
    """Sleep up to `timeout_s`, less when a signal arrives."""
    if select.select([wake], [], [], timeout_s)[0]:
        with suppress(BlockingIOError):
            os.read(wake, 4096)


@contextmanager
def _signals(wish_to_stop: Callable[[], None]) -> Iterator[int]:
    """Take the stop signals and deaths of children; yields a descriptor readable after either."""

    def take(number: int, _frame: FrameType | None) -> None:
        if number in _STOP_SIGNALS:
            wish_to_stop()

    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before_wake = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {one: signal.signal(one, take) for one in (*_STOP_SIGNALS, signal.SIGCHLD)}
    try:
        yield reader
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        signal.set_wakeup_fd(before_wake)
        os.close(reader)
        os.close(writer)
