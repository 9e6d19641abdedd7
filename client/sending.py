"""Records onto Kafka, each acknowledged before the caller goes on.

Partitions by `murmur2_random` as every producer of Heddle's does: any other partitioner would put
the events of one request on different partitions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas import envelope
from schemas.errors import Busy, Rejected
from schemas.topics import RECORD_BYTES_MAX

from . import kafka

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.codec import Codec
    from schemas.records import Record

SOURCE: Final = "/heddle-client"
BUSY_DELAY_MS: Final = 1_000
_SLICE_S: Final = 0.1
_DEFAULTS: Final[Mapping[str, str]] = {
    "enable.idempotence": "true",
    "compression.type": "lz4",
    "linger.ms": "5",
    "message.timeout.ms": "120000",
    # A topic that does not exist is worth a word sooner than a caller's patience ends.
    "topic.metadata.propagation.max.ms": "5000",
}


class Sender:
    """One idempotent producer. May be used from several threads."""

    def __init__(self, bootstrap: str, *, codec: Codec, config: Mapping[str, str]) -> None:
        settings: dict[str, Any] = {
            **_DEFAULTS,
            **config,
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
        }
        self._codec = codec
        self._bootstrap = bootstrap
        self._trouble = kafka.Trouble()
        self._producer = kafka.make(Producer, settings, self._trouble)

    def send(
        self, topic: str, batch: Sequence[Record], *, timeout_s: float, now: datetime
    ) -> list[int]:
        """Return once every record is acknowledged: their timestamps in Unix milliseconds.

        Raises Busy when the local queue stays full, Transient when an acknowledgement does not
        come in time, Unusable when the broker refuses. After any of them some records may have
        arrived: sending the same ids again is safe.
        """
        values = [self._encoded(record) for record in batch]
        due_s = time.monotonic() + timeout_s
        delivery = _Delivery(len(batch))
        for place, (record, value) in enumerate(zip(batch, values, strict=True)):
            message = {
                "key": envelope.key_of(record).encode(),
                "value": value,
                "headers": envelope.headers_of(record, source=SOURCE, happened_at=now),
                "on_delivery": delivery.callback(place),
            }
            self._produce(topic, message, due_s)
        while not delivery.settled.is_set() and (left_s := due_s - time.monotonic()) > 0:
            self._producer.poll(min(left_s, _SLICE_S))
        found = delivery.timestamps(topic)
        if len(found) < len(batch):
            left = f"{len(batch) - len(found)} of {len(batch)} records for {topic}"
            reason = f"{left} not acknowledged by {self._bootstrap} within {timeout_s:g} s"
            raise self._trouble.late(reason)
        return found

    def close(self, *, timeout_s: float) -> None:
        """Wait at most `timeout_s` for what is still on its way."""
        self._producer.flush(timeout_s)

    def _encoded(self, record: Record) -> bytes:
        try:
            value = self._codec.encode(record)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise Rejected(
                "a value has the wrong type", field=type(record).__name__, limit="its schema"
            ) from error
        if len(value) > RECORD_BYTES_MAX:
            limit = f"at most {RECORD_BYTES_MAX} bytes"
            raise Rejected("record too large", field=type(record).__name__, limit=limit)
        return value

    def _produce(self, topic: str, message: dict[str, Any], due_s: float) -> None:
        while True:
            try:
                self._producer.produce(topic, **message)
            except BufferError:
                if time.monotonic() >= due_s:
                    raise Busy(delay_ms=BUSY_DELAY_MS) from None
                self._producer.poll(_SLICE_S)
            except KafkaException as error:
                raise kafka.translated(error.args[0], f"sending to {topic}") from error
            else:
                return


class _Delivery:
    """The acknowledgements of one batch."""

    def __init__(self, count: int) -> None:
        self.settled = threading.Event()
        self._timestamps: list[int | None] = [None] * count
        self._left = count
        self._error: KafkaError | None = None
        self._lock = threading.Lock()
        if count == 0:
            self.settled.set()

    def callback(self, place: int) -> Any:
        """What the producer calls, from whichever thread polls, once per record."""

        def settle(error: KafkaError | None, message: Any) -> None:
            with self._lock:
                self._left -= 1
                if error is None:
                    self._timestamps[place] = message.timestamp()[1]
                else:
                    self._error = error
                if self._left == 0:
                    self.settled.set()

        return settle

    def timestamps(self, topic: str) -> list[int]:
        """Those of the records acknowledged by now. Raises what the broker refused them for."""
        with self._lock:
            if self._error is not None:
                raise kafka.translated(self._error, f"sending to {topic}")
            return [stamp for stamp in self._timestamps if stamp is not None]
