"""A pool of processes whose deaths are counted, so that one deadly record cannot kill for ever.

When a process dies, nobody knows of which task; so each task that was in the pool is done again in
a pool of its own, where its death is certainly its own. Kept in memory only.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, TypeVar

from schemas.errors import Deadly

log = logging.getLogger("heddle.pool")

T = TypeVar("T")
PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""
TASK_S_MAX: Final = 300
"""A task that takes longer is ended, which counts as a death."""
DEATHS_MAX: Final = 3
TASKS_PER_PROCESS_MAX: Final = 500
"""A process is replaced after so many: bounds what a leaking library can hold."""


class CountedPool:
    """Runs pure functions in processes without torch. Safe to use from several threads."""

    def __init__(self, *, processes_max: int, deaths_max: int = DEATHS_MAX) -> None:
        self._processes_max, self._deaths_max = processes_max, deaths_max
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._deaths: Counter[str] = Counter()

    def run(self, name: str, task: Callable[..., T], *details: Any) -> T:
        """`task(*details)` in a process; `name` is whose deaths are counted.

        Raises whatever the task raises; Deadly after `deaths_max` deaths alone.
        """
        try:
            return self._shared().submit(_bounded, task, details).result()
        except BrokenProcessPool:
            log.warning("a process of the pool died")
            self._forget_pool()
        return self._run_alone(name, task, details)

    def close(self) -> None:
        """Stop the processes."""
        self._forget_pool()

    def _run_alone(self, name: str, task: Callable[..., T], details: tuple[Any, ...]) -> T:
        while True:
            with self._alone, _executor(1) as pool:
                try:
                    result = pool.submit(_bounded, task, details).result()
                except BrokenProcessPool:
                    self._deaths[name] += 1
                else:
                    self._deaths.pop(name, None)
                    return result
            if self._deaths[name] >= self._deaths_max:
                del self._deaths[name]
                limit = f"{self._deaths_max} deaths with it alone in flight"
                reason = "a process of the pool died of this record"
                raise Deadly(reason, field="value", limit=limit, outcome="failed")

    def _shared(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = _executor(self._processes_max)
            return self._pool

    def _forget_pool(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _executor(processes_max: int) -> ProcessPoolExecutor:
    # Never fork: the parent has threads of the Kafka client.
    return ProcessPoolExecutor(
        processes_max,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(os.getpid(),),
        max_tasks_per_child=TASKS_PER_PROCESS_MAX,
    )


def _begin(parent: int) -> None:
    """A ctrl-C is the parent's business; and whoever kills the parent ends us too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _bounded(task: Callable[..., T], details: tuple[Any, ...]) -> T:
    signal.alarm(TASK_S_MAX)
    try:
        return task(*details)
    finally:
        signal.alarm(0)
