"""A live view in a process of its own, and what is said to it on real topics."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from heddle.stack import ports
from schemas import names
from schemas.codec import Codec
from schemas.records import (
    AssetPublished,
    File,
    Pattern,
    PatternFailed,
    PatternRouted,
    Prompt,
    Record,
    RequestCompleted,
    TileGenerated,
)
from streams.kafka import admin
from streams.kafka.connection import Connection
from streams.kafka.events import Events
from streams.kafka.plan import planned
from streams.kafka.producer import Producer
from streams.live.app import SOURCES

PARTITIONS = 3
WAIT_S = 100.0
"""A busy machine takes half a minute to start a process."""
ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 1, tzinfo=UTC)
FILE = File(
    role="tile", key="a/b.png", display_name="b", media_type="image/png", size_bytes=1, sha256="00"
)
CHILD = """
import asyncio, logging, sys
from aiokafka import AIOKafkaConsumer
from streams.kafka.connection import Connection
from streams.live.app import LiveSettings, run
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
bootstrap, prefix, port, requests_max, busy_ms = sys.argv[1:]
seek = AIOKafkaConsumer.seek_to_committed

async def slow_seek(self, *places):
    await asyncio.sleep(int(busy_ms) / 1000)
    found = await seek(self, *places)
    await asyncio.sleep(int(busy_ms) / 1000)
    return found

AIOKafkaConsumer.seek_to_committed = slow_seek
sys.exit(run(LiveSettings(
    connection=Connection(bootstrap=bootstrap), prefix=prefix, port=int(port),
    partitions=3, requests_max=int(requests_max), drain_ms_max=50_000, stalled_s_max=20.0,
)))
"""


class River:
    """The topics around live: put events in, read what comes out, ask its port."""

    def __init__(self, bootstrap: str, prefix: str, log: Path) -> None:
        self.bootstrap, self.prefix, self.log = bootstrap, prefix, log
        self.connection = Connection(bootstrap=bootstrap)
        self.events = Events(codec=Codec(), prefix=prefix)
        self.producer = Producer(self.connection, client_id="test")
        (self.port,) = ports.free_ports(1)
        plan = [each for each in planned(prefix, partitions=PARTITIONS) if "dlq" not in each.name]
        admin.create(self.connection, plan)

    def say(self, *records: Record, tier: str = "draft") -> None:
        """Produce events and await delivery."""
        outputs = [
            self.events.output(
                record,
                topic=f"patterns.routed.{tier}" if isinstance(record, PatternRouted) else None,
            )
            for record in records
        ]
        self.producer.deliver(outputs, timeout_s=20)

    @contextmanager
    def live(
        self, *, requests_max: int = 1000, port: int = 0, busy_ms: int = 0
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The live view, running; killed at the end if it still does.

        `busy_ms` is how much longer a seek takes at its begin and at its end.
        """
        numbers = [str(number) for number in (port or self.port, requests_max, busy_ms)]
        arguments = [self.bootstrap, self.prefix, *numbers]
        with self.log.open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, *arguments], cwd=ROOT, stdout=out, stderr=out
            )
        try:
            yield child
        finally:
            child.kill()
            child.wait(10)

    def ask(self, path: str, *, port: int = 0) -> tuple[int, Any]:
        """Status and JSON of a GET; 0 while nobody listens."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as got:
                return got.status, json.load(got)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)
        except OSError:
            return 0, None

    def state(self, request_id: str) -> str | None:
        """State of a request, None where live does not know it."""
        status, body = self.ask(f"/requests/{request_id}")
        return body["state"] if status == 200 else None

    def all_committed(self) -> bool:
        """Whether live will read none of what was said so far a second time."""
        group = f"{self.prefix}.heddle.live"
        asker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        try:
            for topic in (topic.name for topic in SOURCES):
                wanted = [
                    TopicPartition(f"{self.prefix}.{topic}", number) for number in range(PARTITIONS)
                ]
                for place in asker.committed(wanted, timeout=10):
                    low, high = asker.get_watermark_offsets(place, timeout=10)
                    if max(place.offset, low) < high:
                        return False
        finally:
            asker.close()
        return True

    def completed(self, *, at_least: int, wait_s: float = WAIT_S) -> list[RequestCompleted]:
        """Every RequestCompleted on the topic, once there are so many and a second more."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}.{time.monotonic_ns()}",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([f"{self.prefix}.patterns.completed"])
        found: list[RequestCompleted] = []
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                value = message.value()
                assert isinstance(value, bytes)
                found.append(self.events.codec.decode(value, RequestCompleted))
                if len(found) >= at_least:
                    until = min(until, time.monotonic() + 1)
        consumer.close()
        return found


def wait_for(what: Callable[[], bool], *, wait_s: float = WAIT_S) -> None:
    """Return once it holds."""
    until = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < until, "did not come to pass"
        time.sleep(0.1)


def pattern(request_id: str, ordinal: int, count: int) -> Pattern:
    """One pattern of a request."""
    return Pattern(
        request_id=request_id,
        ordinal=ordinal,
        count=count,
        tenant="mill",
        tier="draft",
        requested_at=AT,
        labels={"po": "7"},
    )


def routed(request_id: str, ordinal: int = 1, count: int = 1) -> PatternRouted:
    """Split off."""
    known = pattern(request_id, ordinal, count)
    event = names.event_id(known.pattern_id, "route", "PatternRouted")
    return PatternRouted(event_id=event, pattern=known, prompt=Prompt(text="roses"), seed=1)


def generated(request_id: str, ordinal: int = 1, count: int = 1) -> TileGenerated:
    """Its tile is there."""
    known = pattern(request_id, ordinal, count)
    return TileGenerated(
        event_id=names.event_id(known.pattern_id, "generate", "TileGenerated"),
        pattern=known,
        file=FILE,
        gates=(),
        seed=1,
        attempt=1,
        steps=4,
        guidance=1.0,
        model_hash="m",
        manifest_key="k",
        generated_at=AT,
    )


def published(request_id: str, ordinal: int = 1, count: int = 1) -> AssetPublished:
    """Its files are there."""
    known = pattern(request_id, ordinal, count)
    return AssetPublished(
        event_id=names.event_id(known.pattern_id, "finish", "AssetPublished"),
        pattern=known,
        files=(FILE,),
        gates=(),
        seed=1,
        attempt=1,
        steps=4,
        guidance=1.0,
        model_hash="m",
        recipe_hash="h",
        manifest_key="k",
        generated_at=AT,
        published_at=AT,
    )


def failed(request_id: str, ordinal: int, count: int, outcome: str) -> PatternFailed:
    """Ended without an asset."""
    known = pattern(request_id, ordinal, count)
    return PatternFailed(
        event_id=names.event_id(known.pattern_id, "finish", "PatternFailed"),
        pattern=known,
        stage="finish",
        outcome=outcome,
        reason="seam",
        field="seam_p",
        limit="1.2",
        failed_at=AT,
    )
