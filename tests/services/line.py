"""A production line for tests: real stages as real processes on the session's real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Producer as RawProducer

from client import Heddle
from heddle import parts, settings
from heddle.commands.models import local_models
from heddle.commands.tenants import set_tenants
from heddle.stack.ports import free_ports
from registry.book import ALIAS_MOVED, VERSION_REGISTERED
from schemas.codec import Codec
from schemas.records import EPOCH, RegistryChanged
from schemas.topics import prefixed, topic_of
from streams.kafka import admin, plan
from streams.kafka.connection import Connection
from streams.kafka.message import Message
from streams.kafka.producer import Producer
from streams.kafka.replay import read_all

T = TypeVar("T")
READY_S = 60.0
PARTITIONS = 2
WRITER, READER = "writer-of-tests", "reader-of-tests"


@dataclass
class Line:
    """Stages of one installation, by prefix. `close` leaves no process behind."""

    bootstrap: str
    prefix: str
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def prepare(self, *tenants: str) -> None:
        """Topics, the stand-in's book entry, tenants."""
        read = settings.read(self.environment())
        reach = self.connection
        admin.create(reach, plan.planned(self.prefix, partitions=PARTITIONS))
        events = parts.events(read, "tests")
        family, version, tile_px, sha256 = local_models(read)[0]
        facts: dict[str, Any] = {"family": family, "version": version, "tile_px": tile_px}
        entries = [
            RegistryChanged(
                event_id=kind, kind=kind, epoch=epoch, changed_at=EPOCH, sha256=sha256, **facts
            )
            for kind, epoch in ((VERSION_REGISTERED, 0), (ALIAS_MOVED, 1))
        ]
        producer = Producer(reach, client_id="tests")
        producer.deliver([events.output(entry) for entry in entries], timeout_s=30)
        set_tenants(read, tenants or ("acme",))

    @property
    def connection(self) -> Connection:
        """To the broker."""
        return Connection(bootstrap=self.bootstrap)

    @property
    def assets(self) -> Path:
        """The shelf's folder."""
        return self.folder / "assets"

    def environment(self) -> dict[str, str]:
        """HEDDLE_* of every stage."""
        if not self.ports:
            self.ports["ledger"], self.ports["live"] = free_ports(2)
        return {
            "HEDDLE_BOOTSTRAP": self.bootstrap,
            "HEDDLE_PREFIX": self.prefix,
            "HEDDLE_STACK": str(self.folder),
            "HEDDLE_ASSETS": self.assets.as_uri(),
            "HEDDLE_ENGINE": "stand-in",
            "HEDDLE_MODEL": "stand-in",
            "HEDDLE_PARTITIONS": str(PARTITIONS),
            "HEDDLE_PROCESSES": "1",
            "HEDDLE_DRAIN_MS": "8000",
            "HEDDLE_LEDGER_URL": f"http://127.0.0.1:{self.ports['ledger']}",
            "HEDDLE_LEDGER_PORT": str(self.ports["ledger"]),
            "HEDDLE_LEDGER_WRITER_PASSWORD": WRITER,
            "HEDDLE_LEDGER_READER_PASSWORD": READER,
            "HEDDLE_LIVE_PORT": str(self.ports["live"]),
            "HEDDLE_LIVE_URL": f"http://127.0.0.1:{self.ports['live']}",
            **self.extra,
        }

    def credentials(self, stage: str) -> dict[str, str]:
        """HEDDLE_* of one stage alone; an open broker asks for none."""
        del stage
        return {}

    def start(self, *stages: str, **extra: str) -> None:
        """Start stages side by side and return once all are ready."""
        for stage in stages:
            self.ports.setdefault(stage, free_ports(1)[0])
            env = {**os.environ, **self.environment(), **self.credentials(stage), **extra}
            env["HEDDLE_PORT"] = str(self.ports[stage])
            with self.log(stage).open("ab") as log:
                self.running[stage] = subprocess.Popen(
                    [sys.executable, "-m", "heddle", "run", stage],
                    env=env,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                )
        for stage in stages:
            self.until(partial(self._is_ready, stage), READY_S, f"{stage} ready")

    def kill(self, *stages: str) -> None:
        """SIGKILL: nobody gets to say anything."""
        for stage in stages:
            process = self.running.pop(stage)
            process.kill()
            process.wait(10)

    def stop(self, *stages: str) -> dict[str, int]:
        """SIGTERM and the exit codes."""
        leaving = {stage: self.running.pop(stage) for stage in stages or list(self.running)}
        for process in leaving.values():
            process.send_signal(signal.SIGTERM)
        return {stage: process.wait(40) for stage, process in leaving.items()}

    def close(self) -> None:
        """End whatever still runs."""
        for stage in list(self.running):
            self.kill(stage)

    def log(self, stage: str) -> Path:
        """Where a stage's output goes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{stage}.log"

    def said(self, stage: str) -> str:
        """What a stage has logged."""
        return self.log(stage).read_text(errors="replace")

    def client(self) -> Heddle:
        """The public client."""
        return Heddle(self.bootstrap, prefix=self.prefix)

    def raw(self, topic: str, values: Sequence[tuple[str, bytes]], **config: str) -> None:
        """Put bytes on a topic, as a stranger would."""
        producer = RawProducer(
            {"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"} | config
        )
        for key, value in values:
            producer.produce(prefixed(self.prefix, topic), key=key.encode(), value=value)
        assert producer.flush(30) == 0

    def messages(self, topic: str) -> list[Message]:
        """All records of a topic."""
        return list(read_all(self.connection, [prefixed(self.prefix, topic)], timeout_s=30))

    def events(self, topic: str) -> list[Any]:
        """All records of a topic, decoded."""
        codec, kind = Codec(), topic_of(topic).record
        return [codec.decode(message.value, kind) for message in self.messages(topic)]

    def until(self, holds: Callable[[], T | None], within_s: float, what: str) -> T:
        """Wait until `holds()` is truthy; fails with the ends of all logs."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            if found := holds():
                return found
            for stage, process in self.running.items():
                assert process.poll() is None, f"{stage} ended: {self.said(stage)[-1500:]}"
            time.sleep(0.1)
        told = "\n".join(f"--- {stage}\n{self.said(stage)[-1500:]}" for stage in self.running)
        raise AssertionError(f"not within {within_s:g} s: {what}\n{told}")

    def metrics(self, stage: str) -> str:
        """A stage's /metrics."""
        return self._get(stage, "/metrics")

    def _is_ready(self, stage: str) -> bool:
        try:
            return bool(self._get(stage, "/readyz"))
        except OSError:
            return False

    def _get(self, stage: str, path: str) -> str:
        port = self.ports[stage]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return str(response.read().decode())


def manifests(line: Line, stage: str) -> Iterator[dict[str, Any]]:
    """Every manifest of a stage on the shelf."""
    for path in line.assets.glob(f"*/patterns/*/*/{stage}.json"):
        yield json.loads(path.read_text())
