"""What carrying one record costs, in one run: a bare client's loop, and the runner around nothing.

    .venv/bin/python -m bench.river [--records 50000] [--stage nothing|route|all] [--profile]

A real broker, started for the run. Every loop reads the same records from four partitions, in one
process, one after the other. CPU is this process alone, librdkafka's threads included, per record;
the broker's is not in it. `nothing` decodes a PatternRouted, checks it, and writes a TileGenerated;
`route` is the real route stage, its shelf a dictionary.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer
from confluent_kafka import Producer as RawProducer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from assets.store import GET_BYTES_MAX
from bench.river_records import REQUESTED_AT, entries, orders, requests
from heddle.stack import kafka
from schemas import limits, names
from schemas.codec import Codec
from schemas.errors import Rejected
from schemas.parts import Canvas, File, Repeat
from schemas.records import PatternRouted, TileGenerated
from schemas.topics import GENERATED, REGISTRY, REQUESTED, ROUTED, TENANTS
from streams.kafka.connection import Connection
from streams.kafka.consumer import Intake
from streams.kafka.events import Events
from streams.kafka.message import Message, Output, Place
from streams.kafka.producer import Producer
from streams.loop import Ending, Limits, Runner, Stage
from streams.loop.pooled import PooledStage
from streams.ops import Ops
from streams.stages.decide import House
from streams.stages.route import Intakes, Route
from streams.stages.standing import Standing

PARTITIONS = 4
ORDERS, ASKED, BARE = ROUTED["standard"].name, REQUESTED.name, "bench.bare"
EVENTS = Events(codec=Codec(), source="/heddle/bench")
FILE = File(
    role="tile",
    key="acme/files/ab/" + "ab" * 32 + ".png",
    display_name="tile.png",
    media_type="image/png",
    size_bytes=120_000,
    sha256="ab" * 32,
    width_px=256,
    height_px=256,
)


@dataclass
class Clock:
    """Wall and CPU time between the first record and the last."""

    began: tuple[float, float] | None = None
    ended: tuple[float, float] | None = None

    def begin(self) -> None:
        """The first record is here."""
        if self.began is None:
            self.began = _now()

    def end(self) -> None:
        """The last result is with the broker."""
        self.ended = _now()

    def per_record(self, count: int) -> tuple[float, float]:
        """(records per second, CPU microseconds per record)."""
        assert self.began is not None
        assert self.ended is not None
        wall_s, cpu_s = (end - begin for begin, end in zip(self.began, self.ended, strict=True))
        return count / wall_s, cpu_s * 1e6 / count


def _now() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


# the bare loop ----------------------------------------------------------------------------------


def bare(bootstrap: str, count: int) -> Clock:
    """Consume in batches, produce the same bytes: nothing is promised."""
    group = uuid.uuid4().hex
    config = {"bootstrap.servers": bootstrap}
    consumer = Consumer(config | {"group.id": group, "auto.offset.reset": "earliest"})
    producer = RawProducer(config | {"compression.type": "zstd", "linger.ms": 5})
    consumer.subscribe([ORDERS])
    clock, seen = Clock(), 0
    while seen < count:
        batch = consumer.consume(500, 1.0)
        if batch:
            clock.begin()
        for message in batch:
            producer.produce(BARE, key=message.key(), value=message.value())
        producer.poll(0)
        seen += len(batch)
    producer.flush()
    clock.end()
    consumer.close()
    return clock


# the runner around nothing ----------------------------------------------------------------------


class Nothing:
    """A stage whose engine does nothing: what is left is Avro, checks, ledger, delivery."""

    name = "generate"
    takes_tombstones = False

    def __init__(self) -> None:
        self._endings: list[Ending] = []

    def open(self) -> None:
        """Nothing to open."""

    def submit(self, message: Message) -> None:
        """Decode, check, encode."""
        order = EVENTS.record(message, PatternRouted)
        pattern = order.pattern
        limits.check_request_id(pattern.request_id)
        limits.check_tenant(pattern.tenant)
        repeat = Repeat(
            lattice=pattern.lattice,
            width_um=pattern.repeat_width_um,
            height_um=pattern.repeat_height_um,
        )
        limits.check_repeat(repeat)
        canvas = Canvas(width_px=pattern.canvas_width_px, height_px=pattern.canvas_height_px)
        limits.check_canvas(canvas, repeat)
        tile = TileGenerated(
            event_id=names.event_id(pattern.pattern_id, "generate", "TileGenerated"),
            pattern=pattern,
            file=FILE,
            gates=(),
            seed=order.seed,
            attempt=1,
            steps=20,
            guidance=5.0,
            model_hash="ab" * 32,
            manifest_key=f"acme/patterns/{pattern.request_id}/1/generate.json",
            generated_at=REQUESTED_AT,
        )
        self._endings.append(Ending(place=message.place, outputs=(EVENTS.output(tile),)))

    def hurry(self) -> None:
        """Nothing waits."""

    def collect(self) -> Sequence[Ending]:
        """Everything that was submitted."""
        endings, self._endings = self._endings, []
        return endings

    def asides(self, *, last: bool = False) -> Sequence[Output]:
        """None."""
        return ()

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """Nothing fails here."""
        raise refused

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """None: everything has ended."""
        return ()

    def close(self, *, timeout_s: float) -> None:
        """Nothing to close."""


@dataclass
class Timed:
    """A stage with a clock: stops the runner once `count` records were submitted."""

    stage: Stage
    count: int
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(default_factory=Clock)
    name: str = "generate"
    takes_tombstones: bool = False

    def __post_init__(self) -> None:
        """Everything but two calls is the stage's own."""
        self.left = self.count
        self.open, self.collect, self.hurry = self.stage.open, self.stage.collect, self.stage.hurry
        self.asides, self.failure = self.stage.asides, self.stage.failure
        self.name, self.takes_tombstones = self.stage.name, self.stage.takes_tombstones

    def submit(self, message: Message) -> None:
        """Count what the stage took."""
        self.clock.begin()
        self.stage.submit(message)
        self.left -= 1
        if not self.left:
            self.stop.set()

    def surrender(self, places: Collection[Place]) -> Sequence[Place]:
        """Nothing is given back: the bench wants all of them done."""
        return ()

    def close(self, *, timeout_s: float) -> None:
        """The runner has drained: everything is with the broker and committed."""
        self.clock.end()
        self.stage.close(timeout_s=timeout_s)


def carried(bootstrap: str, count: int, stage: Stage, topic: str) -> Clock:
    """`count` records through the runner, every delivery awaited, every offset committed."""
    reach = Connection(bootstrap=bootstrap)
    group = uuid.uuid4().hex
    timed = Timed(stage, count)
    runner = Runner(
        timed,
        intake=Intake(reach, group=group, client_id=group, topics=[topic]),
        producer=Producer(reach, client_id=group),
        limits=Limits(in_flight_max=2_000, careful_max=0),
        ops=Ops(stage.name),
    )
    runner.run(timed.stop)
    return timed.clock


# the real route ---------------------------------------------------------------------------------


class Pocket:
    """A shelf in a dictionary: the shelf apart."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put_if_absent(self, key: str, data: bytes, *, media_type: str) -> bool:
        """As every shelf."""
        return self._kept.setdefault(key, data) is data

    def find(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes | None:
        """As every shelf."""
        return self._kept.get(key)

    def get(self, key: str, *, size_bytes_max: int = GET_BYTES_MAX) -> bytes:
        """As every shelf."""
        return self._kept[key]

    def check(self) -> None:
        """Always there."""


def route(bootstrap: str) -> Stage:
    """The stage as `heddle run route` builds it, but for the shelf."""
    work = Route(
        events=EVENTS,
        store=Pocket(),  # type: ignore[arg-type]  # route uses no more of a shelf than this
        standing=Standing(Connection(bootstrap=bootstrap), EVENTS),
        house=House(),
        intakes=Intakes(),
    )
    return PooledStage(work, threads_max=8, waiting_max=120)


# the run ----------------------------------------------------------------------------------------


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--stage", choices=("nothing", "route", "all"), default="nothing")
    parser.add_argument("--profile", action="store_true", help="also where the time goes")
    given = parser.parse_args()
    loops: dict[str, Callable[[str], Clock]] = {"bare loop": lambda to: bare(to, given.records)}
    if given.stage in ("nothing", "all"):
        loops["runner, nothing"] = lambda to: carried(to, given.records, Nothing(), ORDERS)
    if given.stage in ("route", "all"):
        loops["runner, route"] = lambda to: carried(to, given.records, route(to), ASKED)
    with tempfile.TemporaryDirectory() as folder, kafka.running(Path(folder)) as bootstrap:
        prepare(bootstrap, given.records)
        print(f"{given.records} records, {PARTITIONS} partitions")
        print(f"{'loop':20} {'requests/s':>12} {'CPU us each':>12} {'times the floor':>16}")
        floor_us = 0.0
        for name, loop in loops.items():
            with profiled(wanted=given.profile):
                clock = loop(bootstrap)
            rate, cpu_us = clock.per_record(given.records)
            floor_us = floor_us or cpu_us
            print(f"{name:20} {rate:12,.0f} {cpu_us:12.1f} {cpu_us / floor_us:16.1f}")


def prepare(bootstrap: str, count: int) -> None:
    """Topics and records."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [NewTopic(name, PARTITIONS) for name in (ORDERS, ASKED, BARE, GENERATED.name)]
    wanted += [NewTopic(topic.name, 1) for topic in (TENANTS, REGISTRY)]
    for made in admin.create_topics(wanted).values():
        made.result(30)
    producer = Producer(Connection(bootstrap=bootstrap), client_id="bench")
    producer.deliver([EVENTS.output(entry) for entry in entries()], timeout_s=30)
    for start in range(0, count, 10_000):
        wave = range(start, min(start + 10_000, count))
        made_up = [EVENTS.output(order, topic=ORDERS) for order in orders(wave)]
        made_up += [EVENTS.output(request) for request in requests(wave)]
        producer.deliver(made_up, timeout_s=120)


@contextmanager
def profiled(*, wanted: bool) -> Iterator[None]:
    """Print where the main thread's time goes."""
    if not wanted:
        yield
        return
    profile = cProfile.Profile(time.thread_time)
    with profile:
        yield
    pstats.Stats(profile).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    main()
