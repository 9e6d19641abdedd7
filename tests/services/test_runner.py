"""The runner on a real broker, with work that misbehaves in every way there is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Producer as RawProducer

from streams.kafka import admin
from streams.kafka.connection import Connection
from streams.kafka.message import Message
from streams.kafka.offsets import read
from streams.kafka.plan import PlannedTopic
from streams.kafka.replay import read_all

CHILD = Path(__file__).parent / "deadly_child.py"


class Bench:
    """One topic with its outputs, and a worker that can be started, stopped and killed."""

    def __init__(self, bootstrap: str, topic: str, protocol: str = "consumer") -> None:
        self.bootstrap, self.topic, self.protocol = bootstrap, topic, protocol
        self.reach = Connection(bootstrap=bootstrap)
        names = [topic, f"{topic}.out", f"{topic}.failed", f"{topic}.copy.dlq"]
        admin.create(self.reach, [PlannedTopic(name=name, partitions=1) for name in names])

    def put(self, *values: str) -> None:
        """Records on the topic, key and value alike."""
        producer = RawProducer({"bootstrap.servers": self.bootstrap})
        for value in values:
            producer.produce(self.topic, key=value.encode(), value=value.partition("-")[0].encode())
        assert producer.flush(30) == 0

    def got(self, tail: str) -> list[Message]:
        """Everything on one of the output topics."""
        return list(read_all(self.reach, [f"{self.topic}.{tail}"], timeout_s=30))

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker for the block; killed at its end if it still runs."""
        process = subprocess.Popen(
            [sys.executable, str(CHILD), self.bootstrap, self.topic, self.protocol],
            cwd=CHILD.parents[2],
            env={"PYTHONPATH": str(CHILD.parents[2])},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    def committed(self) -> tuple[int, str]:
        """Offset and metadata of the group."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": f"{self.topic}.group"}
        )
        part = consumer.committed([TopicPartition(self.topic, 0)], timeout=10)[0]
        consumer.close()
        return part.offset, part.metadata or ""


def until(holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait until it holds."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "did not come to hold"
        time.sleep(0.1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_deadly_record_is_put_aside_on_its_third_death_alone(
    broker: str, prefix: str, protocol: str
) -> None:
    """It dies once among its neighbours, three times alone, then lies raw with the dead letters;
    every neighbour is copied, and a drain leaves a clean mark."""
    bench, deaths = Bench(broker, f"{prefix}.in", protocol), 0
    bench.put("a", "b", "deadly", "c", "d")
    while not bench.got("copy.dlq"):
        with bench.worker() as process:
            until(lambda p=process: p.poll() is not None or bench.got("copy.dlq"))  # type: ignore[misc]
            if process.poll() is not None:
                assert process.returncode == -signal.SIGKILL
                deaths += 1
                assert deaths <= 4
                continue
            until(lambda: len(bench.got("out")) >= 4)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert deaths == 4
    (letter,) = bench.got("copy.dlq")
    assert (letter.key, letter.value) == (b"deadly", b"deadly")
    assert {message.key for message in bench.got("out")} == {b"a", b"b", b"c", b"d"}
    offset, metadata = bench.committed()
    assert offset == 5
    assert read(metadata, watermark=offset).clean


@pytest.mark.timeout(120)
def test_each_kind_of_no_ends_as_it_should(broker: str, prefix: str) -> None:
    """Refused: letter and failure. Shaky: tried again and copied. Gone: tried, then put aside as
    failed. Surprising: put aside, and its words, which may be anybody's, are not repeated."""
    bench = Bench(broker, f"{prefix}.in")
    bench.put("a", "bad", "shaky", "b", "gone", "odd", "c")
    with bench.worker() as process:
        until(lambda: len(bench.got("failed")) >= 3 and len(bench.got("out")) >= 4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert sorted(m.key or b"" for m in bench.got("out")) == [b"a", b"b", b"c", b"shaky"]
    told = {m.key: m.value or b"" for m in bench.got("failed")}
    assert told[b"bad"] == b"rejected 1 bad value"
    assert told[b"gone"] == b"failed 3 never comes back"
    assert told[b"odd"].startswith(b"failed 1 unexpected RuntimeError at deadly_child.py")
    assert {m.key for m in bench.got("copy.dlq")} == {b"bad", b"gone", b"odd"}
    assert not any(b"secret" in (v or b"") for m in bench.got("copy.dlq") for _, v in m.headers)


@pytest.mark.timeout(120)
def test_the_breaker_probes_and_recovers(broker: str, prefix: str) -> None:
    """After two surprises in a row the stage takes one record at an interval; refusals never open
    it; one success closes it, and all that waited comes through."""
    bench = Bench(broker, f"{prefix}.in")
    bench.put(*(f"bad-{n}" for n in range(6)), "odd-1", "odd-2", "odd-3")
    bench.put(*(f"fine-{n}" for n in range(30)))
    with bench.worker() as process:
        until(lambda: len(bench.got("out")) >= 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert len(bench.got("copy.dlq")) == 9


@pytest.mark.timeout(120)
def test_a_second_worker_gets_its_share_and_nothing_is_lost(broker: str, prefix: str) -> None:
    """Two workers, one leaves politely in the middle: every record is copied, and those that were
    finished beyond the watermark are not copied again by the other."""
    bench = Bench(broker, f"{prefix}.in")
    bench.put(*(f"r-{n}" for n in range(200)))
    with bench.worker() as first:
        until(lambda: len(bench.got("out")) >= 50)
        with bench.worker() as second:
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 0
            bench.put(*(f"s-{n}" for n in range(50)))
            until(lambda: len(bench.got("out")) >= 250)
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
    assert len(bench.got("out")) == len({m.key for m in bench.got("out")}) == 250
