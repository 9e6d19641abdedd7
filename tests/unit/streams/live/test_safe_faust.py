"""The safe subset of Faust: what an app starts from, security translated or refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest

from schemas.errors import Unusable
from streams.kafka import safe_faust
from streams.kafka.connection import Connection


def options(**properties: str) -> dict[str, Any]:
    """Faust's options for a connection with these properties, underscores for dots."""
    given = {name.replace("_", "."): value for name, value in properties.items()}
    connection = Connection(bootstrap="one:9092, two:9093", properties=given)
    return safe_faust.options(faust, connection, app_id="x.heddle.live")


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
