"""The producer: delivery is awaited before offsets move.

Idempotent, `murmur2_random` (librdkafka's default partitioner puts most keys elsewhere than Java
and Faust do), bounded in time and memory. Safe to use from several threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as _Producer

from schemas.errors import HeddleError, Rejected, Transient
from schemas.topics import RECORD_BYTES_MAX
from streams.kafka.connection import Connection, broker_errors, translated
from streams.kafka.message import Output

MESSAGE_TIMEOUT_MS_MAX: Final = 300_000
"""A broker may be away that long before a delivery counts as failed."""
QUEUE_KBYTES_MAX: Final = 65_536
LINGER_MS: Final = 5
BATCH_BYTES_MAX: Final = RECORD_BYTES_MAX
"""Records that travel together: a batch that its topic does not take would fail every one."""
RECORD_BYTES_SENT_MAX: Final = 8 * 1_048_576
"""Before compression. What came in compressed must go out again among the dead letters; whether it
fits is for the topic to say."""
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})

OnDelivery = Callable[[HeddleError | None], None]
"""Called from `poll`: None once the broker has it, else what happened."""


class Producer:
    """Sends outputs; `poll` must be called often, it runs the delivery callbacks."""

    def __init__(self, connection: Connection, *, client_id: str) -> None:
        with broker_errors():
            self._producer = _Producer(
                {
                    "enable.idempotence": True,
                    "partitioner": "murmur2_random",
                    "compression.type": "zstd",
                    "linger.ms": LINGER_MS,
                    "batch.size": BATCH_BYTES_MAX,
                    "message.max.bytes": RECORD_BYTES_SENT_MAX,
                    "message.timeout.ms": MESSAGE_TIMEOUT_MS_MAX,
                    "queue.buffering.max.kbytes": QUEUE_KBYTES_MAX,
                    **connection.config(client_id=client_id),
                }
            )

    def send(self, output: Output, done: OnDelivery) -> None:
        """Queue one record. Raises Transient when the local queue is full."""
        try:
            self._producer.produce(
                output.topic,
                key=output.key,
                value=output.value,
                headers=list(output.headers),
                on_delivery=lambda error, _: done(_meaning(error)),
            )
        except BufferError as error:
            raise Transient("the producer's queue is full", delay_ms=100) from error
        except KafkaException as error:
            raise _meaning(error.args[0]) or Transient(str(error)) from error

    def poll(self, timeout_s: float = 0.0) -> None:
        """Run the callbacks of what was delivered."""
        self._producer.poll(timeout_s)

    def deliver(self, outputs: Sequence[Output], *, timeout_s: float) -> None:
        """Send and wait until the broker has all of them. Raises Transient or Rejected."""
        if not outputs:
            return
        left, troubles, lock = [len(outputs)], list[HeddleError](), threading.Lock()

        def done(trouble: HeddleError | None) -> None:
            with lock:
                left[0] -= 1
                if trouble is not None:
                    troubles.append(trouble)

        for output in outputs:
            self.send(output, done)
        deadline_s = time.monotonic() + timeout_s
        while left[0] and time.monotonic() < deadline_s:
            self._producer.poll(0.05)
        if troubles:
            raise troubles[0]
        if left[0]:
            raise Transient(f"{left[0]} records not acknowledged within {timeout_s:g} s")

    def flush(self, *, timeout_s: float) -> int:
        """Wait for everything queued; how many are still not delivered."""
        return int(self._producer.flush(timeout_s))


def _meaning(error: Any) -> HeddleError | None:
    if error is None:
        return None
    if error.code() in _TOO_LARGE:
        limit = "the topic's max.message.bytes"
        return Rejected("result too large", field="value", limit=limit, outcome="failed")
    return translated(error)
