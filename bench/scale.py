"""How generate scales by Kafka: throughput, share per worker, and handover, on one machine.

    .venv/bin/python -m bench.scale [--workers 1,2,4,8] [--tiles 40] [--protocols consumer,classic]

Real worker processes (`heddle run generate`) on a real broker of twelve partitions. The engine is
the stand-in: a tile costs 20 steps of `--step-ms` in which it only waits, as a host waits for its
GPU, so that several workers fit on a small machine; one row a forward. Orders go straight to
`patterns.routed.standard`, which is the stage's public entry. Handover is read from the workers'
own log: from the newcomer's asking, the SIGTERM or the SIGKILL to the last "partitions assigned"
that follows. Partitions are given back only when what has begun there is done, so a leaver's tile
under way (20 steps) is part of the figure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.river_records import REQUESTED_AT, requests
from heddle.stack import kafka
from heddle.stack.ports import free_ports
from inference.stand_in import CARD, MODEL_HASH
from registry.book import ALIAS_MOVED, VERSION_REGISTERED, Book
from schemas.codec import Codec
from schemas.records import EPOCH, PatternRouted, RegistryChanged, TenantChanged
from streams.kafka import admin, plan
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.producer import Producer
from streams.stages.decide import House, decide, routed

PARTITIONS = 12
STEPS = 20
WAIT_S_MAX = 240.0
TENANT = TenantChanged(event_id="t", tenant="acme", changed_at=EPOCH, consent=True)
PRODUCED = re.compile(r'heddle_records_produced_total\{topic="[^"]*patterns\.generated"\} (\S+)')


@dataclass
class Worker:
    """One process."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def ready(self) -> bool:
        """Whether /readyz says so."""
        with suppress(OSError):
            return bool(self._get("/readyz"))
        return False

    def tiles(self) -> int:
        """Tiles that the broker has of it."""
        found = PRODUCED.search(self._get("/metrics"))
        return int(float(found[1])) if found else 0

    def assigned_s(self) -> list[float]:
        """When it was given partitions, Unix seconds."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [
            datetime.fromisoformat(each["time"]).timestamp()
            for each in told
            if each["event"] == "partitions assigned"
        ]

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


@dataclass
class Installation:
    """An installation of one stage."""

    bootstrap: str
    folder: Path
    protocol: str
    step_ms: int
    prefix: str = field(default_factory=lambda: f"b{uuid.uuid4().hex[:8]}")
    workers: list[Worker] = field(default_factory=list)

    def prepare(self) -> None:
        """Topics."""
        admin.create(self.connection, plan.planned(self.prefix, partitions=PARTITIONS))

    @property
    def connection(self) -> Connection:
        """To the broker."""
        return Connection(bootstrap=self.bootstrap)

    def start(self) -> Worker:
        """One more worker; not awaited."""
        (port,) = free_ports(1)
        name = f"w{len(self.workers)}"
        log = self.folder / f"{self.prefix}-{name}.log"
        env = os.environ | {
            "HEDDLE_BOOTSTRAP": self.bootstrap,
            "HEDDLE_PREFIX": self.prefix,
            "HEDDLE_GROUP_PROTOCOL": self.protocol,
            "HEDDLE_PARTITIONS": str(PARTITIONS),
            "HEDDLE_ASSETS": (self.folder / self.prefix).as_uri(),
            "HEDDLE_ENGINE": "stand-in",
            "HEDDLE_STEP_MS": str(self.step_ms),
            "HEDDLE_ROWS_MAX": "1",
            "HEDDLE_PORT": str(port),
            "HEDDLE_WORKER": name,
            "HEDDLE_LOG": "json",
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "heddle", "run", "generate"], env=env, stdout=out, stderr=out
            )
        worker = Worker(name, port, log, process)
        self.workers.append(worker)
        return worker

    def order(self, first: int, count: int) -> None:
        """Put work orders on the standard tier."""
        events = Events(codec=Codec(), prefix=self.prefix, source="/heddle/bench")
        outputs = [
            events.output(each, topic="patterns.routed.standard") for each in orders(first, count)
        ]
        Producer(self.connection, client_id="bench").deliver(outputs, timeout_s=60)

    def tiles(self) -> list[int]:
        """Tiles by worker."""
        return [worker.tiles() for worker in self.workers if worker.process.poll() is None]

    def close(self) -> None:
        """End them all."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait(10)


def orders(first: int, count: int) -> Iterator[PatternRouted]:
    """Work orders for the stand-in's own model."""
    book = Book()
    for kind, epoch in ((VERSION_REGISTERED, 0), (ALIAS_MOVED, 1)):
        book.apply(
            RegistryChanged(
                event_id=kind,
                kind=kind,
                epoch=epoch,
                changed_at=EPOCH,
                family=CARD.family,
                version=CARD.version,
                tile_px=CARD.tile_px,
                sha256=MODEL_HASH,
            )
        )
    house = House(model=CARD.family)
    for request in requests(range(first, first + count)):
        small = replace(request, tier="standard")
        claim = decide(small, tenant=TENANT, book=book, house=house, requested_at=REQUESTED_AT)
        for each in routed(claim, small):
            yield replace(each, steps=STEPS)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait, bounded."""
    deadline_s = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.1)


@contextmanager
def installed(bootstrap: str, folder: Path, protocol: str, step_ms: int) -> Iterator[Installation]:
    """Topics and, at the end, no process left."""
    made = Installation(bootstrap, folder, protocol, step_ms)
    made.prepare()
    try:
        yield made
    finally:
        made.close()


def throughput(house: Installation, workers: int, tiles_each: int) -> None:
    """Print tiles a second and the share of each worker."""
    for _ in range(workers):
        house.start()
    until(lambda: all(worker.ready() for worker in house.workers), "workers ready")
    settle(house)
    count = workers * tiles_each
    house.order(0, count)
    began_s = time.monotonic()
    until(lambda: sum(house.tiles()) >= count, f"{count} tiles, there are {house.tiles()}")
    took_s = time.monotonic() - began_s
    shares = sorted(100 * each / count for each in house.tiles())
    ideal = workers * 1000 / (STEPS * house.step_ms)
    print(
        f"| {house.protocol} | {workers} | {count / took_s:.2f} |"
        f" {100 * count / took_s / ideal:.0f} % |"
        f" {shares[0]:.0f} to {shares[-1]:.0f} % (even: {100 / workers:.1f} %) |"
    )


def settle(house: Installation) -> None:
    """Until nobody was given partitions for two seconds."""
    until(lambda: time.time() - max(_assignments(house), default=0.0) > 2, "the group at rest")


def _assignments(house: Installation) -> list[float]:
    return [at for worker in house.workers for at in worker.assigned_s()]


def handover(house: Installation) -> None:
    """Print how long partitions are nobody's, or not yet the newcomer's."""
    for _ in range(2):
        house.start()
    until(lambda: all(worker.ready() for worker in house.workers), "two workers ready")
    settle(house)
    house.order(0, 600)
    newcomer = house.start()
    until(lambda: bool(newcomer.assigned_s()), "the newcomer's partitions")
    joined_s = newcomer.assigned_s()[0] - _running_s(newcomer)
    settle(house)
    left_s = _after(house, house.workers[0], signal.SIGTERM)
    settle(house)
    killed_s = _after(house, house.workers[1], signal.SIGKILL)
    print(f"| {house.protocol} | {joined_s:.1f} | {left_s:.1f} | {killed_s:.1f} |")


def _running_s(worker: Worker) -> float:
    """When it asked to join."""
    for line in worker.log.read_text(errors="replace").splitlines():
        if '"event": "running"' in line:
            return datetime.fromisoformat(json.loads(line)["time"]).timestamp()
    raise AssertionError("it never ran")


def _after(house: Installation, leaver: Worker, how: signal.Signals) -> float:
    """Seconds from the signal to the last assignment that it brought about."""
    began_s = datetime.now(UTC).timestamp()
    leaver.process.send_signal(how)
    until(lambda: any(at > began_s for at in _assignments(house)), "somebody takes over")
    settle(house)
    return max(at for at in _assignments(house) if at > began_s) - began_s


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--tiles", type=int, default=40, help="for each worker")
    parser.add_argument("--step-ms", type=int, default=50)
    parser.add_argument("--protocols", default="consumer,classic")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heddle-scale-") as text:
        folder = Path(text)
        with kafka.running(folder / "kafka") as bootstrap:
            print(f"load average {os.getloadavg()[0]:.1f}")
            print("| protocol | workers | tiles/s | of the ideal | share per worker |")
            print("|---|---|---|---|---|")
            for protocol in given.protocols.split(","):
                for workers in map(int, given.workers.split(",")):
                    with installed(bootstrap, folder, protocol, given.step_ms) as house:
                        throughput(house, workers, given.tiles)
            print("\n| protocol | joins, s | leaves, s | is killed, s |\n|---|---|---|---|")
            for protocol in given.protocols.split(","):
                with installed(bootstrap, folder, protocol, given.step_ms) as house:
                    handover(house)


if __name__ == "__main__":
    main()
