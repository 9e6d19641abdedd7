"""Machine time of one worker as UsageMeasured events: every microsecond in exactly one state.

    starting    from the process's start, libraries and device included
    loading     weights
    warming     the first forward, which no row waits for
    idle, busy  in turns, as rows are aboard or not
    failed      the breaker holds the stage, or the engine's thread has ended
    draining    told to stop: what is aboard ends. The last; nothing follows it

Intervals are cut when the state changes and at least every `INTERVAL_US_MAX`, so a killed worker
leaves at most that much unreported. Its next life tells when it stopped (`life_of`), and the ledger
books what lies between as `failed` too. A forward is not cut: it is told in the interval in which
it ended, and may be longer than that. Safe to use from several threads.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from schemas.names import STOP_INTERVAL, STOPPED, usage_event_id
from schemas.plain import moment
from schemas.records import Forward, UsageMeasured

INTERVAL_US_MAX: Final = 10_000_000
DRAINING: Final = "draining"
FORWARDS_MAX: Final = 200
"""Forwards of one event: keeps it far below the topic's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who spends the time."""

    name: str
    stage: str
    pool: str = "default"
    device: str = "cpu"
    incarnation: str = field(default_factory=lambda: str(uuid.uuid4()))


def life_of(worker: Worker, *, incarnation: str, started_ms: int, stopped_ms: int) -> UsageMeasured:
    """What is known of an earlier life that was killed: Unix times of its supervisor's clock."""
    return UsageMeasured(
        event_id=usage_event_id(incarnation, STOP_INTERVAL),
        worker=worker.name,
        incarnation=incarnation,
        interval=STOP_INTERVAL,
        stage=worker.stage,
        pool=worker.pool,
        device=worker.device,
        state=STOPPED,
        started_at=moment(started_ms),
        duration_us=max(stopped_ms - started_ms, 0) * 1000,
    )


class UsageClock:
    """Cuts the worker's life into intervals."""

    def __init__(
        self,
        worker: Worker,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._worker, self._now_us = worker, now_us
        self._lock = threading.Lock()
        self._state, self._model = "starting", ""
        self._began_us = now_us()
        self._number = 0
        self._forwards: list[Forward] = []
        self._done: list[UsageMeasured] = []

    @property
    def state(self) -> str:
        """What the worker is in now."""
        return self._state

    def runs_on(self, device: str) -> Worker:
        """The device's name, once the libraries that know it are loaded; the worker from then on.

        Call it before the first `enter`, or the time until then is priced as another machine's.
        """
        with self._lock:
            self._worker = replace(self._worker, device=device)
            return self._worker

    def tell(self, events: Sequence[UsageMeasured]) -> None:
        """Hand these on too: lives before this one (`life_of`)."""
        with self._lock:
            self._done += events

    def enter(self, state: str, *, model: str = "") -> None:
        """From now on the worker is in `state` (with `model`, `family@version`, where known).

        One that drains does so to its end, whatever its threads still say.
        """
        with self._lock:
            if self._state != DRAINING and (state, model) != (self._state, self._model):
                self._cut()
                self._state, self._model = state, model

    def add(self, forwards: Sequence[Forward]) -> None:
        """Note forwards that ended in the current state."""
        with self._lock:
            for forward in forwards:
                self._forwards.append(forward)
                if len(self._forwards) >= FORWARDS_MAX:
                    self._cut()

    def take(self) -> list[UsageMeasured]:
        """Intervals that are complete; cuts the running one when it is long enough."""
        with self._lock:
            if self._now_us() - self._began_us >= INTERVAL_US_MAX:
                self._cut()
            done, self._done = self._done, []
            return done

    def end(self) -> list[UsageMeasured]:
        """The last intervals: the worker stops now."""
        with self._lock:
            self._cut()
            done, self._done = self._done, []
            return done

    def _cut(self) -> None:
        now_us = self._now_us()
        # A clock that is set back makes no negative time.
        left_us = max(now_us - self._began_us, 0)
        while left_us > 0 or self._forwards:
            part_us = min(left_us, INTERVAL_US_MAX)
            left_us -= part_us
            forwards = self._forwards if left_us == 0 else []
            self._done.append(self._event(part_us, tuple(forwards)))
            self._began_us += part_us
            if left_us == 0:
                self._forwards = []
                break
        self._began_us = now_us

    def _event(self, duration_us: int, forwards: tuple[Forward, ...]) -> UsageMeasured:
        number, self._number = self._number, self._number + 1
        family, _, version = self._model.partition("@")
        worker = self._worker
        return UsageMeasured(
            event_id=usage_event_id(worker.incarnation, number),
            worker=worker.name,
            incarnation=worker.incarnation,
            interval=number,
            stage=worker.stage,
            pool=worker.pool,
            device=worker.device,
            state=self._state,
            started_at=moment(self._began_us // 1000),
            duration_us=duration_us,
            model=family,
            version=version,
            forwards=forwards,
        )
