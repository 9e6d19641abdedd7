"""The safe subset of Faust: commits below our own watermark, security translated or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Unusable
from streams.kafka import safe_faust
from streams.kafka.connection import Connection
from streams.kafka.safe_faust import Watermarks

PLACE = ("t", 0)


def options(**properties: str) -> dict[str, Any]:
    """Faust's options for a connection with these properties, underscores for dots."""
    given = {name.replace("_", "."): value for name, value in properties.items()}
    connection = Connection(bootstrap="one:9092, two:9093", properties=given)
    return safe_faust.options(faust, connection, app_id="x.heddle.live")


@given(st.lists(st.integers(0, 30), unique=True, min_size=1), st.data())
def test_no_commit_passes_an_unfinished_record(offsets: list[int], data: st.DataObject) -> None:
    """Whatever Faust asks for, and whatever order records finish in, the offset stays before."""
    marks = Watermarks()
    for offset in sorted(offsets):
        marks.take(PLACE, offset)
    finished = data.draw(st.permutations(offsets))[: data.draw(st.integers(0, len(offsets)))]
    for offset in finished:
        marks.finish(PLACE, offset)
    (safe,) = marks.safe({PLACE: 99}).values()
    unfinished = set(offsets) - set(finished)
    assert safe == (min(unfinished) if unfinished else max(offsets) + 1)


def test_an_unknown_partition_is_not_committed() -> None:
    """Nothing taken since the assignment, nothing to commit; a lower wish is left as it is."""
    marks = Watermarks()
    assert marks.safe({PLACE: 5}) == {}
    marks.take(PLACE, 4)
    marks.finish(PLACE, 4)
    assert marks.safe({PLACE: 3}) == {PLACE: 3}
    marks.forget()
    marks.finish(PLACE, 5)
    assert (marks.safe({PLACE: 5}), marks.position(PLACE)) == ({}, None)
    marks.take(PLACE, 2)
    assert marks.position(PLACE) == 2


def test_the_guard_stands_between_faust_and_the_broker() -> None:
    """The consumer Faust makes commits what the watermarks allow, and not at all without them."""
    sent: list[Mapping[Any, int]] = []

    class Theirs:
        async def _commit(self, offsets: Mapping[Any, int]) -> bool:
            sent.append(offsets)
            return True

    app, marks = SimpleNamespace(transport=SimpleNamespace(Consumer=Theirs)), Watermarks()
    safe_faust.guard(app, marks)
    consumer = app.transport.Consumer()
    assert asyncio.run(consumer._commit({PLACE: 7})) is False
    marks.take(PLACE, 6)
    assert asyncio.run(consumer._commit({PLACE: 7})) is True
    assert sent == [{PLACE: 6}]


def test_nothing_is_created_and_nothing_is_served() -> None:
    """The subset that every app of ours starts from."""
    found = options()
    assert found["id"] == "x.heddle.live"
    assert found["broker"] == ["kafka://one:9092", "kafka://two:9093"]
    assert not found["topic_allow_declare"]
    assert not found["web_enabled"]
    assert not found["worker_redirect_stdouts"]
    assert found["topic_disable_leader"]
    assert "broker_credentials" not in found


def test_sasl_is_translated() -> None:
    """User, password and mechanism reach Faust, with TLS where the protocol says so."""
    words = {"sasl_mechanisms": "SCRAM-SHA-512", "sasl_username": "u", "sasl_password": "p"}
    plain = options(security_protocol="sasl_plaintext", **words)["broker_credentials"]
    assert (plain.username, plain.password, plain.ssl_context) == ("u", "p", None)
    assert plain.mechanism.value == "SCRAM-SHA-512"
    sealed = options(security_protocol="SASL_SSL", **words)["broker_credentials"]
    assert sealed.ssl_context.check_hostname
    assert sealed.protocol.value == "SASL_SSL"


def test_tls_is_translated() -> None:
    """TLS verifies names unless it is told not to."""
    assert options(security_protocol="SSL")["broker_credentials"].context.check_hostname
    loose = options(security_protocol="SSL", ssl_endpoint_identification_algorithm="none")
    assert not loose["broker_credentials"].context.check_hostname


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"sasl_oauthbearer_config": "x"}, "sasl.oauthbearer.config"),
        ({"security_protocol": "TELNET"}, "TELNET"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "GSSAPI"),
        ({"security_protocol": "SSL", "ssl_ca_location": "/nowhere/ca.pem"}, "certificate"),
    ],
)
def test_what_faust_cannot_do_is_refused_by_name(properties: dict[str, str], named: str) -> None:
    """A security property without meaning there stops the process before it connects."""
    with pytest.raises(Unusable, match=named):
        options(**properties)


def test_a_message_keeps_repeated_headers(tmp_path: Path) -> None:
    """Headers are a list on the wire: two of one name both arrive."""
    raw = SimpleNamespace(
        topic="t", partition=1, offset=2, key=b"k", value=b"v", timestamp=1.5,
        headers=[("a", b"1"), ("a", b"2")],
    )  # fmt: skip
    message = safe_faust.message(raw)
    assert message.headers == (("a", b"1"), ("a", b"2"))
    assert (message.place, message.timestamp_ms) == (("t", 1, 2), 1500)


def test_going_back_begins_anew() -> None:
    """After a recovery Faust reads again from the committed offset: nothing is stuck, nothing is
    committed past a record that came again and is not finished."""
    marks = Watermarks()
    for offset in (5, 6, 7):
        marks.take(("t", 0), offset)
    marks.finish(("t", 0), 5)
    marks.take(("t", 0), 5)
    marks.finish(("t", 0), 7)
    assert marks.position(("t", 0)) == 5
    marks.finish(("t", 0), 5)
    marks.take(("t", 0), 6)
    marks.take(("t", 0), 7)
    marks.finish(("t", 0), 6)
    marks.finish(("t", 0), 7)
    assert marks.position(("t", 0)) == 8
