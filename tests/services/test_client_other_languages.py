"""The programs of docs/other-languages.md, taken from the page and run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from client import Heddle
from heddle.schema_endpoint import running
from schemas import names, topics
from schemas.codec import Codec
from schemas.records import AssetPublished, File, Pattern, PatternRequested, Prompt, Repeat

HOUSE = Path(__file__).resolve().parents[2]
PAGE = (HOUSE / "docs" / "other-languages.md").read_text(encoding="utf-8")


def program(name: str) -> str:
    """The fenced block under a marker."""
    found = re.search(rf"<!-- test: {name} -->\n```python\n(.*?)```\n", PAGE, re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def river(broker: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Bootstrap and prefix of an installation with twelve partitions."""
    admin = AdminClient({"bootstrap.servers": broker})
    wanted = [
        NewTopic(topics.prefixed(prefix, topic.name), 12, 1)
        for topic in (topics.REQUESTED, topics.PUBLISHED)
    ]
    for made in admin.create_topics(wanted).values():
        made.result(30)
    yield broker, prefix
    admin.delete_topics([topic.topic for topic in wanted])


def published(request_id: str) -> AssetPublished:
    """What finish says of one pattern."""
    now = datetime.now(UTC)
    return AssetPublished(
        event_id=names.event_id(f"{request_id}.1", "finish", "published"),
        pattern=Pattern(request_id=request_id, ordinal=1, count=1, tenant="acme"),
        files=(
            File(
                role="print",
                key=f"acme/{request_id}.png",
                display_name="print.png",
                media_type="image/png",
                size_bytes=1,
                sha256="",
            ),
        ),
        gates=(),
        seed=1,
        attempt=1,
        steps=1,
        guidance=1.0,
        model_hash="",
        recipe_hash="",
        manifest_key="",
        generated_at=now,
        published_at=now,
    )


def test_the_consumer_on_the_page_runs(river: tuple[str, str]) -> None:
    """About twenty lines on plain libraries print every published file, each event once."""
    source = program("consumer")
    assert len([line for line in source.splitlines() if line.strip()]) <= 28
    bootstrap, prefix = river
    topic = topics.prefixed(prefix, "patterns.published")
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for request_id in ("one", "one", "two"):
        value = Codec().encode(published(request_id))
        producer.produce(topic, key=request_id, value=value)
    assert producer.flush(20) == 0
    with running(prefix=prefix) as registry:
        command = [sys.executable, "-I", "-c", source, bootstrap, registry, topic]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
            assert consumer.stdout is not None
            lines = {consumer.stdout.readline(), consumer.stdout.readline()}
            consumer.terminate()
            assert consumer.stdout.read() == ""
    assert lines == {"one 1 acme/one.png\n", "two 1 acme/two.png\n"}


def test_the_producer_on_the_page_is_understood(river: tuple[str, str]) -> None:
    """What it sends is the request it means, on the partition on which our own client puts it."""
    bootstrap, prefix = river
    topic = topics.prefixed(prefix, "patterns.requested")
    request_id = str(uuid.uuid4())
    schema = HOUSE / "schemas" / "avro" / "PatternRequested.v1.avsc"
    arguments = [bootstrap, topic, str(schema), request_id]
    subprocess.run(
        [sys.executable, "-I", "-c", program("producer"), *arguments], check=True, timeout=60
    )
    asked = PatternRequested(
        request_id=request_id,
        tenant="acme",
        prompt=Prompt(text="blue herringbone"),
        repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
    )
    with Heddle(bootstrap, prefix=prefix) as heddle:
        heddle.request_many([asked])
    theirs, ours = received(bootstrap, topic, 2)
    assert theirs.value() == ours.value() == Codec().encode(asked)
    assert theirs.key() == ours.key()
    assert theirs.partition() == ours.partition()
    assert dict(theirs.headers()).keys() == dict(ours.headers()).keys()


def received(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The first messages of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    found: list[Any] = consumer.consume(count, timeout=30)
    consumer.close()
    return found


def test_keys_lie_where_the_page_says(river: tuple[str, str]) -> None:
    """The table of keys and partitions is what our producers do."""
    table = PAGE.partition("<!-- test: partitions -->")[2]
    expected = {key: int(number) for key, number in re.findall(r"\| `(\S+)` \| (\d+) \|", table)}
    assert len(expected) == 5
    bootstrap, prefix = river
    found: dict[Any, Any] = {}

    def note(_: object, message: Any) -> None:
        found[message.key().decode()] = message.partition()

    topic = topics.prefixed(prefix, "patterns.requested")
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key in expected:
        producer.produce(topic, key=key, on_delivery=note)
    assert producer.flush(20) == 0
    assert found == expected
