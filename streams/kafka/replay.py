"""Topics read whole, without a group: settings, the pattern book, wishes to stop, dead letters.

`Follower` reads every partition to the end before it is ready, then follows on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.errors import EXIT_TOPICS, HeddleError, Transient, Unusable
from streams.kafka.connection import Connection, broker_errors, translated
from streams.kafka.consumer import ANSWER_S_MAX, ends_of, message_of
from streams.kafka.message import Message

log = logging.getLogger("heddle.kafka")

BATCH_MAX: Final = 500
POLL_S: Final = 0.5


def read_all(
    connection: Connection, names: Sequence[str], *, timeout_s: float
) -> Iterator[Message]:
    """Every record that is in `names` now, partition by partition in order. Raises Transient."""
    reader = _Reader(connection, names)
    try:
        yield from reader.to_end(timeout_s=timeout_s)
    finally:
        reader.close()


class Follower:
    """Calls `apply` with every record of some topics, oldest first, and goes on for ever.

    `apply` runs on the caller's thread during `start` and on the follower's afterwards. What may
    pass (Transient) is tried again until it does; a record that surprises is noted and skipped.
    """

    def __init__(
        self, connection: Connection, names: Sequence[str], apply: Callable[[Message], None]
    ) -> None:
        self._connection, self._names, self._apply = connection, names, apply
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="follower")
        self._reader: _Reader | None = None

    def start(self, *, timeout_s: float) -> None:
        """Read to the end, then follow. Raises Transient or Unusable when that does not succeed."""
        self._reader = _Reader(self._connection, self._names)
        for message in self._reader.to_end(timeout_s=timeout_s):
            self._apply(message)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_S_MAX)

    def _follow(self) -> None:
        reader = self._reader
        if reader is None:
            return
        while not self._stop.is_set():
            try:
                for message in reader.take(POLL_S):
                    self._take(message)
            except (Transient, Unusable) as error:
                log.warning("following", extra={"topics": list(self._names), "error": str(error)})
                self._stop.wait(POLL_S)
        reader.close()

    def _take(self, message: Message) -> None:
        """Apply one record; none is left out because something was away for a moment."""
        while not self._stop.is_set():
            try:
                self._apply(message)
            except Transient as error:
                fields = {"place": message.place, "why": error.reason}
                log.warning("applying again", extra=fields)
                self._stop.wait(POLL_S)
            except Exception as error:  # noqa: BLE001 - one record must not end the following
                fields = {"place": message.place, "kind": type(error).__name__}
                log.error("record skipped", extra=fields)
                return
            else:
                return


class _Reader:
    def __init__(self, connection: Connection, names: Sequence[str]) -> None:
        config: dict[str, Any] = {
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 500,
            "queued.max.messages.kbytes": 4096,
            # librdkafka wants a name and looks for its coordinator, so it must be one that we may
            # describe; nothing is ever committed and no group is joined.
            "group.id": connection.group or f"none-{uuid.uuid4()}",
        }
        with broker_errors():
            self._consumer = Consumer(config | connection.config())
            known = self._consumer.list_topics(timeout=ANSWER_S_MAX).topics
        self._parts: list[TopicPartition] = []
        for name in names:
            if name not in known or not known[name].partitions:
                refused = self._why_not(name)
                self._consumer.close()
                raise refused
            self._parts += [
                TopicPartition(name, number, OFFSET_BEGINNING) for number in known[name].partitions
            ]
        with broker_errors():
            self._consumer.assign(self._parts)

    def _why_not(self, name: str) -> HeddleError:
        """A topic that we may not describe is hidden from lists; asked by name it is refused."""
        with broker_errors():
            about = self._consumer.list_topics(name, timeout=ANSWER_S_MAX).topics[name]
        if about.error is not None:
            return translated(about.error, about=name)
        line = f"topic {name} is missing; create it with `heddle topics apply`"
        return Unusable(line, exit_code=EXIT_TOPICS)

    def to_end(self, *, timeout_s: float) -> Iterator[Message]:
        deadline_s = time.monotonic() + timeout_s
        ends = {(part.topic, part.partition): ends_of(self._consumer, part) for part in self._parts}
        left = {share for share, (first, end) in ends.items() if end > first}
        while left:
            if time.monotonic() > deadline_s:
                raise Transient(f"topics not read to the end within {timeout_s:g} s")
            yield from self.take(0.1)
            with broker_errors():
                for part in self._consumer.position([TopicPartition(*share) for share in left]):
                    if part.offset >= ends[part.topic, part.partition][1]:
                        left.discard((part.topic, part.partition))

    def take(self, timeout_s: float) -> list[Message]:
        with broker_errors():
            first = self._consumer.poll(timeout_s)
            if first is None:
                return []
            more = self._consumer.consume(BATCH_MAX, 0)
        return [taken for raw in (first, *more) if (taken := message_of(raw)) is not None]

    def close(self) -> None:
        self._consumer.close()
