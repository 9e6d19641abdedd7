"""A worker that dies without a word of one record: run as a process by test_runner.py."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

from schemas.errors import Rejected, Transient
from streams.kafka.connection import Connection
from streams.kafka.consumer import Intake
from streams.kafka.message import Message, Output
from streams.kafka.producer import Producer
from streams.loop import Limits, Runner
from streams.loop.pooled import PooledStage
from streams.ops import Ops


class Copy:
    """Copies every record to `<topic>.out`; `deadly` kills, `bad` is refused, `odd` surprises."""

    name = "copy"

    def __init__(self) -> None:
        self._shaky = 0

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __call__(self, message: Message) -> Sequence[Output]:
        """Do to the record what its value says."""
        if message.value == b"deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if message.value == b"bad":
            raise Rejected("bad value", field="value", limit="anything but bad")
        if message.value == b"odd":
            raise RuntimeError("the secret words of a stranger")
        if message.value == b"shaky":
            self._shaky += 1
            if self._shaky < 3:
                raise Transient("not yet")
        if message.value == b"gone":
            raise Transient("never comes back")
        return [Output(f"{message.place.topic}.out", message.key, message.value)]

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """Tells how it ended."""
        told = f"{refused.outcome} {attempts} {refused.reason}".encode()
        return Output(f"{message.place.topic}.failed", message.key, told)


def main(bootstrap: str, topic: str, protocol: str) -> None:
    """Run until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    reach = Connection(bootstrap=bootstrap, group_protocol=protocol)
    limits = Limits(
        in_flight_max=20,
        tries_max=3,
        backoff_ms=50,
        commit_ms=200,
        breaker_errors_max=2,
        probe_ms=500,
    )
    ops = Ops("copy")
    Runner(
        PooledStage(Copy(), threads_max=4, waiting_max=16),
        intake=Intake(reach, group=f"{topic}.group", client_id="copy", topics=[topic]),
        producer=Producer(reach, client_id="copy"),
        limits=limits,
        ops=ops,
    ).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
