"""A registry that is not ours: other ids, other versions, other people's schemas, other moods."""

from __future__ import annotations

import copy
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from heddle.schema_endpoint.answers import Answer, answer
from schemas import committed, schema_registry
from schemas.codec import Codec
from schemas.errors import Transient, Undecodable, Unusable
from schemas.records import PatternRequested, Prompt, Repeat

SHIFT = 5_000
REQUEST = PatternRequested(
    request_id="r1",
    tenant="acme",
    prompt=Prompt(text="blue waves"),
    repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
)
Rule = Callable[[str, str, bytes, dict[str, str]], Answer]


@contextmanager
def registry(rule: Rule) -> Iterator[str]:
    """A registry over real HTTP that answers by `rule`: method, path, body, headers."""

    class Exchange(BaseHTTPRequestHandler):
        def exchange(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = rule(self.command, self.path, body, dict(self.headers.items()))
            raw = json.dumps(said.document).encode()
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = exchange  # noqa: N815 - the base class's names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def shifted(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Our schemas under ids that are SHIFT higher than ours."""
    del headers
    head, slash, number = path.partition("?")[0].rpartition("/")
    if head == "/schemas/ids" and number.isdecimal():
        path = f"{head}{slash}{int(number) - SHIFT}" if int(number) > SHIFT else "/none"
    said = answer(method, path, body)
    if said.status == 200 and isinstance(said.document, dict) and "id" in said.document:
        return Answer(200, {**said.document, "id": said.document["id"] + SHIFT})
    return said


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the waits between them."""
    monkeypatch.setattr(schema_registry, "BACKOFF_S", 0.0)


def test_their_ids_go_on_the_wire() -> None:
    """With an external registry the bytes carry its ids, which everybody else can resolve."""
    with registry(shifted) as url:
        codec = Codec(ids=schema_registry.ids_of(url), lookup=schema_registry.lookup(url))
        value = codec.encode(REQUEST)
        assert int.from_bytes(value[1:5], "big") == SHIFT + 1
        assert codec.decode(value, PatternRequested) == REQUEST
        with SchemaRegistryClient({"url": url}) as client:
            theirs = AvroDeserializer(client, conf={"subject.name.strategy.type": "TOPIC"})
            found = theirs(value, SerializationContext("patterns.requested", MessageField.VALUE))
        assert found["request_id"] == "r1"


def test_our_own_ids_mean_nothing_there() -> None:
    """Where a registry gives the ids, a value framed with ours is refused, not guessed at."""
    with registry(shifted) as url:
        codec = Codec(ids=schema_registry.ids_of(url), lookup=schema_registry.lookup(url))
        with pytest.raises(Undecodable, match="schema id 1 is unknown"):
            codec.decode(Codec().encode(REQUEST), PatternRequested)


def test_a_neighbours_schema_is_read_when_it_resolves() -> None:
    """A producer's own compatible schema, more fields and fewer, gives our record."""
    theirs = their_schema()
    schema = fastavro.parse_schema(theirs)
    buffer = io.BytesIO()
    plain = {
        "mood": "calm",
        "request_id": "r1",
        "tenant": "acme",
        "prompt": {"text": "blue waves"},
        "repeat": {"lattice": "straight", "width_um": 64_000, "height_um": 64_000},
    }
    fastavro.schemaless_writer(buffer, schema, plain)
    value = b"\x00" + (77).to_bytes(4, "big") + buffer.getvalue()
    with registry(lambda *_: Answer(200, {"schema": json.dumps(theirs)})) as url:
        codec = Codec(lookup=schema_registry.lookup(url))
        assert codec.decode(value, PatternRequested) == REQUEST


def their_schema() -> Any:
    """PatternRequested by somebody who needs four fields of it and one of their own."""
    theirs = copy.deepcopy(committed.newest("PatternRequested").source)
    needed = {"request_id", "tenant", "prompt", "repeat"}
    fields = [column for column in theirs["fields"] if column["name"] in needed]
    prompt = next(column for column in fields if column["name"] == "prompt")
    prompt["type"]["fields"] = [{"name": "text", "type": "string"}]
    theirs["fields"] = [{"name": "mood", "type": ["null", "string"]}, *fields]
    return theirs


def test_what_nobody_knows_is_none() -> None:
    """Unknown ids, Protobuf schemas and answers without a schema resolve to nothing."""
    for said in (
        Answer(404, {"error_code": 40403}),
        Answer(200, {"schema": "x", "schemaType": "PROTOBUF"}),
        Answer(200, {}),
    ):
        with registry(lambda *_, said=said: said) as url:
            assert schema_registry.lookup(url)(7) is None


def test_passing_trouble_is_asked_again() -> None:
    """A registry that fails twice is asked a third time; one that stays down raises Transient."""
    left = [503, 429]

    def moody(*request: Any) -> Answer:
        return Answer(left.pop(), {}) if left else shifted(*request)

    with registry(moody) as url:
        assert schema_registry.lookup(url)(SHIFT + 1) is not None
    with pytest.raises(Transient, match="did not answer"):
        schema_registry.lookup(url, timeout_s=1)(1)
    with registry(lambda *_: Answer(200, ["no object"])) as url, pytest.raises(Transient):
        schema_registry.lookup(url)(1)


def test_user_and_password_are_sent_and_never_shown() -> None:
    """Credentials in the address become Basic authentication; a refusal does not repeat them."""
    seen: list[str] = []

    def guarded(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        seen.append(headers.get("Authorization", ""))
        known = headers.get("Authorization") == "Basic YW5hOnMzOmNyZXQ="
        return shifted(method, path, body, headers) if known else Answer(401, {})

    with registry(guarded) as url:
        inside = url.replace("http://", "http://ana:s3%3Acret@")
        assert schema_registry.lookup(inside)(SHIFT + 1) is not None
        wrong = url.replace("http://", "http://ana:wrong@")
        with pytest.raises(Unusable) as refused:
            schema_registry.lookup(wrong)(1)
    assert "wrong" not in str(refused.value)
    assert "401" in str(refused.value)
    assert len(seen) == 2


@pytest.mark.parametrize("url", ["registry:8081", "file:///etc/passwd", "ftp://host", "http://"])
def test_only_web_addresses_are_asked(url: str) -> None:
    """Anything but http(s) with a host is refused, saying what was wanted."""
    with pytest.raises(Unusable, match="http"):
        schema_registry.lookup(url)(1)


def test_one_record_has_one_id() -> None:
    """A registry that gave the routed topics' one schema several ids is named as unusable."""
    count = iter(range(100, 200))

    def strange(*request: Any) -> Answer:
        said = shifted(*request)
        return Answer(200, {**said.document, "id": next(count)})

    with registry(strange) as url, pytest.raises(Unusable, match="PatternRouted several ids"):
        schema_registry.ids_of(url)
