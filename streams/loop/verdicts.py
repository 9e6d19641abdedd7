"""When to try again and when to stop trying: backoff and breaker. Time is handed in."""

from __future__ import annotations

import heapq
import logging
import re
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from schemas.errors import Rejected, Transient
from streams.loop.hops import about

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.kafka.message import Message, Place
    from streams.loop.stage import Limits

log = logging.getLogger("heddle.loop")

_ELSEWHERE: Final = re.compile(r'^  File "([^"\n]+)", line (\d+)', re.MULTILINE)
"""A frame in the text by which a process pool brings a traceback along."""


def backoff_ms(limits: Limits, attempt: int, *, wished_ms: int = 0) -> int:
    """Wait after the failed `attempt` (1, 2, ...): doubling, bounded, never below the wish."""
    doubled: int = limits.backoff_ms << min(attempt - 1, 30)
    return max(min(doubled, limits.backoff_ms_max), wished_ms)


def given_up(error: Exception, attempts: int, message: Message) -> Rejected:
    """The refusal of a record that nobody tries again after `attempts`.

    A stranger's exception may quote its input: only its type and spot are told.
    """
    if isinstance(error, Transient):
        limit = f"{attempts} attempts"
        return Rejected(error.reason, field="attempts", limit=limit, outcome="failed")
    spot = _spot(error)
    kind = type(error).__name__
    log.error("unexpected error", extra=about(message) | {"kind": kind, "spot": spot})
    reason = f"unexpected {kind} at {spot}"
    return Rejected(reason, field="value", limit="none: an error of ours", outcome="failed")


def _spot(error: Exception) -> str:
    """File and line where it was raised; of an error in a pool's process, where it was there."""
    told = _ELSEWHERE.findall(str(error.__cause__)) if error.__cause__ is not None else []
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    here = [(frame.filename, str(frame.lineno)) for frame in frames]
    for name, line in (told or here)[-1:]:
        return f"{name.rpartition('/')[2]}:{line}"
    return "?"


@dataclass(slots=True)
class Retries:
    """Records that wait for their next attempt, earliest first."""

    _heap: list[tuple[float, int, Message]] = field(default_factory=list)
    _order: int = 0

    def put(self, message: Message, *, due_ms: float) -> None:
        """Keep a record until `due_ms`."""
        self._order += 1
        heapq.heappush(self._heap, (due_ms, self._order, message))

    def forget(self, places: Collection[Place]) -> list[Place]:
        """Those of `places` that waited here; they do no longer."""
        found = [message.place for *_, message in self._heap if message.place in places]
        self._heap = [entry for entry in self._heap if entry[2].place not in places]
        heapq.heapify(self._heap)
        return found

    def due(self, *, now_ms: float) -> list[Message]:
        """Take out everything whose time has come."""
        ready = []
        while self._heap and self._heap[0][0] <= now_ms:
            ready.append(heapq.heappop(self._heap)[2])
        return ready


@dataclass(slots=True)
class Breaker:
    """Pauses a stage that keeps failing, so that a bad deploy does not drain a topic.

    Only the unexpected and exhausted retries count; a refusal of bad input never does.
    """

    errors_max: int
    probe_ms: int
    _errors: int = 0
    _next_probe_ms: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the stage is paused."""
        return self._errors >= self.errors_max

    def failed(self, *, now_ms: float) -> None:
        """One more in a row."""
        self._errors += 1
        self._next_probe_ms = now_ms + self.probe_ms

    def succeeded(self) -> None:
        """The row is broken: go on."""
        self._errors = 0

    def admits(self, *, now_ms: float, in_flight: int) -> bool:
        """Whether a record may begin now; while open, one probe at a time and per interval."""
        if not self.is_open:
            return True
        if in_flight or now_ms < self._next_probe_ms:
            return False
        self._next_probe_ms = now_ms + self.probe_ms
        return True
