"""The loop that every stage of ours turns in; it alone decides retry, pause and dead letter.

One turn:
    1. poll      take records, as many as there are free places; keep polling when there are none
    2. submit    offer them to the stage until it is full; what it does not take is held back
    3. pause     partitions with records held back; resume the others
    4. collect   what the stage has ended; a failure is tried again, refused, or put aside
    5. durable   an ending is only given once its effects are on the shelf (the stage's promise)
    6. produce   outputs, and await their delivery
    7. move      the watermark, and commit it at most once per `commit_ms`

One thread owns consumer, ledgers and stage. A broker that goes away stops nothing but step 7.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from schemas import metrics
from schemas.errors import Busy, Deadly, HeddleError, Rejected, Transient, Unusable
from streams.kafka.consumer import Committed, Intake, Rebalance, Share
from streams.loop.alone import Alone
from streams.loop.delivery import Delivery
from streams.loop.gauges import Gauges
from streams.loop.hops import about
from streams.loop.refusals import Refusals
from streams.loop.stage import Ending, Limits, Stage
from streams.loop.tracked import InFlight, Tracked, share_of, tracked
from streams.loop.verdicts import Breaker, Retries, backoff_ms, given_up

if TYPE_CHECKING:
    from streams.kafka.message import Message, Output, Place
    from streams.kafka.producer import Producer
    from streams.loop.hops import Hops
    from streams.ops import Ops

log = logging.getLogger("heddle.loop")

FULL_MS_MAX: Final = 1_000
"""While the stage is full the group is polled this often: pausing would throw the prefetch away."""


class Runner:
    """One stage between its topics."""

    def __init__(
        self,
        stage: Stage,
        *,
        intake: Intake,
        producer: Producer,
        limits: Limits,
        ops: Ops,
        hops: Hops | None = None,
    ) -> None:
        self._stage, self._intake, self._limits, self._ops = stage, intake, limits, ops
        self._hops = hops
        self._delivery = Delivery(producer, self._sent)
        self._producer = producer
        self._shares: dict[Share, Tracked] = {}
        self._in_flight: dict[Place, InFlight] = {}
        self._retries = Retries()
        self._breaker = Breaker(errors_max=limits.breaker_errors_max, probe_ms=limits.probe_ms)
        self._alone = Alone(lambda commit: intake.commit([commit], wait=True))
        self._refusals = Refusals(stage, ops, self._deliver)
        self._trouble: HeddleError | None = None
        self._committed_ms = 0.0
        self._polled_ms = 0.0
        self._gauges = Gauges(ops, intake, stage.name, every_ms=limits.commit_ms)
        self._started_ms = time.time() * 1000

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop`, then drain. Raises Unusable or Transient when it cannot go on."""
        self.open()
        try:
            while not stop.is_set() and self._trouble is None:
                self.turn()
            self.drain()
        finally:
            self.close()
        if self._trouble is not None:
            raise self._trouble

    def open(self) -> None:
        """Get the stage ready and join the group. Raises Unusable or Transient."""
        self._stage.open()
        self._intake.start(Rebalance(self._assigned, self._revoked, self._lost))

    def close(self) -> None:
        """Leave the group. What a drain has not ended is nobody's any more, so nothing waits for
        it; without a drain the open marks stay."""
        self._lost(list(self._shares))
        self._stage.close(timeout_s=self._limits.close_ms_max / 1000)
        self._intake.close()
        if self._hops is not None:
            self._hops.close()

    def turn(self) -> None:
        """One turn; the numbers are those of the module."""
        self._ops.beat()
        self._poll()  # 1
        self._submit_held()  # 2
        self._pause()  # 3
        self._collect()  # 4, 5
        self._delivery.poll()  # 6
        self._commit()  # 7
        self._measure()

    # 1. poll ------------------------------------------------------------------------------------

    def _poll(self) -> None:
        busy = bool(self._in_flight) or any(share.held for share in self._shares.values())
        wait_ms = self._limits.busy_poll_ms if busy else self._limits.idle_poll_ms
        free = self._limits.in_flight_max - len(self._in_flight)
        now_ms = _now_ms()
        if free <= 0 and now_ms - self._polled_ms < FULL_MS_MAX:
            self._producer.poll(wait_ms / 1000)
            return
        self._polled_ms = now_ms
        wanted = max(1, min(self._limits.records_max, free))
        for message in self._intake.take(wanted, timeout_s=wait_ms / 1000):
            share = self._shares.get(share_of(message.place))
            if share is not None:
                share.held.append(message)

    # 2. submit ----------------------------------------------------------------------------------

    def _submit_held(self) -> None:
        now_ms = _now_ms()
        for message in self._retries.due(now_ms=now_ms):
            if message.place in self._in_flight:
                self._again(message, now_ms)
        for share in self._shares.values():
            while share.held and self._offer(share, share.held[0], now_ms):
                share.held.popleft()

    def _offer(self, share: Tracked, message: Message, now_ms: float) -> bool:
        """Begin the record if it may; whether it has left the held ones."""
        place = message.place
        if share.ledger.was_finished(place.offset):
            share.ledger.take(place.offset)
            self._ops.count(metrics.ENDED, self._stage.name, "repeated")
            return True
        if not self._may_begin(share, message, now_ms):
            return False
        if message.value is None and not self._stage.takes_tombstones:
            share.ledger.take(place.offset)
            share.ledger.finish(place.offset)
            self._ops.count(metrics.ENDED, self._stage.name, "skipped")
            return True
        if share.careful and not self._begin_alone(share, message):
            return False
        try:
            self._stage.submit(message)
        except Busy:
            self._alone.spared([place])
            return False
        except HeddleError as error:
            self._took(share, message, now_ms)
            self._failed(place, error)
            return True
        self._took(share, message, now_ms)
        if self._alone:
            self._stage.hurry()
        return True

    def _may_begin(self, share: Tracked, message: Message, now_ms: float) -> bool:
        if self._alone or len(self._in_flight) >= self._limits.in_flight_max:
            return False
        if share.ledger.is_full() or not self._marked(share):
            return False
        if share.careful and message.timestamp_ms > self._started_ms:
            share.careful = 0
        if share.careful and self._in_flight:
            return False
        return self._breaker.admits(now_ms=now_ms, in_flight=len(self._in_flight))

    def _marked(self, share: Tracked) -> bool:
        """Before the first record of a partition begins, the broker holds an open mark."""
        if not share.known and (commit := share.commit()) is not None:
            if not self._intake.commit([commit], wait=True):
                return False
            share.noted(commit)
        return True

    def _begin_alone(self, share: Tracked, message: Message) -> bool:
        """Commit `trying`; False where this record has killed its workers and was put aside."""
        deaths = share.deaths_of(message.place.offset)
        if not self._alone.begin(share, message.place):
            return False
        if deaths < self._limits.deaths_max:
            return True
        share.held.popleft()
        self._took(share, message, _now_ms())
        limit = f"{self._limits.deaths_max} deaths with it alone in flight"
        reason = f"a {self._stage.name} worker died of this record"
        self._failed(message.place, Deadly(reason, field="value", limit=limit, outcome="failed"))
        return False

    def _took(self, share: Tracked, message: Message, now_ms: float) -> None:
        share.ledger.take(message.place.offset)
        self._in_flight[message.place] = InFlight(message, now_ms)
        self._ops.count(metrics.CONSUMED, message.place.topic)

    def _again(self, message: Message, now_ms: float) -> None:
        """Offer a record once more whose failure may have passed."""
        flight = self._in_flight[message.place]
        try:
            self._stage.submit(message)
            flight.attempts += 1
            self._ops.count(metrics.RETRIES, self._stage.name)
        except Busy as busy:
            self._retries.put(message, due_ms=now_ms + max(busy.delay_ms, 10))
        except HeddleError as error:
            flight.attempts += 1
            self._failed(message.place, error)

    # 3. pause -----------------------------------------------------------------------------------

    def _pause(self) -> None:
        changed = [share for share in self._shares.values() if share.paused != bool(share.held)]
        self._intake.pause(share.share for share in changed if not share.paused)
        self._intake.resume(share.share for share in changed if share.paused)
        for share in changed:
            share.paused = not share.paused

    # 4. collect ---------------------------------------------------------------------------------

    def _collect(self) -> None:
        for ending in self._stage.collect():
            if ending.place in self._in_flight:
                self._end(ending)
        for output in self._stage.asides():
            self._delivery.send([[output]], self._aside_sent)

    def _end(self, ending: Ending) -> None:
        if ending.error is not None:
            self._failed(ending.place, ending.error)
            return
        self._breaker.succeeded()
        self._deliver(self._in_flight[ending.place], [ending.outputs], ending.outcome)

    def _failed(self, place: Place, error: Exception) -> None:
        flight = self._in_flight[place]
        if isinstance(error, Unusable):
            # The worker's trouble and not the record's, which waits for a worker that can.
            self._trouble = self._trouble or error
            self._unbegun([place])
            return
        if isinstance(error, Rejected):
            self._refusals.end(flight, error)
            return
        if isinstance(error, Transient) and flight.attempts < self._limits.tries_max:
            wait_ms = backoff_ms(self._limits, flight.attempts, wished_ms=error.delay_ms)
            fields = {"wait_ms": wait_ms, "why": error.reason, "attempts": flight.attempts}
            log.info("trying again", extra=about(flight.message) | fields)
            self._retries.put(flight.message, due_ms=_now_ms() + wait_ms)
            return
        self._breaker.failed(now_ms=_now_ms())
        self._refusals.end(flight, given_up(error, flight.attempts, flight.message))

    # 6. produce ---------------------------------------------------------------------------------

    def _deliver(self, flight: InFlight, waves: Sequence[Sequence[Output]], outcome: str) -> None:
        place = flight.message.place

        def done(trouble: HeddleError | None) -> None:
            if trouble is None:
                self._finish(place, outcome)
                return
            if isinstance(trouble, Rejected):
                here = self._in_flight.get(place)
                # A record that has left with its partition is its new owner's to refuse.
                if here is None or self._refusals.too_large(here, trouble):
                    return
            self._trouble = trouble

        self._delivery.send(waves, done)

    def _finish(self, place: Place, outcome: str) -> None:
        flight = self._in_flight.pop(place, None)
        if flight is None:
            return
        share = self._shares[share_of(place)]
        share.ledger.finish(place.offset)
        self._alone.ended(place)
        self._ops.count(metrics.ENDED, self._stage.name, outcome)
        took_ms = _now_ms() - flight.taken_ms
        self._ops.observe(metrics.LATENCY, took_ms / 1000, self._stage.name)
        if log.isEnabledFor(logging.DEBUG):
            fields = {"outcome": outcome, "took_ms": round(took_ms, 1)}
            log.debug("ended", extra=about(flight.message) | fields)
        if self._hops is not None:
            self._hops.ended(flight, outcome, took_ms=took_ms)

    def _sent(self, output: Output) -> None:
        self._ops.count(metrics.PRODUCED, output.topic)

    def _aside_sent(self, trouble: HeddleError | None) -> None:
        self._trouble = self._trouble or trouble

    # 7. move ------------------------------------------------------------------------------------

    def _commit(self) -> None:
        for share in self._intake.put_off():
            if share in self._shares:
                self._shares[share].uncommitted()
        now_ms = _now_ms()
        if now_ms - self._committed_ms >= self._limits.commit_ms:
            self._committed_ms = now_ms
            self._commit_now(self._shares.values(), wait=False, clean=False)

    def _commit_now(self, shares: Iterable[Tracked], *, wait: bool, clean: bool) -> None:
        due = [
            (share, commit)
            for share in shares
            if (share.known or clean) and (commit := share.commit(clean=clean)) is not None
        ]
        if due and self._intake.commit([commit for _, commit in due], wait=wait):
            for share, commit in due:
                share.noted(commit)

    # rebalance and end --------------------------------------------------------------------------

    def _assigned(self, known: dict[Share, Committed]) -> None:
        careful_max = self._limits.careful_max
        for share, committed in known.items():
            self._shares[share] = tracked(
                share, committed, committed.offset, careful_max=careful_max
            )
        self._ops.ready("assigned", yes=True)
        log.info("partitions assigned", extra={"shares": len(known)})

    def _revoked(self, shares: Sequence[Share]) -> None:
        """Finish what is in flight there within the budget; the rest is left to its new owner."""
        self._end_in_flight(shares, deadline_ms=_now_ms() + self._limits.revoke_ms_max)
        self._commit_clean([self._shares[share] for share in shares if share in self._shares])
        self._lost(shares)

    def _lost(self, shares: Sequence[Share]) -> None:
        self._unbegun([place for place in self._in_flight if share_of(place) in set(shares)])
        for share in shares:
            self._shares.pop(share, None)

    def drain(self) -> None:
        """Finish what has begun within the budget, leave a clean mark."""
        self._ops.ready("draining", yes=False)
        deadline_ms = _now_ms() + self._limits.drain_ms_max
        self._end_in_flight(list(self._shares), deadline_ms=deadline_ms)
        for output in self._stage.asides(last=True):
            self._delivery.send([[output]], self._aside_sent)
        self._producer.flush(timeout_s=max(deadline_ms - _now_ms(), 1_000) / 1000)
        log.info("drained", extra={"unfinished": len(self._in_flight)})
        self._commit_clean(list(self._shares.values()))

    def _end_in_flight(self, shares: Sequence[Share], *, deadline_ms: float) -> None:
        """Let what has begun there end; what has not, or waits for another try, is given back."""
        leaving = set(shares)
        places = {place for place in self._in_flight if share_of(place) in leaving}
        self._unbegun([*self._stage.surrender(places), *self._retries.forget(places)])
        while any(share_of(p) in leaving for p in self._in_flight) and _now_ms() < deadline_ms:
            if self._trouble is not None:
                return
            self._collect_once()

    def _commit_clean(self, shares: Sequence[Tracked]) -> None:
        """The mark of an end in peace: what is still in flight kills nobody."""
        leaving = {tracked.share for tracked in shares}
        self._alone.spared([place for place in self._in_flight if share_of(place) in leaving])
        self._commit_now(shares, wait=True, clean=True)

    def _collect_once(self) -> None:
        self._ops.beat()
        self._collect()
        self._delivery.poll()
        time.sleep(self._limits.busy_poll_ms / 1000)

    def _unbegun(self, places: Collection[Place]) -> None:
        """Nobody's death and nobody's end: these stay unfinished and are done again."""
        self._retries.forget(places)
        self._alone.spared(places)
        for place in places:
            self._in_flight.pop(place, None)

    def _measure(self) -> None:
        self._gauges.note(self._shares, self._in_flight, breaker_open=self._breaker.is_open)


def _now_ms() -> float:
    return time.monotonic() * 1000
