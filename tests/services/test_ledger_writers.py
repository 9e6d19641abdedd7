"""Who writes the rows may be two, or die before it has said so: no number knows.

Two writers happen when a partition moves while the one that had it is still at work; a death
between insert and commit is what at least once means.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Producer as RawProducer

from analytics.sink import Sink
from schemas.codec import Codec
from schemas.topics import TOPICS, prefixed, topic_of, unprefixed
from streams.kafka import admin, plan
from streams.kafka.connection import Connection
from streams.kafka.message import Message
from streams.kafka.replay import read_all
from streams.stages.refusal import time_of
from tests.services.ledger_child import WRITER_PASSWORD, Ledger, running
from tests.services.ledger_compare import differences
from tests.services.ledger_lives import ask, hang_up, refresh
from tests.services.ledger_model import House
from tests.services.ledger_weaver import BOOK, Row
from tests.services.ledger_woven import weave
from tests.services.record_child import group_of

SIZE = 25


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ledger")) as process:
        yield process
        hang_up()


@pytest.fixture(scope="module")
def house() -> House:
    """What this file has written so far."""
    return House(BOOK)


def sink_of(ledger: Ledger) -> Sink:
    return Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=BOOK)


def test_two_writers_of_the_same_partitions_write_one_truth(ledger: Ledger, house: House) -> None:
    """Each has three quarters of every partition, half of it in common, in batches of its own, at
    the same time; the ledger makes its facts meanwhile."""
    log = weave("two", 2)
    house.hear(log)
    shares = [
        [row for line in _lines(log) for row in line[: len(line) * 3 // 4 + 1]],
        [row for line in _lines(log) for row in line[len(line) // 4 :]],
    ]
    begin, troubles = threading.Barrier(2), []

    def write(rows: list[Row], seed: int) -> None:
        sink, draw = sink_of(ledger), Random(seed)
        draw.shuffle(rows)
        try:
            sink.prepare()
            begin.wait(30)
            while rows:
                size = draw.randint(1, SIZE)
                sink.write(rows[:size])
                del rows[:size]
        except Exception as trouble:  # noqa: BLE001 - told below, by the main thread.
            troubles.append(trouble)
        finally:
            sink.close()

    threads = [
        threading.Thread(target=write, args=(rows, seed)) for seed, rows in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    refresh(ledger)
    assert differences(ledger, house) == []


def _lines(log: Sequence[Row]) -> list[list[Row]]:
    """Each partition's rows, ascending."""
    ordered = sorted(log, key=lambda row: row[1:4])
    return [list(rows) for _, rows in groupby(ordered, key=lambda row: row[1:3])]


@pytest.mark.timeout(240)
def test_deaths_between_insert_and_commit_change_no_number(
    broker: str, prefix: str, ledger: Ledger, house: House
) -> None:
    """record dies when the rows of an insert are durable and before their offsets are: with nothing
    committed, then with some; each life after it writes the range again, in other batches."""
    line = Log(broker, prefix)
    line.put(weave(prefix, 8))
    messages = line.rows()
    for death, rows_max, commit_ms in ((4, 30, 60_000), (9, 13, 20)):
        with line.record(ledger, death, rows_max, commit_ms) as process:
            assert process.wait(60) == -signal.SIGKILL
        seen, committed = recorded(ledger, messages), line.committed()
        assert committed < seen <= len(messages), "durable, and not yet said so"
    assert committed > 0
    with line.record(ledger, 0, 50, 100) as process:
        deadline_s = time.monotonic() + 60
        while recorded(ledger, messages) < len(messages):
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    house.hear(messages)
    refresh(ledger)
    assert differences(ledger, house) == []
    assert line.committed() == len(messages)


def recorded(ledger: Ledger, rows: Sequence[Row]) -> int:
    """How many of these offsets the ledger has."""
    sql = "SELECT topic, partition, sum(f.recorded) AS n FROM offsets AS f GROUP BY ALL"
    found = {(row["topic"], row["partition"]): row["n"] for row in ask(ledger, sql)}
    return sum(found.get(line, 0) for line in {row[1:3] for row in rows})


class Log:
    """An installation's topics on a real broker, and the process that records them."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        self.reach = Connection(bootstrap=bootstrap)
        admin.create(self.reach, plan.planned(prefix, partitions=2))

    def put(self, log: Sequence[Row]) -> None:
        """Woven records, whose topics begin with the prefix."""
        codec = Codec()
        producer = RawProducer({"bootstrap.servers": self.bootstrap})
        for record, topic, partition, _, _ in log:
            value = None if record is None else codec.encode(record)
            producer.produce(topic, key=b"of no matter", value=value, partition=partition)
        assert producer.flush(30) == 0

    def rows(self) -> list[Row]:
        """What lies there, as record reads it."""
        codec = Codec()

        def row(message: Message) -> Row:
            name, place = unprefixed(self.prefix, message.place.topic), message.place
            record = codec.decode(message.value, topic_of(name).record) if message.value else None
            return record, name, place.partition, place.offset, time_of(message)

        return [row(one) for one in read_all(self.reach, self._names(), timeout_s=30)]

    @contextmanager
    def record(
        self, ledger: Ledger, death: int, rows_max: int, commit_ms: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The process for the block; killed at its end if it still runs."""
        numbers = [str(one) for one in (death, rows_max, commit_ms)]
        words = [self.bootstrap, self.prefix, ledger.url, *numbers]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.record_child", *words],
            cwd=Path(__file__).parents[2],
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    def committed(self) -> int:
        """Records that the group has done with, of all partitions."""
        group = {"bootstrap.servers": self.bootstrap, "group.id": group_of(self.prefix)}
        consumer = Consumer(group)
        parts = [TopicPartition(name, number) for name in self._names() for number in range(2)]
        known = consumer.committed(parts, timeout=10)
        consumer.close()
        return sum(max(part.offset, 0) for part in known)

    def _names(self) -> list[str]:
        return [prefixed(self.prefix, topic.name) for topic in TOPICS]
