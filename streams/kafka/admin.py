"""Questions to a cluster about itself. Creates nothing unless a caller asks for it by name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import EXIT_UNREACHABLE, Transient, Unusable
from streams.kafka.connection import Connection, broker_errors

if TYPE_CHECKING:
    from streams.kafka.plan import PlannedTopic

ANSWER_S_MAX: Final = 10.0
CREATE_S_MAX: Final = 30.0
_POLL_S: Final = 0.2


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


def problems(connection: Connection, plan: Sequence[PlannedTopic]) -> list[str]:
    """How the cluster differs from the plan, a sentence each; empty when it does not."""
    with broker_errors():
        known = _admin(connection).list_topics(timeout=ANSWER_S_MAX).topics
    found = []
    for topic in plan:
        there = known.get(topic.name)
        if there is None:
            found.append(f"topic {topic.name} is missing")
        elif len(there.partitions) != topic.partitions:
            wrong = f"topic {topic.name} has {len(there.partitions)} partitions"
            found.append(f"{wrong}, the plan says {topic.partitions}")
    return found


def create(
    connection: Connection, plan: Sequence[PlannedTopic], *, replication: int = 1
) -> list[str]:
    """Create what is missing; the names created. Raises Unusable or Transient."""
    admin = _admin(connection)
    with broker_errors():
        known = admin.list_topics(timeout=ANSWER_S_MAX).topics
    missing = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=replication,
            config=dict(topic.config),
        )
        for topic in plan
        if topic.name not in known
    ]
    if not missing:
        return []
    for name, future in admin.create_topics(missing, request_timeout=CREATE_S_MAX).items():
        try:
            future.result(CREATE_S_MAX)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Unusable(f"topic {name}: {error.args[0].str()}") from error
    names = [topic.topic for topic in missing]
    _await_leaders(admin, names)
    return names


def _await_leaders(admin: AdminClient, names: Sequence[str]) -> None:
    """Just after it is made a topic has no leaders, and whoever writes then is refused."""
    deadline_s = time.monotonic() + CREATE_S_MAX
    while time.monotonic() < deadline_s:
        with broker_errors():
            known = admin.list_topics(timeout=ANSWER_S_MAX).topics
        parts = [
            part for name in names if name in known for part in known[name].partitions.values()
        ]
        if all(name in known for name in names) and all(part.leader >= 0 for part in parts):
            return
        time.sleep(_POLL_S)


def require(connection: Connection, names: Sequence[str], *, timeout_s: float) -> None:
    """Return once every topic of `names` is there.

    Raises Unusable, naming the first missing one, or Transient where no broker answers, after
    `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    admin = _admin(connection)
    while True:
        late = time.monotonic() > deadline_s
        try:
            with broker_errors():
                known = admin.list_topics(timeout=ANSWER_S_MAX).topics
        except Transient:
            if late:
                raise
            continue
        missing = [name for name in names if name not in known]
        if not missing:
            return
        if late:
            raise Unusable(f"topic {missing[0]} is missing; create it with `heddle topics apply`")
        time.sleep(_POLL_S)


def _admin(connection: Connection) -> AdminClient:
    with broker_errors():
        return AdminClient(connection.config())
