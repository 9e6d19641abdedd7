"""The schema endpoint against the unmodified confluent serialisers, and against its own numbers."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from heddle.schema_endpoint import running, serve
from heddle.schema_endpoint.answers import Answer, answer
from schemas import committed, schema_registry, topics
from schemas.codec import Codec
from schemas.errors import EXIT_PORT_TAKEN, Unusable
from schemas.records import (
    Adapter,
    CancelRequested,
    PatternRequested,
    Prompt,
    Record,
    Repeat,
    RequestCompleted,
)

PREFIX = "mill"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RECORDS: list[tuple[str, Record]] = [
    (
        "mill.patterns.requested",
        PatternRequested(
            request_id="r1",
            tenant="acme",
            prompt=Prompt(text="blue waves"),
            repeat=Repeat(lattice="half-drop", width_um=64_000, height_um=32_000),
            labels={"order": "17"},
            adapters=(Adapter(name="linen", scale=0.5),),
            deadline=NOON,
        ),
    ),
    (
        "mill.patterns.cancel-requested",
        CancelRequested(event_id="e", request_id="r1", tenant="acme", happened_at=NOON),
    ),
    (
        "mill.patterns.completed",
        RequestCompleted(
            event_id="e",
            request_id="r1",
            tenant="acme",
            count=3,
            published=(1, 3),
            failed=(),
            cancelled=(2,),
            expired=(),
            completed_at=NOON,
        ),
    ),
]
KINDS = [pytest.param(*pair, id=type(pair[1]).__name__) for pair in RECORDS]
TOPIC_NAME = {"subject.name.strategy.type": "TOPIC"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Address of a running endpoint of an installation with a prefix."""
    with running(prefix=PREFIX) as address:
        yield address


@pytest.fixture
def registry(endpoint: str) -> Iterator[Any]:
    """Confluent's own client of it."""
    with SchemaRegistryClient({"url": endpoint}) as client:
        yield client


def connect(address: str) -> http.client.HTTPConnection:
    """A connection of our own making."""
    return http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)


def plain(record: Any, _context: Any = None) -> Any:
    """A record as the dictionary a foreign producer would build."""
    return dataclasses.asdict(record)


@pytest.mark.parametrize(("topic", "record"), KINDS)
@pytest.mark.parametrize(
    "config",
    [
        pytest.param({**TOPIC_NAME, "use.latest.version": True}, id="latest"),
        pytest.param(TOPIC_NAME, id="look-up"),
        pytest.param({}, id="default strategy"),
    ],
)
def test_their_serialiser_writes_our_bytes(
    registry: Any, config: dict[str, Any], topic: str, record: Record
) -> None:
    """AvroSerializer, by latest version or by look-up, gives exactly the codec's bytes."""
    schema = json.dumps(committed.newest(type(record).__name__).source)
    settings = {"auto.register.schemas": False, **config}
    serialise = AvroSerializer(registry, schema, plain, settings)
    theirs = serialise(record, SerializationContext(topic, MessageField.VALUE))
    assert theirs == Codec().encode(record)
    assert Codec().decode(theirs, type(record)) == record


@pytest.mark.parametrize(("topic", "record"), KINDS)
def test_their_registration_finds_our_ids(registry: Any, topic: str, record: Record) -> None:
    """A producer left at automatic registration is told the committed id."""
    schema = json.dumps(committed.newest(type(record).__name__).source)
    serialise = AvroSerializer(registry, schema, plain, TOPIC_NAME)
    theirs = serialise(record, SerializationContext(topic, MessageField.VALUE))
    assert theirs == Codec().encode(record)


@pytest.mark.parametrize(("topic", "record"), KINDS)
def test_their_deserialiser_reads_our_bytes(registry: Any, topic: str, record: Record) -> None:
    """AvroDeserializer needs the endpoint alone to read what the codec wrote."""
    deserialise = AvroDeserializer(registry, conf=TOPIC_NAME)
    value = deserialise(Codec().encode(record), SerializationContext(topic, MessageField.VALUE))
    assert json.dumps(value, default=str) == json.dumps(plain(record), default=str)


def test_their_client_browses(registry: Any) -> None:
    """Subjects, versions, ids, compatibility and mode read as from any registry."""
    newest = {
        f"{PREFIX}.{topic.name}-value": committed.newest(topic.record.__name__).number
        for topic in topics.TOPICS
    }
    assert set(registry.get_subjects()) == set(newest)
    assert max(newest.values()) > 1
    for subject, number in newest.items():
        assert registry.get_versions(subject) == list(range(1, number + 1))
        latest = registry.get_latest_version(subject)
        assert registry.get_version(subject, number).schema_id == latest.schema_id
        assert registry.get_schema(latest.schema_id).schema_str == latest.schema.schema_str
        found = registry.get_schema_versions(latest.schema_id)
        assert subject in {version.subject for version in found}
    assert registry.get_config().compatibility_level == "FULL_TRANSITIVE"
    assert registry.get_global_mode() == "READONLY"


def test_an_intake_topic_has_the_request_schema(registry: Any) -> None:
    """A source's own intake topic answers with PatternRequested."""
    latest = registry.get_latest_version(f"{PREFIX}.patterns.requested.shop-value")
    assert latest.schema_id == committed.newest("PatternRequested").schema_id


SCHEMA = json.dumps(committed.newest("PatternRequested").source)
REQUESTED = "/subjects/patterns.requested-value"
OTHER = json.dumps({"type": "record", "name": "Other", "fields": []})


@pytest.mark.parametrize(
    ("request_line", "body", "code"),
    [
        ("GET /subjects/nobody-value/versions", None, 40401),
        ("GET /subjects/patterns.requested-key/versions", None, 40401),
        ("GET /subjects/mill.patterns.requested-value/versions", None, 40401),
        (f"GET {REQUESTED}/versions/99", None, 40402),
        (f"GET {REQUESTED}/versions/newest", None, 42202),
        (f"GET {REQUESTED}/versions/{'9' * 5000}", None, 42202),
        ("GET /schemas/ids/999", None, 40403),
        ("GET /schemas/ids/x", None, 40403),
        ("GET /schemas/ids/1/owner", None, 404),
        ("GET /associations/resources/a/b", None, 404),
        ("POST /schemas/ids/1", b"{}", 404),
        (f"POST {REQUESTED}", {"schema": OTHER}, 40403),
        (f"POST {REQUESTED}", {"schema": SCHEMA, "schemaType": "JSON"}, 40403),
        ("POST /subjects/nobody-value", {"schema": SCHEMA}, 40401),
        (f"POST {REQUESTED}", {"schema": "{"}, 42201),
        (f"POST {REQUESTED}", b"not JSON", 42201),
        (f"POST {REQUESTED}", b"[" * 100_000, 42201),
        (f"POST {REQUESTED}", b"[]", 42201),
        (f"POST {REQUESTED}/versions", {"schema": OTHER}, 42205),
        ("PUT /config", {"compatibility": "NONE"}, 42205),
        (f"DELETE {REQUESTED}", None, 42205),
    ],
)
def test_refusals_have_the_known_numbers(request_line: str, body: Any, code: int) -> None:
    """Every refusal has the status and error code that registry clients know."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    method, _, target = request_line.partition(" ")
    said = answer(method, target, raw)
    assert said.document["error_code"] == code
    assert said.status == int(str(code)[:3])


def test_identical_schemas_are_found_without_their_documentation() -> None:
    """A posted schema without docs is the committed one; its id and version come back."""
    bare = json.loads(SCHEMA)
    bare.pop("doc")
    body = json.dumps({"schema": json.dumps(bare)}).encode()
    said = answer("POST", REQUESTED, body)
    assert (said.status, said.document["id"], said.document["version"]) == (200, 1, 1)
    assert answer("POST", f"{REQUESTED}/versions", body) == Answer(200, {"id": 1})


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer(endpoint: str, path: str) -> None:
    """Both probes say ok over HTTP."""
    with closing(connect(endpoint)) as connection:
        connection.request("GET", path)
        assert json.load(connection.getresponse()) == {"status": "ok"}


def test_answers_are_counted_by_status(endpoint: str) -> None:
    """`/metrics` counts what was answered, in the format that Prometheus reads."""
    with closing(connect(endpoint)) as connection:
        connection.request("GET", "/schemas/ids/999")
        connection.getresponse().read()
        connection.request("GET", "/metrics")
        said = connection.getresponse()
        assert said.getheader("Content-Type", "").startswith("text/plain")
        assert 'heddle_schema_answers_total{status="404"}' in said.read().decode()


def test_a_body_without_bound_is_refused(endpoint: str) -> None:
    """A body announced larger than the limit is refused unread, and the connection closed."""
    connection = connect(endpoint)
    connection.putrequest("POST", REQUESTED)
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    said = connection.getresponse()
    assert said.status == 413
    assert said.getheader("Connection") is None
    said.read()
    assert connection.sock is None or connection.sock.recv(1) == b""
    connection.close()


def test_a_stop_is_prompt_and_frees_the_port() -> None:
    """`serve` ends when told to, idle connections notwithstanding; a taken port is named."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(Unusable, match=f"port {port}") as refused:
            serve(port=port, stop=threading.Event())
        assert refused.value.exit_code == EXIT_PORT_TAKEN
    with running() as address:
        idle = connect(address)
        idle.request("GET", "/subjects")
        assert idle.getresponse().status == 200
    with pytest.raises(ConnectionRefusedError):
        connect(address).connect()
    idle.close()


def test_our_own_client_reads_the_endpoint(endpoint: str) -> None:
    """Ids and texts read from the endpoint are the committed ones; an unknown id is None."""
    ids = schema_registry.ids_of(endpoint, prefix=PREFIX)
    assert ids == {version.record: version.schema_id for version in committed.versions()}
    text = schema_registry.lookup(endpoint)(1)
    assert text is not None
    assert committed.fingerprint_of(json.loads(text)) == committed.by_id()[1].fingerprint
    assert schema_registry.lookup(endpoint)(999) is None
    with pytest.raises(Unusable, match=r"patterns\.requested-value"):
        schema_registry.ids_of(endpoint, prefix="other")
