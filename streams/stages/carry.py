"""One record through work that blocks, to its end: retries, refusal, delivery, breaker.

What the runner does for a stage, for a host that has no runner (Faust): `carry` returns once the
record has ended and everything it brought about is with the broker. Knows no Kafka client.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

from schemas import metrics
from schemas.errors import Rejected, Transient, Unusable
from streams.kafka.dead_letter import dead_letter, without_value
from streams.loop.hops import about, told_refused
from streams.loop.verdicts import Breaker, backoff_ms, given_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.kafka.message import Message, Output
    from streams.loop.stage import Limits, Work
    from streams.ops import Ops

log = logging.getLogger("heddle.carry")

TURN_S: Final = 0.2
"""How often a record that the breaker holds back asks again."""
DELIVERY_S_MAX: Final = 330.0
"""Longer than the producer's own message timeout, so that its answer is heard."""


class Deliverer(Protocol):
    """A producer that waits for the broker's word; see `streams.kafka.producer.Producer`."""

    def deliver(self, outputs: Sequence[Output], *, timeout_s: float) -> None:
        """Return once the broker has all of them. Raises Transient or Rejected."""


class Carrier:
    """Carries records on as many threads as call it."""

    def __init__(self, work: Work, producer: Deliverer, *, limits: Limits, ops: Ops) -> None:
        self._work, self._producer, self._limits, self._ops = work, producer, limits, ops
        self._breaker = Breaker(errors_max=limits.breaker_errors_max, probe_ms=limits.probe_ms)
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._working = 0

    def hurry(self, *, yes: bool) -> None:
        """While set, a record that would have to wait is abandoned instead."""
        if yes:
            self._hurry.set()
        else:
            self._hurry.clear()

    @property
    def is_paused(self) -> bool:
        """Whether the breaker holds the stage."""
        return self._breaker.is_open

    def carry(self, message: Message) -> bool:
        """Return True once the record has ended, its outputs with the broker.

        False when it would have had to wait and was told to hurry. Raises what kept outputs from
        being delivered. In both cases it has not ended and its offset must not move.
        """
        begun_s = time.monotonic()
        name = self._work.name
        if message.value is None:
            self._ops.count(metrics.ENDED, name, "skipped")
            return True
        try:
            self._enter()
            try:
                outcome = self._end(message)
            finally:
                self._leave()
        except _Hurried:
            return False
        except _Undelivered as undelivered:
            raise undelivered.error from undelivered
        self._ops.count(metrics.ENDED, name, outcome)
        self._ops.observe(metrics.LATENCY, time.monotonic() - begun_s, name)
        return True

    def _end(self, message: Message) -> str:
        """Attempts until one ends the record; its outcome."""
        attempt = 1
        while True:
            try:
                self._deliver(self._outputs(message))
            except Rejected as refused:
                return self._refuse(message, refused, attempt)
            except (_Hurried, _Undelivered):
                raise
            except Transient as error:
                if attempt >= self._limits.tries_max:
                    return self._give_up(message, error, attempt)
                wait_ms = backoff_ms(self._limits, attempt, wished_ms=error.delay_ms)
                self._wait(wait_ms, error, message)
            except Exception as error:  # noqa: BLE001  The unexpected ends a record, not a worker.
                return self._give_up(message, error, attempt)
            else:
                with self._lock:
                    self._breaker.succeeded()
                return "done"
            attempt += 1

    def _outputs(self, message: Message) -> Sequence[Output]:
        try:
            return self._work(message)
        except Unusable as error:
            raise _Undelivered(error) from error

    def _give_up(self, message: Message, error: Exception, attempts: int) -> str:
        with self._lock:
            self._breaker.failed(now_ms=_now_ms())
        self._ops.gauge(metrics.PAUSED, float(self._breaker.is_open), self._work.name)
        return self._refuse(message, given_up(error, attempts, message), attempts)

    def _refuse(self, message: Message, refused: Rejected, attempts: int) -> str:
        """The raw record first, then the failure event."""
        told_refused(message, refused, attempts=attempts)
        if refused.dead_letter:
            self._lay_aside(dead_letter(message, self._work.name, refused))
            self._ops.count(metrics.DEAD_LETTERS, self._work.name, refused.field)
        failure = self._work.failure(message, refused, attempts=attempts)
        if failure is not None:
            self._deliver([failure])
        return refused.outcome

    def _lay_aside(self, letter: Output) -> None:
        """One that its topic does not take whole goes without the record's bytes."""
        try:
            self._deliver([letter])
        except Rejected:
            self._deliver([without_value(letter)])

    def _deliver(self, outputs: Sequence[Output]) -> None:
        try:
            self._producer.deliver(outputs, timeout_s=DELIVERY_S_MAX)
        except Rejected:
            raise
        except Exception as error:
            raise _Undelivered(error) from error
        for output in outputs:
            self._ops.count(metrics.PRODUCED, output.topic)

    def _wait(self, wait_ms: float, error: Transient, message: Message) -> None:
        self._ops.count(metrics.RETRIES, self._work.name)
        fields = {"wait_ms": wait_ms, "why": error.reason}
        log.info("trying again", extra=about(message) | fields)
        if self._hurry.wait(wait_ms / 1000):
            raise _Hurried

    def _enter(self) -> None:
        """Begin when the breaker admits it."""
        while not self._admitted():
            if self._hurry.wait(TURN_S):
                raise _Hurried

    def _admitted(self) -> bool:
        with self._lock:
            admitted = self._breaker.admits(now_ms=_now_ms(), in_flight=self._working)
            self._working += admitted
        self._ops.gauge(metrics.PAUSED, float(self._breaker.is_open), self._work.name)
        self._ops.gauge(metrics.IN_FLIGHT, self._working, self._work.name)
        return admitted

    def _leave(self) -> None:
        with self._lock:
            self._working -= 1
        self._ops.gauge(metrics.IN_FLIGHT, self._working, self._work.name)


class _Hurried(Exception):
    """The record was waiting, not working, when it was told to hurry."""


class _Undelivered(Exception):
    """Broker or shelf do not take it from us: the worker's trouble, not the record's."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _now_ms() -> float:
    return time.monotonic() * 1000
