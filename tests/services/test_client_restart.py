"""The client while its broker is gone for a moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from client import Heddle, repeat_mm
from heddle.stack import kafka
from schemas import names, topics
from schemas.codec import Codec
from schemas.records import Pattern, PatternFailed


def test_requests_and_waits_outlive_a_restart(tmp_path: Path) -> None:
    """A request sent while the broker is down arrives once it is back, and a wait goes on."""
    with kafka.running(tmp_path) as bootstrap:
        admin = AdminClient({"bootstrap.servers": bootstrap})
        wanted = [NewTopic(topic.name, 1, 1) for topic in topics.TOPICS]
        for made in admin.create_topics(wanted).values():
            made.result(30)
        house = Heddle(bootstrap)
        first = house.request(tenant="acme", prompt="waves", repeat=repeat_mm(64, 64))
        pool = ThreadPoolExecutor(2)
        waiting = pool.submit(house.wait, first, timeout_s=90)
    sending = pool.submit(
        house.request, tenant="acme", prompt="waves", repeat=repeat_mm(64, 64), timeout_s=90
    )
    port = int(bootstrap.rpartition(":")[2])
    with kafka.running(tmp_path, port=port) as again:
        assert again == bootstrap
        assert sending.result(90) != first
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce(topics.FAILED.name, key=first, value=Codec().encode(ended(first)))
        assert producer.flush(30) == 0
        assert waiting.result(90).failed.keys() == {1}
        house.close()
        pool.shutdown()


def ended(request_id: str) -> PatternFailed:
    """What a stage says of a pattern without files."""
    return PatternFailed(
        event_id=names.event_id(f"{request_id}.1", "finish", "failed"),
        pattern=Pattern(request_id=request_id, ordinal=1, count=1, tenant="acme"),
        stage="finish",
        outcome="failed",
        reason="seam_p is 3",
        failed_at=datetime.now(UTC),
    )
