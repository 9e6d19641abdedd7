"""The consumer: one thread owns it. Pause, resume, commit with metadata, rebalance.

Always incremental: under `consumer` (KIP-848) and under `classic` with cooperative-sticky. Prefetch
is kept small, because `pause` throws it away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import Transient, Unusable
from streams.kafka.connection import Connection, broker_errors, translated
from streams.kafka.message import Message, Place

log = logging.getLogger("heddle.kafka")

ANSWER_S_MAX: Final = 10.0
AGAIN_S: Final = 0.2
POLL_MS_MAX: Final = 300_000
"""A worker that does not poll for so long is taken for dead by the group."""
SESSION_MS: Final = 10_000
PREFETCH_RECORDS: Final = 500
PREFETCH_KBYTES: Final = 8_192
_PASSING: Final = frozenset(
    {
        KafkaError._PARTITION_EOF,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)


class Share(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


class Committed(NamedTuple):
    """Where a group goes on in one partition."""

    offset: int
    """Committed; the first offset there is where nothing was, or nothing valid any more."""
    metadata: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What to commit for one partition."""

    share: Share
    offset: int
    metadata: str


class Rebalance(NamedTuple):
    """Called inside `take`, on its thread, when partitions come and go."""

    assigned: Callable[[dict[Share, Committed]], None]
    """Gets where each new partition goes on."""
    revoked: Callable[[Sequence[Share]], None]
    """Last chance to finish and commit."""
    lost: Callable[[Sequence[Share]], None]
    """Already somebody else's: nothing may be committed."""


class Intake:
    """Records of some topics for one consumer group."""

    def __init__(
        self, connection: Connection, *, group: str, client_id: str, topics: Sequence[str]
    ) -> None:
        self._topics = list(topics)
        self._rebalance: Rebalance | None = None
        self._anew: set[Share] = set()
        self._put_off: set[Share] = set()
        own = {"on_commit": self._on_commit}
        with broker_errors():
            self._consumer = Consumer(_config(connection, group, client_id) | own)

    def start(self, rebalance: Rebalance) -> None:
        """Join the group. Raises Unusable where a topic is missing or forbidden."""
        self._rebalance = rebalance
        with broker_errors():
            self._consumer.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )

    def take(self, records_max: int, *, timeout_s: float) -> list[Message]:
        """At most `records_max` records; waits for the first only. Raises Unusable."""
        with broker_errors():
            first = self._consumer.poll(timeout_s)
            if first is None:
                return []
            self._anew.clear()
            more = self._consumer.consume(records_max - 1, 0) if records_max > 1 else []
        # A partition that was given to us once more meanwhile is read from its mark on.
        again = (first.topic(), first.partition()) in self._anew
        raws = more if again else [first, *more]
        return [taken for raw in raws if (taken := message_of(raw)) is not None]

    def pause(self, shares: Iterable[Share]) -> None:
        """Stop fetching; polling goes on."""
        if parts := [TopicPartition(*share) for share in shares]:
            with broker_errors():
                self._consumer.pause(parts)

    def resume(self, shares: Iterable[Share]) -> None:
        """Fetch again."""
        if parts := [TopicPartition(*share) for share in shares]:
            with broker_errors():
                self._consumer.resume(parts)

    def commit(self, commits: Sequence[Commit], *, wait: bool) -> bool:
        """Commit; False when it has to be tried again (a rebalance is under way, no broker)."""
        parts = [
            TopicPartition(item.share.topic, item.share.partition, item.offset, item.metadata)
            for item in commits
        ]
        if not parts:
            return True
        try:
            if wait:
                self._consumer.commit(offsets=parts, asynchronous=False)
            else:
                self._consumer.commit(offsets=parts, asynchronous=True)
        except KafkaException as error:
            log.info("commit put off", extra={"error": str(error.args[0])})
            return False
        return True

    def put_off(self) -> set[Share]:
        """Partitions whose commit without waiting failed after all, since the last call."""
        found, self._put_off = self._put_off, set()
        return found

    def ends(self) -> dict[Share, tuple[int, int]]:
        """(first, end) offsets of the assigned partitions, as last fetched; -1001 is unknown."""
        with broker_errors():
            return {
                Share(part.topic, part.partition): self._consumer.get_watermark_offsets(
                    part, cached=True
                )
                for part in self._consumer.assignment()
            }

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, consumer: Any, parts: list[TopicPartition]) -> None:
        if not parts or self._rebalance is None:
            return
        with broker_errors():
            answered = consumer.committed(parts, timeout=ANSWER_S_MAX)
        known = {Share(part.topic, part.partition): _start(consumer, part) for part in answered}
        for part in parts:
            part.offset = known[Share(part.topic, part.partition)].offset
        self._anew.update(known)
        self._rebalance.assigned(known)
        consumer.incremental_assign(parts)

    def _on_commit(self, error: Any, parts: list[TopicPartition]) -> None:
        """Called while polling, with the broker's word on a commit nobody waited for."""
        refused = {Share(p.topic, p.partition) for p in parts if error is not None or p.error}
        if refused:
            why = error or next(part.error for part in parts if part.error)
            log.info("commit put off", extra={"error": str(why), "shares": len(refused)})
            self._put_off |= refused

    def _on_revoke(self, consumer: Any, parts: list[TopicPartition]) -> None:
        if self._rebalance is not None:
            self._rebalance.revoked([Share(part.topic, part.partition) for part in parts])
        consumer.incremental_unassign(parts)

    def _on_lost(self, consumer: Any, parts: list[TopicPartition]) -> None:
        if self._rebalance is not None:
            self._rebalance.lost([Share(part.topic, part.partition) for part in parts])
        consumer.incremental_unassign(parts)


def _config(connection: Connection, group: str, client_id: str) -> dict[str, Any]:
    protocol = connection.group_protocol
    if protocol not in {"consumer", "classic"}:
        message = f"HEDDLE_GROUP_PROTOCOL is {protocol!r}: one of consumer, classic"
        raise Unusable(message)
    own = {
        "group.id": group,
        "group.protocol": protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "max.poll.interval.ms": POLL_MS_MAX,
        "queued.min.messages": PREFETCH_RECORDS,
        "queued.max.messages.kbytes": PREFETCH_KBYTES,
        "fetch.queue.backoff.ms": 100,
    }
    if protocol == "consumer":
        # The broker's own choice evens out the sum of partitions over all topics: with two workers
        # one had all of a tier and the other stood idle. By range each topic is shared by itself.
        own["group.remote.assignor"] = "range"
    if protocol == "classic":
        own |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_MS,
        }
    return own | connection.config(client_id=client_id)


def ends_of(consumer: Any, part: TopicPartition) -> tuple[int, int]:
    """(first, end) of a partition; asks again while a new leader is being found.

    Raises Transient when that takes longer than `ANSWER_S_MAX`, Unusable for what stays.
    """
    deadline_s = time.monotonic() + ANSWER_S_MAX
    while True:
        try:
            with broker_errors():
                first, end = consumer.get_watermark_offsets(part, timeout=ANSWER_S_MAX)
                return int(first), int(end)
        except Transient:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(AGAIN_S)


def _start(consumer: Any, part: TopicPartition) -> Committed:
    """Where to go on; a topic that was made anew may have ended before the committed offset."""
    first, end = ends_of(consumer, part)
    if part.offset == OFFSET_INVALID:
        return Committed(first, "")
    if not first <= part.offset <= end:
        fields = {"topic": part.topic, "partition": part.partition, "first": first, "end": end}
        line = "the committed offset is no longer there; records before the first are gone"
        log.warning(line, extra=fields | {"committed": part.offset})
        return Committed(first, "")
    return Committed(int(part.offset), part.metadata or "")


def message_of(raw: Any) -> Message | None:
    """Our message; None for an error that passes by itself. Raises Unusable for one that stays."""
    error = raw.error()
    if error is not None:
        if error.code() in _PASSING:
            return None
        meaning = translated(error, about=raw.topic() or "")
        if isinstance(meaning, Transient):
            log.warning("kafka", extra={"error": error.str()})
            return None
        raise meaning
    _, timestamp_ms = raw.timestamp()
    return Message(
        Place(raw.topic(), raw.partition(), raw.offset()),
        raw.key(),
        raw.value(),
        tuple(raw.headers() or ()),
        max(timestamp_ms, 0),
    )
