"""The runner turned by hand on a real broker: partitions that leave, and records nobody could end.

The test's own thread is the runner's, so what a rebalance does happens at a moment of our choosing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Producer as RawProducer

from schemas import metrics
from schemas.errors import EXIT_VOLUME, Busy, Rejected, Transient, Unusable
from streams.kafka import admin, dead_letter
from streams.kafka.connection import Connection
from streams.kafka.consumer import Commit, Intake, Rebalance, Share
from streams.kafka.message import Message, Output, Place
from streams.kafka.offsets import read
from streams.kafka.plan import PlannedTopic
from streams.kafka.producer import Producer
from streams.kafka.replay import read_all
from streams.loop import Limits, Runner
from streams.loop.stage import Ending
from streams.ops import Ops

DIED = "h1 open - -"
"""The mark of a worker that is gone without having drained."""


class Hands:
    """A stage in the test's hands: it holds what it is given until told how each record ends."""

    name = "hands"
    takes_tombstones = False

    def __init__(self) -> None:
        self.held: dict[Place, Message] = {}
        self.seen: list[bytes] = []
        self.busy = 0
        """So many more offers are refused as busy."""
        self.ends_with: Callable[[Message], Exception | None] | None = None
        """How a record ends as soon as it comes; None: it is held."""
        self._ended: list[Ending] = []

    def open(self) -> None:
        """Nothing to open."""

    def submit(self, message: Message) -> None:
        """Hold it."""
        if self.busy:
            self.busy -= 1
            raise Busy
        self.seen.append(message.key or b"")
        self.held[message.place] = message
        if self.ends_with is not None:
            self.end(message.place, self.ends_with(message))

    def end(self, place: Place, error: Exception | None = None) -> None:
        """Let one that is held end."""
        message = self.held.pop(place)
        copy = Output(f"{place.topic}.out", message.key, message.value)
        outputs = () if error is not None else (copy,)
        self._ended.append(Ending(place=place, outputs=outputs, error=error))

    def hurry(self) -> None:
        """Nothing waits for company."""

    def collect(self) -> Sequence[Ending]:
        """What was ended by hand."""
        ended, self._ended = self._ended, []
        return ended

    def asides(self, *, last: bool = False) -> Sequence[Output]:
        """None."""
        return ()

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """Tells how it ended."""
        return Output(f"{message.place.topic}.failed", message.key, refused.outcome.encode())

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """All that is held: nothing of it was begun."""
        return [place for place in places if self.held.pop(place, None)]

    def close(self, *, timeout_s: float) -> None:
        """Nothing to stop."""


class Doors(Intake):
    """The real intake, whose rebalance can be brought about by hand."""

    def start(self, rebalance: Rebalance) -> None:
        """Join, and keep what is called when partitions go."""
        self.rebalance = rebalance
        super().start(rebalance)


class Bench:
    """A topic of two partitions with its outputs, and a runner over it."""

    def __init__(self, bootstrap: str, topic: str, **limits: int) -> None:
        self.bootstrap, self.topic = bootstrap, topic
        self.reach = Connection(bootstrap=bootstrap)
        names = [f"{topic}.out", f"{topic}.failed", f"{topic}.hands.dlq"]
        admin.create(
            self.reach,
            [
                PlannedTopic(name=topic, partitions=2),
                *(PlannedTopic(name=name, partitions=1) for name in names),
            ],
        )
        self.stage, self.ops = Hands(), Ops("hands")
        self.group = f"{topic}.group"
        self.doors = Doors(self.reach, group=self.group, client_id="hands", topics=[topic])
        self.limits = Limits(**{"commit_ms": 100, "backoff_ms": 10, "tries_max": 2} | limits)

    @cached_property
    def runner(self) -> Runner:
        """Made when first asked for: what is there by then was there before it."""
        return Runner(
            self.stage,
            intake=self.doors,
            producer=Producer(self.reach, client_id="hands"),
            limits=self.limits,
            ops=self.ops,
        )

    def put(self, partition: int, *keys: str, value: bytes | None = b"v") -> None:
        """Records on one partition."""
        producer = RawProducer(
            {
                "bootstrap.servers": self.bootstrap,
                "message.max.bytes": 10_000_000,
                "compression.type": "zstd",
            }
        )
        for key in keys:
            producer.produce(self.topic, key=key.encode(), value=value, partition=partition)
        assert producer.flush(30) == 0

    def died(self) -> None:
        """Leave the mark that a worker leaves which is killed."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        parts = [TopicPartition(self.topic, number, 0, DIED) for number in (0, 1)]
        consumer.commit(offsets=parts, asynchronous=False)
        consumer.close()

    def open(self) -> None:
        """Join the group and turn until both partitions are ours."""
        self.runner.open()
        self.until(lambda: len(self.doors.ends()) == 2)

    def until(self, holds: Callable[[], object], within_s: float = 20.0) -> None:
        """Turn until it holds."""
        deadline_s = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline_s, "did not come to hold"
            self.runner.turn()

    def keys(self, tail: str) -> list[bytes | None]:
        """Keys on one of the output topics."""
        return [message.key for message in self.got(tail)]

    def got(self, tail: str) -> list[Message]:
        """Records of one of the output topics."""
        return list(read_all(self.reach, [f"{self.topic}.{tail}"], timeout_s=30))

    def committed(self, partition: int) -> tuple[int, str]:
        """Offset and metadata of the group."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        part = consumer.committed([TopicPartition(self.topic, partition)], timeout=10)[0]
        consumer.close()
        return part.offset, part.metadata or ""


@pytest.fixture
def bench(broker: str, prefix: str, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Its runner's limits are the test's parameter; closed at the end."""
    made = Bench(broker, f"{prefix}.in", **getattr(request, "param", {}))
    yield made
    made.runner.close()


@pytest.mark.timeout(60)
def test_a_tombstone_first_after_a_death_stops_nothing(bench: Bench) -> None:
    """It is skipped although records are taken one at a time; what lies behind it is done."""
    bench.died()
    bench.put(0, "gone", value=None)
    bench.put(0, "behind")
    bench.stage.ends_with = lambda _: None
    bench.open()
    bench.until(lambda: b"behind" in bench.stage.seen)
    bench.until(lambda: bench.committed(0)[0] == 2)


@pytest.mark.timeout(60)
def test_a_stage_that_takes_tombstones_ends_them_itself(bench: Bench) -> None:
    """Like any other record: in flight until the stage says so."""
    bench.stage.takes_tombstones = True
    bench.put(0, "gone", value=None)
    bench.open()
    bench.until(lambda: bench.stage.held)
    (place,) = bench.stage.held
    assert bench.stage.held[place].value is None
    assert bench.committed(0)[0] == 0
    bench.stage.end(place)
    bench.until(lambda: bench.committed(0)[0] == 1)


@pytest.mark.timeout(60)
def test_a_partition_that_leaves_takes_its_lonely_record_along(bench: Bench) -> None:
    """A record that was alone in flight, not begun, and given back with its partition holds up no
    other partition, and is marked as nobody's death."""
    bench.died()
    bench.put(0, "lonely")
    bench.open()
    bench.until(lambda: bench.stage.held)
    bench.doors.rebalance.revoked([Share(bench.topic, 0)])
    assert not bench.stage.held
    assert read(bench.committed(0)[1], watermark=0).trying is None
    bench.put(1, "other")
    bench.until(lambda: b"other" in bench.stage.seen)


@pytest.mark.timeout(60)
def test_an_offer_refused_as_busy_is_no_death(bench: Bench) -> None:
    """However often a record alone is not taken in, it is neither forgotten nor put aside."""
    bench.died()
    bench.stage.busy = 5
    bench.stage.ends_with = lambda _: None
    bench.put(0, "patient")
    bench.open()
    bench.until(lambda: b"patient" in bench.stage.seen)
    bench.until(lambda: bench.committed(0)[0] == 1)
    assert bench.keys("hands.dlq") == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bench", [{"backoff_ms": 60_000, "drain_ms_max": 20_000}], indirect=True)
def test_a_drain_does_not_wait_for_what_waits_for_another_try(bench: Bench) -> None:
    """A record in backoff is given back at once; it is done again by whoever comes next."""
    bench.stage.ends_with = lambda _: Transient("the shelf is away")
    bench.put(0, "later")
    bench.open()
    bench.until(lambda: b"later" in bench.stage.seen)
    bench.runner.turn()
    began_s = time.monotonic()
    bench.runner.drain()
    assert time.monotonic() - began_s < 10
    offset, metadata = bench.committed(0)
    assert (offset, read(metadata, watermark=offset).clean) == (0, True)


@pytest.mark.timeout(60)
def test_a_worker_that_cannot_go_on_puts_no_record_aside(bench: Bench) -> None:
    """A shelf that only a person can mend is the worker's trouble: it ends with the shelf's words,
    and the record is still there for the next one."""
    bench.stage.ends_with = lambda _: Unusable("the shelf denies access", exit_code=EXIT_VOLUME)
    bench.put(0, "innocent")
    stop = threading.Event()
    with pytest.raises(Unusable, match="denies access") as told:
        bench.runner.run(stop)
    assert told.value.exit_code == EXIT_VOLUME
    assert bench.keys("hands.dlq") == bench.keys("failed") == []
    assert bench.committed(0)[0] == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size_bytes", [2_000_000, 9_000_000])
def test_a_record_too_large_to_put_aside_is_told_of(bench: Bench, size_bytes: int) -> None:
    """Compressed it passed the broker. Its letter is as large as may be, or else says where the
    record lies; the failure is told, and the neighbours go on."""
    bench.stage.ends_with = lambda message: (
        Rejected("too large", field="value") if message.key == b"huge" else None
    )
    bench.put(0, "huge", value=b"x" * size_bytes)
    bench.put(0, "small")
    bench.open()
    bench.until(lambda: b"small" in bench.stage.seen)
    bench.until(lambda: bench.committed(0)[0] == 2)
    (letter,) = bench.got("hands.dlq")
    assert letter.key == b"huge"
    assert letter.header(dead_letter.OFFSET) == "0"
    assert (letter.value or b"").count(b"x") == size_bytes or letter.header(dead_letter.CUT)
    assert bench.keys("failed") == [b"huge"]


@pytest.mark.timeout(60)
def test_partitions_that_left_leave_no_lag_behind(bench: Bench) -> None:
    """The lag of a partition is told by its owner alone."""
    bench.put(0, "a")
    bench.open()
    bench.until(lambda: bench.stage.held)
    told = f'{metrics.LAG.name}{{partition="0",topic="{bench.topic}"}}'.encode()
    bench.until(lambda: told in bench.ops.text())
    bench.doors.rebalance.revoked([Share(bench.topic, 0)])
    bench.until(lambda: told not in bench.ops.text())


@pytest.mark.timeout(60)
def test_a_commit_that_nobody_waited_for_is_told_when_it_fails(bench: Bench) -> None:
    """The broker refuses it a moment later: the partition is named once, so that its commit is due
    again."""
    bench.open()
    foreign = Share(bench.topic, 99)
    assert bench.doors.commit([Commit(foreign, 7, DIED)], wait=False)
    found: set[Share] = set()

    def told() -> set[Share]:
        found.update(bench.doors.put_off())
        return found

    deadline_s = time.monotonic() + 20
    while not told() and time.monotonic() < deadline_s:
        bench.doors.take(1, timeout_s=0.1)
    assert found == {foreign}
    assert bench.doors.put_off() == set()
