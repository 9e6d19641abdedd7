"""The local broker against real clients."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from heddle.stack import kafka
from schemas.errors import EXIT_PORT_TAKEN, Unusable
from streams.kafka.admin import broker_answers


def test_broker_answers_the_admin_client(broker: str) -> None:
    """The session's broker is up when the fixture hands it out."""
    assert broker_answers(broker, timeout_s=5.0)


def test_messages_survive_a_restart(tmp_path: Path) -> None:
    """Messages survive a stop and a start on the same folder, and a stopped broker is gone."""
    with kafka.running(tmp_path) as bootstrap:
        _make_topic(bootstrap, "kept")
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce("kept", b"first")
        assert producer.flush(10) == 0
    assert not broker_answers(bootstrap, timeout_s=0.5)

    with kafka.running(tmp_path) as bootstrap:
        consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest"}
        )
        consumer.subscribe(["kept"])
        message = consumer.poll(15)
        consumer.close()
        assert message is not None
        assert message.value() == b"first"


def test_taken_port_is_named(tmp_path: Path) -> None:
    """A configured port that somebody holds is refused before the JVM starts, with advice."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        started = kafka.running(tmp_path, port=port)
        with pytest.raises(Unusable, match=rf"port {port} .*HEDDLE_KAFKA_PORT") as refused:
            started.__enter__()
    assert refused.value.exit_code == EXIT_PORT_TAKEN


def _make_topic(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
