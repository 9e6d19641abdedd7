"""Measures stretches of machine time while they pass, and merges those that belong together.

Steps that the same rows take become one `denoise` forward, also when another batch's steps lie
between them: a request of 30 steps leaves a handful of forwards, not 30. Nothing is estimated: a
merged stretch's duration is the sum of what was measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from inference.engine import Forward, ForwardKind, Row
from inference.shares import forward


def _monotonic_us() -> int:
    return time.perf_counter_ns() // 1000


def _unix_us() -> int:
    return time.time_ns() // 1000


class Meter:
    """Collects forwards; `take` hands them over and starts afresh."""

    def __init__(
        self,
        *,
        monotonic_us: Callable[[], int] = _monotonic_us,
        unix_us: Callable[[], int] = _unix_us,
    ) -> None:
        self._monotonic_us = monotonic_us
        self._unix_us = unix_us
        self._stretches: list[_Stretch] = []

    @contextmanager
    def stretch(self, kind: ForwardKind, rows: Sequence[tuple[Row, int]]) -> Iterator[None]:
        """Measure the body as time shared by `rows` (row, weight), also when it raises.

        The caller has waited for the device when the body ends. Without rows nothing is kept.
        """
        started_at, began_us = self._unix_us(), self._monotonic_us()
        try:
            yield
        finally:
            if rows:
                duration_us = max(0, self._monotonic_us() - began_us)
                self._keep(_Stretch(kind, tuple(rows), started_at, duration_us))

    def take(self) -> tuple[Forward, ...]:
        """All forwards since the last call, in order of time."""
        stretches, self._stretches = self._stretches, []
        return tuple(
            forward(
                one.kind,
                one.rows,
                started_at=one.started_at,
                duration_us=one.duration_us,
            )
            for one in stretches
        )

    def _keep(self, new: _Stretch) -> None:
        for known in self._stretches:
            if new.kind == known.kind == "denoise" and new.rows == known.rows:
                known.duration_us += new.duration_us
                return
        self._stretches.append(new)


class _Stretch:
    __slots__ = ("duration_us", "kind", "rows", "started_at")

    def __init__(
        self,
        kind: ForwardKind,
        rows: tuple[tuple[Row, int], ...],
        started_at: int,
        duration_us: int,
    ) -> None:
        self.kind: ForwardKind = kind
        self.rows = rows
        self.started_at = started_at
        self.duration_us = duration_us
