"""Questions to a cluster about itself. Creates nothing unless a caller asks for it by name."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import EXIT_UNREACHABLE, Unusable

_POLL_S = 0.2


def broker_answers(bootstrap: str, *, timeout_s: float) -> bool:
    """Whether a broker at `bootstrap` gives its metadata within `timeout_s`. Never raises."""
    try:
        # log_level 0: a broker that is still starting is the normal case here, not news.
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        return bool(admin.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


def wait_for_broker(bootstrap: str, *, timeout_s: float) -> None:
    """Return once a broker answers; Unusable, naming the address, after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        if broker_answers(bootstrap, timeout_s=min(left_s, 2.0)):
            return
        time.sleep(_POLL_S)
    raise Unusable(
        f"no Kafka broker answered at {bootstrap} within {timeout_s:g} s:"
        " check the address and that the broker runs (`heddle status`)",
        exit_code=EXIT_UNREACHABLE,
    )
