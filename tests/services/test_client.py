"""The client against a real broker: what it sends, what it makes of results."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from client import (
    AsyncHeddle,
    Event,
    Heddle,
    PatternRequested,
    Prompt,
    Rejected,
    Transient,
    Unusable,
    reading,
    repeat_mm,
)
from schemas import committed, envelope, names, topics
from schemas.codec import Codec
from schemas.records import AssetPublished, File, Pattern, PatternFailed, RequestCompleted

SMALL = repeat_mm(64, 64)


@pytest.fixture
def river(broker: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Bootstrap and prefix of an installation whose topics exist, three partitions each."""
    admin = AdminClient({"bootstrap.servers": broker})
    wanted = [NewTopic(topics.prefixed(prefix, t.name), 3, 1) for t in topics.TOPICS]
    for made in admin.create_topics(wanted).values():
        made.result(30)
    yield broker, prefix
    admin.delete_topics([topic.topic for topic in wanted])


@pytest.fixture
def heddle(river: tuple[str, str]) -> Iterator[Heddle]:
    """A client of that installation."""
    bootstrap, prefix = river
    with Heddle(bootstrap, prefix=prefix) as made:
        yield made


def published(request_id: str, ordinal: int, count: int) -> AssetPublished:
    """What finish says of one pattern."""
    now = datetime.now(UTC)
    return AssetPublished(
        event_id=names.event_id(f"{request_id}.{ordinal}", "finish", "published"),
        pattern=Pattern(request_id=request_id, ordinal=ordinal, count=count, tenant="acme"),
        files=(
            File(
                role="tile",
                key="acme/files/ab.png",
                display_name="tile.png",
                media_type="image/png",
                size_bytes=1,
                sha256="00",
            ),
        ),
        gates=(),
        seed=1,
        attempt=1,
        steps=20,
        guidance=4.0,
        model_hash="",
        recipe_hash="",
        manifest_key="",
        generated_at=now,
        published_at=now,
    )


def failed(request_id: str, ordinal: int, count: int, outcome: str = "failed") -> PatternFailed:
    """What a stage says of a pattern without files."""
    return PatternFailed(
        event_id=names.event_id(f"{request_id}.{ordinal}", "finish", outcome),
        pattern=Pattern(request_id=request_id, ordinal=ordinal, count=count, tenant="acme"),
        stage="finish",
        outcome=outcome,
        reason="seam_p is 3",
    )


def completed(request_id: str) -> RequestCompleted:
    """What live says of a whole request."""
    return RequestCompleted(
        event_id=names.event_id(f"{request_id}.0", "live", "completed"),
        request_id=request_id,
        tenant="acme",
        count=1,
        published=(1,),
        failed=(),
        cancelled=(),
        expired=(),
        completed_at=datetime.now(UTC),
    )


TOPIC_OF = {
    AssetPublished: topics.PUBLISHED,
    PatternFailed: topics.FAILED,
    RequestCompleted: topics.COMPLETED,
}


def put(river: tuple[str, str], *events: Event, ids: dict[str, int] | None = None) -> None:
    """Produce events as the stages do, under ids of another registry where given."""
    bootstrap, prefix = river
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    codec = Codec(ids=ids)
    for event in events:
        producer.produce(
            topics.prefixed(prefix, TOPIC_OF[type(event)].name),
            key=envelope.key_of(event),
            value=codec.encode(event),
        )
    assert producer.flush(20) == 0


def raw(river: tuple[str, str], topic: str, count: int) -> list[Any]:
    """`count` messages of a topic by a consumer that knows nothing of ours."""
    bootstrap, prefix = river
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topics.prefixed(prefix, topic)])
    found: list[Any] = []
    due_s = time.monotonic() + 30
    while len(found) < count and time.monotonic() < due_s:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append(message)
    consumer.close()
    return found


def test_a_request_reads_with_plain_avro(heddle: Heddle, river: tuple[str, str]) -> None:
    """A request is framed Avro under its request id, with CloudEvents headers and traceparent."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    request_id = heddle.request(
        tenant="acme", prompt="blue waves", repeat=SMALL, tier="premium", traceparent=trace
    )
    (message,) = raw(river, "patterns.requested", 1)
    value = message.value()
    schema = committed.by_id()[int.from_bytes(value[1:5], "big")]
    plain: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema.parsed)
    headers = dict(message.headers())
    assert message.key() == request_id.encode()
    assert plain["prompt"]["text"] == "blue waves"
    assert plain["repeat"] == {"lattice": "straight", "width_um": 64_000, "height_um": 64_000}
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == request_id.encode()
    assert headers["ce_source"] == b"/heddle-client"
    assert headers["ce_type"] == b"heddle.PatternRequested"
    assert headers["ce_time"].endswith(b"Z")
    assert headers["content-type"] == b"application/avro"
    assert headers["traceparent"] == trace.encode()


def test_wait_needs_the_result_topics_alone(heddle: Heddle, river: tuple[str, str]) -> None:
    """Wait ends when every pattern has an end; repeats count once, an asset beats a failure."""
    request_id = heddle.request(tenant="acme", prompt="waves", repeat=SMALL, variations=3)
    put(
        river,
        failed(request_id, 1, 3),
        published(request_id, 1, 3),
        published(request_id, 1, 3),
        failed(request_id, 3, 3, "cancelled"),
        published("another", 2, 3),
        published(request_id, 2, 3),
    )
    result = heddle.wait(request_id, timeout_s=30)
    assert (result.count, list(result.published), list(result.failed)) == (3, [1, 2], [3])
    assert result.failed[3].outcome == "cancelled"
    assert result.refused is None
    assert not result.all_published


def test_wait_gives_up_in_words(heddle: Heddle, river: tuple[str, str]) -> None:
    """A request that does not end raises Transient, naming it and how far it came."""
    put(river, published("slow", 1, 2))
    with pytest.raises(Transient, match=r"slow\), 1 patterns"):
        heddle.wait("slow", timeout_s=3)


def test_a_refused_request_ends_the_wait(heddle: Heddle, river: tuple[str, str]) -> None:
    """Ordinal 0 ends the wait as refused, unless a replay superseded it before we looked."""
    put(river, failed("no", 0, 0, "rejected"), failed("later", 0, 0, "rejected"))
    put(river, published("later", 1, 1))
    refused = heddle.wait("no", timeout_s=30)
    assert refused.refused is not None
    assert refused.count == 0
    assert heddle.wait("later", timeout_s=30).all_published


def test_several_requests_share_one_reader(heddle: Heddle, river: tuple[str, str]) -> None:
    """`as_ended` hands each request over once, as it ends, even when it ends during the wait."""
    put(river, published("one", 1, 1))
    found = []
    for result in heddle.as_ended(["one", "two"], timeout_s=30):
        found.append(result.request_id)
        if result.request_id == "one":
            put(river, published("two", 1, 1))
    assert found == ["one", "two"]


def test_results_without_a_group_start_now(heddle: Heddle, river: tuple[str, str]) -> None:
    """A reader without a group sees what comes after the call, each event once."""
    put(river, published("old", 1, 1))
    with heddle.results() as events:
        event = published("new", 1, 1)
        put(river, event, event, completed("new"))
        found = {next(events).event_id, next(events).event_id}
        assert found == {event.event_id, completed("new").event_id}
        assert events.poll(1.0) is None
    with heddle.results(AssetPublished, from_beginning=True) as events:
        assert {envelope.key_of(next(events)) for _ in range(2)} == {"old", "new"}


def test_a_group_commits_what_the_caller_came_back_from(
    heddle: Heddle, river: tuple[str, str]
) -> None:
    """After a close, the event whose handling was not finished comes again, earlier ones do not."""
    put(river, *(published("r", ordinal, 3) for ordinal in (1, 2, 3)))
    with heddle.results(AssetPublished, group="shop") as events:
        first, second = next(events), next(events)
    with heddle.results(AssetPublished, group="shop") as events:
        again, third = next(events), next(events)
    assert again == second
    assert len({first.event_id, second.event_id, third.event_id}) == 3


def test_garbage_on_a_result_topic_is_skipped(
    heddle: Heddle, river: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A record that is no Avro is named in the log and does not stop the reader."""
    bootstrap, prefix = river
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    producer.produce(topics.prefixed(prefix, "patterns.published"), key="good", value=b"garbage")
    producer.produce(topics.prefixed(prefix, "patterns.published"), key="good", value=None)
    assert producer.flush(20) == 0
    put(river, published("good", 1, 1))
    with heddle.results(AssetPublished, group="shop") as events:
        assert envelope.key_of(next(events)) == "good"
    assert "patterns.published" in caplog.text


def test_a_registry_away_loses_nothing(
    river: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the registry does not answer reading raises Transient; later the event comes."""
    monkeypatch.setattr(reading, "_BACKOFF_S", 0.0)
    bootstrap, prefix = river
    put(river, published("r", 1, 1), ids={"AssetPublished": 99})
    text = json.dumps(committed.newest("AssetPublished").source)
    failures = list(range(reading._TRIES_MAX))

    def lookup(_: int) -> str:
        if failures:
            failures.pop()
            raise Transient("registry away")
        return text

    names = {topics.prefixed(prefix, "patterns.published"): AssetPublished}
    with reading.alone(
        bootstrap, names, codec=Codec(lookup=lookup), since_ms=0, config={}
    ) as events:
        with pytest.raises(Transient, match="registry away"):
            next(events)
        assert envelope.key_of(next(events)) == "r"


def test_asyncio_gives_the_same(river: tuple[str, str]) -> None:
    """The async client sends, waits and iterates with the same arguments."""

    async def scene() -> None:
        bootstrap, prefix = river
        async with AsyncHeddle(Heddle(bootstrap, prefix=prefix)) as heddle:
            events = await heddle.results(AssetPublished)
            request_id = await heddle.request(tenant="acme", prompt="waves", repeat=SMALL)
            put(river, published(request_id, 1, 1))
            async with events:
                assert envelope.key_of(await anext(events)) == request_id
            assert (await heddle.wait(request_id, timeout_s=30)).all_published
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await heddle.wait("never", timeout_s=60)

    asyncio.run(scene())


def test_nothing_is_sent_when_one_of_many_is_wrong(heddle: Heddle, river: tuple[str, str]) -> None:
    """The first bad field is named before any request of the batch reaches Kafka."""
    good = PatternRequested(
        request_id="good", tenant="acme", prompt=Prompt(text="waves"), repeat=SMALL
    )
    bad = dataclasses.replace(good, request_id="bad", prompt=Prompt(text=" "))
    with pytest.raises(Rejected) as refused:
        heddle.request_many([dataclasses.replace(good, request_id="unsent"), bad])
    assert refused.value.field == "prompt"
    assert heddle.request_many([good]) == ["good"]
    assert [message.key() for message in raw(river, "patterns.requested", 1)] == [b"good"]


def test_wishes_and_words_arrive(heddle: Heddle, river: tuple[str, str]) -> None:
    """Cancel and feedback land on their topics under the request id."""
    heddle.cancel("r1", tenant="acme", reason="typo", event_id="wish-1")
    heddle.feedback("r1.2", "rejected", tenant="acme", reasons=["colour"], event_id="word-1")
    (wish,) = raw(river, "patterns.cancel-requested", 1)
    (word,) = raw(river, "patterns.feedback", 1)
    assert wish.key() == word.key() == b"r1"
    assert dict(wish.headers())["ce_id"] == b"wish-1"
    assert dict(word.headers())["ce_id"] == b"word-1"


def test_wrong_addresses_are_named(broker: str) -> None:
    """A missing topic asks for the prefix, sending and reading; a silent broker is passing."""
    with Heddle(broker, prefix="nobody") as heddle:
        for group in (None, "shop"):
            with pytest.raises(Unusable, match=r"nobody\.patterns\.published.*prefix"):
                heddle.results(group=group)
        with pytest.raises(Unusable, match=r"nobody\.patterns\.requested.*prefix"):
            heddle.request(tenant="acme", prompt="waves", repeat=SMALL)
    silent = pytest.raises(Transient, match=r"not acknowledged.*Connect")
    with Heddle("127.0.0.1:1") as heddle, silent:
        heddle.request(tenant="acme", prompt="waves", repeat=SMALL, timeout_s=1)


def test_both_group_protocols_read(river: tuple[str, str]) -> None:
    """A librdkafka property given to the client reaches its readers: the newer group protocol."""
    bootstrap, prefix = river
    put(river, published("r", 1, 1))
    config = {"group.protocol": "consumer"}
    with (
        Heddle(bootstrap, prefix=prefix, group="shop", config=config) as heddle,
        heddle.results(AssetPublished) as events,
    ):
        assert envelope.key_of(next(events)) == "r"
