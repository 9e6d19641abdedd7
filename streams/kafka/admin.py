"""Questions to a cluster about itself. Creates nothing unless a caller asks for it by name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import (
    EXIT_CERTIFICATE,
    EXIT_FORBIDDEN,
    EXIT_TOPICS,
    EXIT_UNREACHABLE,
    Transient,
    Unusable,
)
from streams.kafka import trust
from streams.kafka.connection import Complaints, Connection, broker_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.kafka.plan import Acl, PlannedTopic

ANSWER_S_MAX: Final = 10.0
CREATE_S_MAX: Final = 30.0
_PATIENCE_S: Final = 2.0
"""Between two looks at what a client was refused."""
_POLL_S: Final = 0.2


def broker_answers(
    bootstrap: str, *, timeout_s: float, properties: Mapping[str, str] | None = None
) -> bool:
    """Whether a broker at `bootstrap` gives its metadata within `timeout_s`. Never raises.

    `properties`: what a secured broker wants to hear from a client.
    """
    try:
        # log_level 0: a broker that is still starting is the normal case here, not news.
        config: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0}
        admin = AdminClient(config | dict(properties or {}))
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

    Raises Unusable at once where the broker refuses us, and after `timeout_s` naming the first
    topic that is missing; Transient where no broker answers for so long.
    """
    deadline_s = time.monotonic() + timeout_s
    trust.require_files(connection)
    complaints = Complaints(aloud=False)
    admin = _admin(connection, complaints)
    while True:
        late = time.monotonic() > deadline_s
        try:
            with broker_errors():
                known = admin.list_topics(timeout=_PATIENCE_S).topics
        except Transient:
            admin.poll(0)
            _judge(connection, complaints, late=late)
            if late:
                raise
            continue
        missing = [name for name in names if name not in known]
        if not missing:
            return
        _require_seen(admin, missing[0], connection)
        if late:
            line = f"topic {missing[0]} is missing; create it with `heddle topics apply`"
            raise Unusable(line, exit_code=EXIT_TOPICS)
        time.sleep(_POLL_S)


def _judge(connection: Connection, complaints: Complaints, *, late: bool) -> None:
    """Raise what only a person can change: a refused password, a certificate nobody trusts."""
    refusal = complaints.refusal
    if refusal is not None and refusal.exit_code != EXIT_CERTIFICATE:
        raise Unusable(f"{connection.principal}: {refusal}", exit_code=refusal.exit_code)
    # Any other failure of TLS may be a broker that is just starting; it counts when time is over.
    if why := trust.reason(connection):
        line = f"no trust between us and the broker: {why}"
        raise Unusable(line, exit_code=EXIT_CERTIFICATE)
    if refusal is not None and late:
        raise refusal


def _require_seen(admin: AdminClient, name: str, connection: Connection) -> None:
    """Raise Unusable where `name` is not missing but hidden from us."""
    if _described(admin, [name])[name] == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        line = f"{connection.principal} lacks the ACL Describe on topic {name}"
        raise Unusable(f"{line}; `heddle topics plan` prints all", exit_code=EXIT_FORBIDDEN)


def _described(admin: AdminClient, names: Sequence[str]) -> dict[str, Any]:
    """By topic: its description with what we may do there, or the code of the error."""
    asked = TopicCollection(list(names))
    return _answers(
        admin.describe_topics(
            asked, include_authorized_operations=True, request_timeout=ANSWER_S_MAX
        )
    )


def _answers(futures: Mapping[str, Any]) -> dict[str, Any]:
    """By name: the answer, or the code of the error. A busy broker's silence forbids nothing."""
    found: dict[str, Any] = {}
    for name, future in futures.items():
        try:
            found[name] = future.result(2 * ANSWER_S_MAX)
        except KafkaException as error:
            found[name] = error.args[0].code()
        except TimeoutError:
            found[name] = KafkaError._TIMED_OUT
    return found


def _may(described: Any, operation: str) -> bool:
    """Whether a description allows it. A broker that tells nothing forbids nothing here."""
    allowed = getattr(described, "authorized_operations", None)
    return not allowed or operation.upper() in {each.name for each in allowed}


def lacking(connection: Connection, acls: Sequence[Acl]) -> list[Acl]:
    """Those of `acls` that we do not have. Raises Unusable, Transient."""
    admin = _admin(connection)
    with broker_errors():
        topics = _described(admin, sorted({acl.name for acl in acls if acl.resource == "topic"}))
        groups = _groups(admin, [acl.name for acl in acls if acl.resource == "group"])
    forbidden = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
    found = []
    for acl in acls:
        described = (topics if acl.resource == "topic" else groups).get(acl.name)
        # What is missing altogether is another sentence, and a new group is nobody's yet.
        if described in forbidden or not _may(described, acl.operation):
            found.append(acl)
    return found


def _groups(admin: AdminClient, names: Sequence[str]) -> dict[str, Any]:
    """By group: its description, or the code of the error."""
    if not names:
        return {}
    return _answers(
        admin.describe_consumer_groups(
            list(names), include_authorized_operations=True, request_timeout=ANSWER_S_MAX
        )
    )


def require_rights(connection: Connection, acls: Sequence[Acl]) -> None:
    """Raise Unusable naming every ACL that we do not have."""
    if absent := lacking(connection, acls):
        named = ", ".join(f"{acl.operation} on {acl.resource} {acl.name}" for acl in absent)
        line = f"{connection.principal} lacks the ACLs {named}"
        raise Unusable(f"{line}; `heddle topics plan` prints all", exit_code=EXIT_FORBIDDEN)


def require_partitions(connection: Connection, plan: Sequence[PlannedTopic]) -> None:
    """Raise Unusable where a topic has fewer partitions than planned."""
    with broker_errors():
        known = _admin(connection).list_topics(timeout=ANSWER_S_MAX).topics
    for topic in plan:
        there = known.get(topic.name)
        if there is not None and len(there.partitions) < topic.partitions:
            raise Unusable(
                f"topic {topic.name} has {len(there.partitions)} partitions and"
                f" HEDDLE_PARTITIONS says {topic.partitions}: add partitions while the topic is"
                " empty, or set HEDDLE_PARTITIONS, the same for every process",
                exit_code=EXIT_TOPICS,
            )


def _admin(connection: Connection, complaints: Complaints | None = None) -> AdminClient:
    # What librdkafka would say at each new try is said once, by whoever asks.
    ours = {"error_cb": complaints or Complaints(aloud=False), "log_level": 0}
    with broker_errors():
        return AdminClient(connection.config() | ours)
