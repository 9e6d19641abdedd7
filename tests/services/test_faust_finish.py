"""finish's host on Faust: nothing is lost whoever dies, moves or refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka import Producer as RawProducer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

ROOT = Path(__file__).parents[2]
PARTITIONS = 3
WAIT_S = 100.0
"""A busy machine takes half a minute to start a worker."""
pytestmark = pytest.mark.timeout(300)
CHILD = """
import logging, sys, time
from schemas.errors import Rejected, Transient
from streams.kafka.connection import Connection
from streams.kafka.message import Output
from streams.kafka.producer import Producer
from streams.loop.stage import Limits
from streams.ops import Ops
from streams.stages.finish_faust import FaustSettings, run
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
bootstrap, prefix, work_ms, may_fail = sys.argv[1:]

class Stub:
    name = "finish"
    def open(self): pass
    def close(self): pass
    def __call__(self, message):
        time.sleep(int(work_ms) / 1000)
        value = message.value
        if may_fail == "wait" and value == b"0": raise Transient("shelf away")
        if may_fail == "yes":
            if value.startswith(b"refused"): raise Rejected("bad", field="recipe", limit="known")
            if value.startswith(b"gate"):
                raise Rejected("seam", outcome="failed", dead_letter=False)
            if value.startswith(b"passing"): raise Transient("shelf away")
            if value.startswith(b"strange"): raise KeyError("secret prompt")
        return [Output(f"{prefix}.patterns.published", message.key, value, message.headers)]
    def failure(self, message, refused, *, attempts):
        text = f"{refused.outcome}|{refused.reason}|{refused.limit}|{attempts}"
        return Output(f"{prefix}.patterns.failed", message.key, text.encode())

connection = Connection(bootstrap=bootstrap)
limits = Limits(tries_max=3, backoff_ms=20, breaker_errors_max=50, drain_ms_max=50_000)
if may_fail == "wait":
    limits = Limits(tries_max=50, backoff_ms=2_000, drain_ms_max=50_000)
sys.exit(run(FaustSettings(connection=connection, prefix=prefix, limits=limits), Stub(),
             producer=Producer(connection, client_id="test"), ops=Ops("finish")))
"""


class Bench:
    """Topics around finish, and workers on them."""

    def __init__(self, bootstrap: str, prefix: str, log: Path) -> None:
        self.bootstrap, self.prefix, self.log = bootstrap, prefix, log
        self.group = f"{prefix}.heddle.finish"
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        names = ["patterns.generated", "patterns.published", "patterns.failed"]
        topics = [NewTopic(f"{prefix}.{name}", PARTITIONS, 1) for name in names]
        topics.append(NewTopic(f"{prefix}.patterns.generated.finish.dlq", 1, 1))
        for made in self.admin.create_topics(topics).values():
            made.result(20)

    def put(self, values: Sequence[bytes], *, codec: str = "none") -> None:
        """One record each on patterns.generated, keyed by its value, in one batch per partition."""
        producer = RawProducer(
            {
                "bootstrap.servers": self.bootstrap,
                "compression.type": codec,
                "linger.ms": 50,
                "partitioner": "murmur2_random",
            }
        )
        for value in values:
            producer.produce(
                f"{self.prefix}.patterns.generated", value, value, headers=[("trace", b"t")]
            )
        assert producer.flush(20) == 0

    @contextmanager
    def worker(
        self, *, work_ms: int = 0, may_fail: str = "no"
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process; killed at the end if it still runs."""
        arguments = [self.bootstrap, self.prefix, str(work_ms), may_fail]
        with self.log.open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, *arguments], cwd=ROOT, stdout=out, stderr=out
            )
        try:
            yield child
        finally:
            child.kill()
            child.wait(10)

    def read(
        self, name: str, enough: Callable[[Counter[bytes]], bool], *, wait_s: float = WAIT_S
    ) -> Counter[bytes]:
        """Values on a topic, counted, from its beginning until `enough` or the time is over."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}.{time.monotonic_ns()}",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([f"{self.prefix}.{name}"])
        found: Counter[bytes] = Counter()
        until = time.monotonic() + wait_s
        while time.monotonic() < until and not enough(found):
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                value = message.value()
                assert isinstance(value, bytes)
                found[value] += 1
        consumer.close()
        return found

    def published(self, values: Sequence[bytes], *, wait_s: float = WAIT_S) -> Counter[bytes]:
        """What is published once all of `values` are, or when the time is over."""
        return self.read("patterns.published", lambda f: set(f) >= set(values), wait_s=wait_s)

    def committed(self) -> list[int]:
        """Committed offsets of the group by partition; -1001 where there is none."""
        topic = f"{self.prefix}.patterns.generated"
        wanted = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        asked = self.admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self.group, wanted)]
        )
        places = asked[self.group].result(10).topic_partitions
        return [place.offset for place in sorted(places, key=lambda place: place.partition)]


@pytest.fixture
def bench(broker: str, prefix: str, tmp_path: Path) -> Bench:
    """Topics of an own prefix."""
    return Bench(broker, prefix, tmp_path / "finish.log")


def numbered(count: int) -> list[bytes]:
    """b"0", b"1", ..."""
    return [str(number).encode() for number in range(count)]


def some(found: Counter[bytes]) -> bool:
    """Anything at all."""
    return bool(found)


def test_every_codec_passes(bench: Bench) -> None:
    """A batch in each codec that Kafka knows goes through one worker."""
    wanted: list[bytes] = []
    with bench.worker():
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            values = [f"{codec} {number}".encode() for number in range(20)]
            bench.put(values, codec=codec)
            wanted += values
        assert set(bench.published(wanted)) == set(wanted), bench.log.read_text()[-4000:]


def test_a_killed_worker_loses_nothing(bench: Bench) -> None:
    """SIGKILL in mid-batch: the next worker publishes all 40 records, at most some twice."""
    values = numbered(40)
    bench.put(values)
    with bench.worker(work_ms=300) as child:
        begun = bench.read("patterns.published", lambda f: len(f) >= 10)
        assert 10 <= len(begun) < 40
        child.kill()
        child.wait(10)
    with bench.worker():
        found = bench.published(values)
    assert set(found) == set(values), bench.log.read_text()[-4000:]
    assert sum(found.values()) < 80


def test_a_move_between_two_workers_loses_nothing(bench: Bench) -> None:
    """A second worker joins in mid-work and the first leaves: every record is published."""
    values = numbered(90)
    bench.put(values)
    with bench.worker(work_ms=150) as first:
        assert bench.read("patterns.published", some)
        with bench.worker(work_ms=150) as second:
            bench.read("patterns.published", lambda f: len(f) >= 40)
            first.send_signal(signal.SIGTERM)
            assert first.wait(60) == 0, bench.log.read_text()[-4000:]
            found = bench.published(values)
            assert set(found) == set(values), bench.log.read_text()[-4000:]
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0


def test_a_drained_worker_leaves_nothing_undone(bench: Bench) -> None:
    """SIGTERM in mid-work: what had begun is finished and committed, nothing is done twice."""
    values = numbered(60)
    bench.put(values)
    with bench.worker(work_ms=150) as child:
        assert bench.read("patterns.published", some)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    with bench.worker() as child:
        found = bench.published(values)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    assert found == Counter(values)
    assert sum(bench.committed()) == 60


def test_an_unfinished_record_holds_the_offset_back(bench: Bench) -> None:
    """A record that waits for its next attempt at SIGTERM is not committed past, and done later."""
    values = numbered(30)
    bench.put(values)
    with bench.worker(may_fail="wait") as child:
        found = bench.read("patterns.published", lambda f: len(f) >= 5)
        assert b"0" not in found
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0, bench.log.read_text()[-4000:]
    with bench.worker():
        assert set(bench.published(values)) == set(values)


def test_refusals_end_where_they_should(bench: Bench) -> None:
    """Raw record to the dead letters, then the failure; a failed gate makes the failure alone."""
    values = [b"refused", b"gate", b"passing", b"strange"]
    bench.put([*values, b"good"])
    with bench.worker(may_fail="yes"):
        failed = bench.read("patterns.failed", lambda f: len(f) >= 4)
        letters = bench.read("patterns.generated.finish.dlq", lambda f: len(f) >= 3)
        assert set(bench.published([b"good"])) == {b"good"}
    assert letters == Counter([b"refused", b"passing", b"strange"])
    texts = sorted(text.decode() for text in failed)
    assert texts[0] == "failed|seam||1"
    assert texts[1] == "failed|shelf away|3 attempts|3"
    assert texts[2].startswith("failed|unexpected KeyError at ")
    assert texts[3] == "rejected|bad|known|1"
    assert "secret prompt" not in "".join(texts) + bench.log.read_text()


def test_a_tombstone_is_skipped(bench: Bench) -> None:
    """A null value is counted and skipped; its neighbours pass."""
    producer = RawProducer({"bootstrap.servers": bench.bootstrap})
    producer.produce(f"{bench.prefix}.patterns.generated", None, b"gone")
    assert producer.flush(20) == 0
    bench.put([b"next"])
    with bench.worker():
        assert set(bench.published([b"next"])) == {b"next"}


@pytest.mark.skipif("HEDDLE_MEASURE" not in os.environ, reason="figures, for people")
def test_figures(bench: Bench) -> None:
    """Time to the first record, idle CPU, memory, CPU per record."""
    bench.put([b"first"])
    begun = time.monotonic()
    with bench.worker() as child:
        bench.published([b"first"])
        print(f"first record after {time.monotonic() - begun:.1f} s")
        process = psutil.Process(child.pid)
        time.sleep(5)
        before = sum(process.cpu_times()[:2])
        time.sleep(20)
        print(f"idle {(sum(process.cpu_times()[:2]) - before) / 20:.2%} of a core")
        print(f"resident {process.memory_info().rss / 1e6:.0f} MB")
        before = sum(process.cpu_times()[:2])
        values = [f"m{number}".encode() for number in range(3000)]
        bench.put(values)
        begun = time.monotonic()
        bench.published(values)
        print(f"{3000 / (time.monotonic() - begun):.0f} records/s")
        print(f"{(sum(process.cpu_times()[:2]) - before) / 3000 * 1e6:.0f} us CPU per record")
