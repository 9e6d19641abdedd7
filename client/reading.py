"""Result events off Kafka: decoded, each once, in at-least-once order of commits.

A record that cannot be decoded is skipped with a line in the log: it is a fault of its producer,
and a reader that stopped there would stop for ever.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from schemas import topics
from schemas.errors import Transient, Undecodable, Unusable
from schemas.records import AssetPublished, PatternFailed, RequestCompleted

from . import kafka

if TYPE_CHECKING:
    from schemas.codec import Codec

Event = AssetPublished | PatternFailed | RequestCompleted
"""What a consumer of results meets."""

KINDS: Final[dict[type[Event], topics.Topic]] = {
    AssetPublished: topics.PUBLISHED,
    PatternFailed: topics.FAILED,
    RequestCompleted: topics.COMPLETED,
}
SEEN_MAX: Final = 100_000
"""Event ids remembered by one reader; a repetition further apart than that comes through."""
POLL_S: Final = 0.5
METADATA_S: Final = 15.0
"""How long opening a reader goes on asking a broker that does not answer."""
NEW_TOPIC_S: Final = 3.0
_TRIES_MAX: Final = 5
_BACKOFF_S: Final = 1.0
_RETRY_S: Final = 0.2
_ASK_S: Final = 5.0
_DEFAULTS: Final[Mapping[str, str]] = {
    "queued.min.messages": "1000",
    "queued.max.messages.kbytes": "16384",
}


class Seen:
    """Which ids were met, the newest `ids_max` of them."""

    def __init__(self, ids_max: int = SEEN_MAX) -> None:
        self._ids_max = ids_max
        self._ids: OrderedDict[str, None] = OrderedDict()

    def again(self, event_id: str) -> bool:
        """Whether the id was met before; from now on it was."""
        known = event_id in self._ids
        self._ids[event_id] = None
        self._ids.move_to_end(event_id)
        if len(self._ids) > self._ids_max:
            self._ids.popitem(last=False)
        return known


class Results:
    """Result events, each once. Iterate, or ask with `poll`; close it, or use it in a `with`.

    In a group an event counts as handled once the caller comes back for the next one, and is
    committed soon after; on `close` the last one handed out stays uncommitted and comes again.
    """

    def __init__(
        self,
        consumer: Any,
        *,
        kinds: Mapping[str, type[Event]],
        codec: Codec,
        commits: bool,
        partitions: int = 0,
    ) -> None:
        self._consumer = consumer
        self._kinds = kinds
        self._codec = codec
        self._commits = commits
        self._partitions = partitions
        self._ended: set[tuple[str, int]] = set()
        self._seen = Seen()
        self._handed_out: Any = None
        self._lock = threading.Lock()
        self._closed = False

    def __iter__(self) -> Self:
        """Events for ever, until `close`."""
        return self

    def __next__(self) -> Event:
        """The next event, however long it takes."""
        while not self._closed:
            event = self.poll(POLL_S)
            if event is not None:
                return event
        raise StopIteration

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def caught_up(self) -> bool:
        """Whether every partition was read to its end at least once (readers without a group)."""
        return len(self._ended) >= self._partitions

    def poll(self, timeout_s: float) -> Event | None:
        """The next event, or None when nothing came within about `timeout_s`.

        None may come early, when a repeated event was left out. Raises Transient where the
        broker's or registry's trouble may pass (call again), Unusable where it will not.
        """
        with self._lock:
            if self._closed:
                return None
            self._handled()
            message = self._consumer.poll(timeout_s)
            if message is None:
                return None
            if message.error() is not None:
                self._judge(message)
                return None
            event = self._decoded(message)
            self._handed_out = message
            return None if event is None or self._seen.again(event.event_id) else event

    def close(self) -> None:
        """Leave the group; commits what was handled. Waits for a `poll` in another thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._consumer.close()

    def _handled(self) -> None:
        message, self._handed_out = self._handed_out, None
        if message is None or not self._commits:
            return
        try:
            self._consumer.store_offsets(message=message)
        except KafkaException as error:
            # Revoked meanwhile: the partition's new owner hands the event out again.
            kafka.LOG.debug("offset not stored: %s", error)

    def _judge(self, message: Any) -> None:
        error = message.error()
        if error.code() == KafkaError._PARTITION_EOF:
            self._ended.add((message.topic(), message.partition()))
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            # The caller was away longer than the group waits; polling joins it again.
            kafka.LOG.warning("left the group meanwhile: %s", error.str())
        elif error.fatal() or not error.retriable():
            raise kafka.translated(error, "reading results")

    def _decoded(self, message: Any) -> Event | None:
        value = message.value()
        if value is None:
            return None
        for attempt in range(1, _TRIES_MAX + 1):
            try:
                return self._codec.decode(value, self._kinds[message.topic()])
            except Undecodable as error:
                place = f"{message.topic()}/{message.partition()}/{message.offset()}"
                kafka.LOG.warning("skipped %s: %s, limit %s", place, error.reason, error.limit)
                return None
            except Transient:
                if attempt == _TRIES_MAX:
                    self._rewind(message)
                    raise
                time.sleep(_BACKOFF_S)
        return None

    def _rewind(self, message: Any) -> None:
        """The same record comes again at the next poll."""
        place = TopicPartition(message.topic(), message.partition(), message.offset())
        self._consumer.seek(place)


def in_group(
    bootstrap: str,
    names: Mapping[str, type[Event]],
    *,
    group: str,
    codec: Codec,
    from_beginning: bool,
    config: Mapping[str, str],
) -> Results:
    """A reader that shares the topics with the other members of `group`.

    Raises Transient when no broker answers, Unusable when a topic is missing.
    """
    start = "earliest" if from_beginning else "latest"
    settings = {
        **_settings(bootstrap, config),
        # What is committed is what was stored, and stored is what was handled.
        "enable.auto.commit": "true",
        "auto.offset.reset": start,
        "group.id": group,
    }

    def begin(consumer: Any) -> Results:
        _partitions(consumer, names)
        consumer.subscribe(list(names))
        return Results(consumer, kinds=names, codec=codec, commits=True)

    return _opened(bootstrap, settings, begin)


def alone(
    bootstrap: str,
    names: Mapping[str, type[Event]],
    *,
    codec: Codec,
    since_ms: int | None,
    config: Mapping[str, str],
    patience_s: float = METADATA_S,
) -> Results:
    """A reader of every partition by itself, without a group and without commits.

    `since_ms`: Unix milliseconds to start from; 0 means the beginning, None only what comes after
    this call. `patience_s`: how long a broker that is away is waited for. Raises as `in_group`.
    """
    settings = {
        **_settings(bootstrap, config),
        "enable.auto.commit": "false",
        "enable.partition.eof": "true",
        "auto.offset.reset": "earliest",
        "group.id": "heddle-client-alone",
    }

    def begin(consumer: Any) -> Results:
        places = _places(consumer, _partitions(consumer, names), since_ms)
        consumer.assign(places)
        return Results(consumer, kinds=names, codec=codec, commits=False, partitions=len(places))

    return _opened(bootstrap, settings, begin, patience_s)


def _settings(bootstrap: str, config: Mapping[str, str]) -> dict[str, str]:
    return {
        **_DEFAULTS,
        **config,
        "bootstrap.servers": bootstrap,
        "enable.auto.offset.store": "false",
    }


def _opened(
    bootstrap: str,
    settings: Mapping[str, str],
    begin: Callable[[Any], Results],
    away_s_max: float = METADATA_S,
) -> Results:
    """A consumer made to begin; tried again for a while: new topics and leaders take a moment."""
    trouble = kafka.Trouble()
    consumer = kafka.make(Consumer, settings, trouble)
    started_s = time.monotonic()
    while True:
        try:
            return begin(consumer)
        except KafkaException as error:
            # Serves the complaints that explain a time-out.
            consumer.poll(0)
            doing = f"reading from {bootstrap}"
            failed = kafka.translated(error.args[0], doing)
            if isinstance(failed, Transient):
                failed = trouble.late(str(failed))
            patience_s = NEW_TOPIC_S if isinstance(failed, Unusable) else away_s_max
            if time.monotonic() - started_s > patience_s:
                consumer.close()
                raise failed from error
            time.sleep(_RETRY_S)


def _partitions(consumer: Any, names: Iterable[str]) -> list[Any]:
    """Every partition of the topics. Raises KafkaException where one is missing."""
    known = consumer.list_topics(timeout=_ASK_S).topics
    missing = [name for name in names if name not in known or known[name].error]
    if missing:
        reason = f"topics not found: {', '.join(missing)}"
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, reason))
    return [TopicPartition(name, number) for name in names for number in known[name].partitions]


def _places(consumer: Any, partitions: Sequence[Any], since_ms: int | None) -> list[Any]:
    """The partitions with the offsets to start from."""
    if since_ms == 0:
        return _at(partitions, OFFSET_BEGINNING)
    # The end is asked for now: resolved later, it would pass over what comes in a moment.
    ends: list[Any] = consumer.offsets_for_times(_at(partitions, OFFSET_END), timeout=_ASK_S)
    if since_ms is None:
        return ends
    found = consumer.offsets_for_times(_at(partitions, since_ms), timeout=_ASK_S)
    return [end if place.offset < 0 else place for place, end in zip(found, ends, strict=True)]


def _at(partitions: Sequence[Any], offset: int) -> list[Any]:
    return [TopicPartition(place.topic, place.partition, offset) for place in partitions]
