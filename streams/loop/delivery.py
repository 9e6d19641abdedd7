"""Outputs of one record in waves: each wave is with the broker before the next is sent.

A refusal goes out in two waves, the raw record first, so that no failure is ever announced whose
record could be lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.errors import HeddleError, Transient

if TYPE_CHECKING:
    from streams.kafka.message import Output
    from streams.kafka.producer import Producer

Done = Callable[[HeddleError | None], None]
"""Called once: None when every wave is with the broker, else the first trouble."""


@dataclass(slots=True)
class _Sending:
    waves: deque[Sequence[Output]]
    done: Done
    left: int = 0
    trouble: HeddleError | None = None


@dataclass(slots=True)
class Delivery:
    """Sends waves of outputs; owned by the runner's thread."""

    producer: Producer
    on_sent: Callable[[Output], None] = lambda output: None
    """Called for each output that the broker has."""
    _full: deque[_Sending] = field(default_factory=deque)

    def send(self, waves: Sequence[Sequence[Output]], done: Done) -> None:
        """Begin; `done` may be called at once when there is nothing to send."""
        self._next(_Sending(deque(wave for wave in waves if wave), done))

    def poll(self) -> None:
        """Run callbacks; go on with what the producer had no room for."""
        self.producer.poll(0)
        for _ in range(len(self._full)):
            self._next(self._full.popleft())

    def _next(self, sending: _Sending) -> None:
        if not sending.waves or sending.trouble is not None:
            sending.done(sending.trouble)
            return
        wave = sending.waves.popleft()
        sending.left = len(wave)
        for index, output in enumerate(wave):
            try:
                self.producer.send(output, self._counter(sending, output))
            except Transient:
                sending.left -= len(wave) - index
                sending.waves.appendleft(wave[index:])
                if not sending.left:
                    self._full.append(sending)
                return
            except HeddleError as refused:
                # Too large even for our own client: known before anything is sent.
                self._counter(sending, output)(refused)

    def _counter(self, sending: _Sending, output: Output) -> Done:
        def count(trouble: HeddleError | None) -> None:
            sending.left -= 1
            if trouble is None:
                self.on_sent(output)
            else:
                sending.trouble = sending.trouble or trouble
            if not sending.left:
                self._next(sending)

        return count
