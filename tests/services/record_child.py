"""record as a process that may die just after rows were durable: run by test_ledger_writers.py.

`python -m tests.services.record_child BOOTSTRAP PREFIX URL DEATH ROWS COMMIT_MS`: SIGKILL when the
insert number DEATH has returned, before anything can end by it; 0 lives until SIGTERM. ROWS is the
most records of one insert.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable
from datetime import datetime

from analytics.sink import Sink
from schemas.codec import Codec
from schemas.records import Record
from schemas.topics import TOPICS, prefixed
from streams.kafka.connection import Connection
from streams.kafka.consumer import Intake
from streams.kafka.events import Events
from streams.kafka.producer import Producer
from streams.loop import Limits, Runner
from streams.ops import Ops
from streams.stages.record import Recording, RecordLimits
from tests.services.ledger_child import WRITER_PASSWORD
from tests.services.ledger_weaver import BOOK


class Mortal(Sink):
    """The real sink, with a last insert."""

    left = 0

    def write(self, batch: Iterable[tuple[Record | None, str, int, int, datetime]]) -> int:
        """As the sink's; after the last one the process is no more."""
        rows = list(batch)
        written = super().write(rows)
        if rows:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return written


def group_of(prefix: str) -> str:
    """The consumer group."""
    return f"{prefix}.record"


def main(bootstrap: str, prefix: str, url: str, death: int, rows_max: int, commit_ms: int) -> None:
    """Record every topic of an installation until SIGTERM, or until its death."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sink = Mortal(url=url, user="heddle_writer", password=WRITER_PASSWORD, prices=BOOK)
    sink.left = death
    reach, group = Connection(bootstrap=bootstrap), group_of(prefix)
    names = [prefixed(prefix, topic.name) for topic in TOPICS]
    Runner(
        Recording(
            events=Events(codec=Codec(), prefix=prefix),
            sink=sink,
            limits=RecordLimits(rows_max=rows_max, wait_ms_max=100),
        ),
        intake=Intake(reach, group=group, client_id=group, topics=names),
        producer=Producer(reach, client_id=group),
        limits=Limits(in_flight_max=500, careful_max=4, commit_ms=commit_ms),
        ops=Ops("record"),
    ).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
