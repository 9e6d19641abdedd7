"""The end of a record without a result: its raw bytes to the dead letters, then the failure event.

In this order, so that no failure is announced whose record could be lost. A letter that its topic
does not take whole goes out once more without the record's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from schemas import metrics
from streams.kafka.dead_letter import dead_letter, without_value
from streams.loop.hops import told_refused

if TYPE_CHECKING:
    from schemas.errors import Rejected
    from streams.kafka.message import Output
    from streams.loop.stage import Stage
    from streams.loop.tracked import InFlight
    from streams.ops import Ops

Send = Callable[["InFlight", Sequence[Sequence["Output"]], str], None]
"""Delivers waves of outputs; the record ends with this outcome once they are with the broker."""


class Refusals:
    """Ends records; owned by the runner's thread."""

    def __init__(self, stage: Stage, ops: Ops, send: Send) -> None:
        self._stage, self._ops, self._send = stage, ops, send

    def end(self, flight: InFlight, refused: Rejected) -> None:
        """End a record for this reason."""
        flight.refused = refused
        told_refused(flight.message, refused, attempts=flight.attempts)
        if refused.dead_letter:
            self._ops.count(metrics.DEAD_LETTERS, self._stage.name, refused.field)
        self._tell(flight, refused, dead_letter(flight.message, self._stage.name, refused))

    def too_large(self, flight: InFlight, trouble: Rejected) -> bool:
        """The broker did not take what was sent. A result is refused for it, a letter is cut.

        False where there is nothing left to cut.
        """
        if flight.cut:
            return False
        if flight.refused is None:
            self.end(flight, trouble)
        else:
            flight.cut = True
            letter = dead_letter(flight.message, self._stage.name, flight.refused)
            self._tell(flight, flight.refused, without_value(letter))
        return True

    def _tell(self, flight: InFlight, refused: Rejected, letter: Output) -> None:
        failure = self._stage.failure(flight.message, refused, attempts=flight.attempts)
        letters = [letter] if refused.dead_letter else []
        self._send(flight, [letters, [failure] if failure is not None else []], refused.outcome)
