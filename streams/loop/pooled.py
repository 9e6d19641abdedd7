"""A stage out of work that blocks: a bounded pool of threads, one record each."""

from __future__ import annotations

import queue
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from schemas.errors import Busy
from streams.loop.stage import Ending

if TYPE_CHECKING:
    from schemas.errors import Rejected
    from streams.kafka.message import Message, Output, Place
    from streams.loop.stage import Work


class PooledStage:
    """Runs `work` on `threads_max` threads with at most `waiting_max` records before them."""

    takes_tombstones = False

    def __init__(self, work: Work, *, threads_max: int, waiting_max: int) -> None:
        self.name = work.name
        self._work = work
        self._places_max = threads_max + waiting_max
        self._pool = ThreadPoolExecutor(threads_max, thread_name_prefix=work.name)
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self._open: dict[Place, Future[None]] = {}

    def open(self) -> None:
        """Open the work."""
        self._work.open()

    def submit(self, message: Message) -> None:
        """Give it to a thread. Raises Busy when every place is taken."""
        if len(self._open) >= self._places_max:
            raise Busy
        self._open[message.place] = self._pool.submit(self._carry, message)

    def hurry(self) -> None:
        """Nothing waits for company here."""

    def collect(self) -> Sequence[Ending]:
        """What the threads have ended."""
        endings = []
        while not self._endings.empty():
            ending = self._endings.get()
            self._open.pop(ending.place, None)
            endings.append(ending)
        return endings

    def asides(self, *, last: bool = False) -> Sequence[Output]:
        """None: such work measures no machine time."""
        return ()

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """The work's own."""
        return self._work.failure(message, refused, attempts=attempts)

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """Those whose thread had not begun."""
        given = [p for p in places if (future := self._open.get(p)) and future.cancel()]
        for place in given:
            del self._open[place]
        return given

    def close(self, *, timeout_s: float) -> None:
        """Let running threads end; the caller's drain has waited for them already."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._work.close()

    def _carry(self, message: Message) -> None:
        try:
            ending = Ending(place=message.place, outputs=tuple(self._work(message)))
        except Exception as error:  # noqa: BLE001 - the runner decides what each kind means
            ending = Ending(place=message.place, error=error)
        self._endings.put(ending)
