"""How to reach a cluster, and what its refusals mean in one clear line.

The one place where librdkafka's errors become ours. Any librdkafka property passes through.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import EXIT_UNREACHABLE, HeddleError, Transient, Unusable

log = logging.getLogger("heddle.kafka")

_MISSING: Final = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_EXCEPTION}
)
_FORBIDDEN: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_UNKNOWN_USER: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL}
)
_TOO_OLD: Final = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A cluster and how to speak to it."""

    bootstrap: str
    group_protocol: str = "consumer"
    """consumer (KIP-848, broker 4.0 or newer) or classic."""
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Any librdkafka property, security included; these win over ours."""

    def config(self, **ours: Any) -> dict[str, Any]:
        """A librdkafka configuration: `ours` with dots for underscores, then the properties."""
        dotted = {name.replace("_", "."): value for name, value in ours.items()}
        return {
            "bootstrap.servers": self.bootstrap,
            "error_cb": _note,
            "logger": log,
            **dotted,
            **self.properties,
        }


def translated(error: KafkaError) -> HeddleError:
    """What a librdkafka error means for a process of ours."""
    code, text = error.code(), error.str()
    if code in _MISSING:
        return Unusable(f"a topic is missing: {text}; create it with `heddle topics apply`")
    if code in _FORBIDDEN:
        return Unusable(f"the broker refuses: {text}; `heddle topics plan` prints the ACLs needed")
    if code in _UNKNOWN_USER:
        return Unusable(f"the broker does not know us: {text}; check user, password, certificates")
    if code in _TOO_OLD:
        line = (
            "the broker is too old for group.protocol=consumer; set HEDDLE_GROUP_PROTOCOL=classic"
        )
        return Unusable(f"{line} ({text})")
    if error.fatal():
        return Unusable(f"the Kafka client cannot go on: {text}", exit_code=EXIT_UNREACHABLE)
    return Transient(f"Kafka: {text}")


@contextmanager
def broker_errors() -> Iterator[None]:
    """Turn librdkafka's exceptions into ours."""
    try:
        yield
    except KafkaException as failure:
        error = failure.args[0] if failure.args else None
        if isinstance(error, KafkaError):
            raise translated(error) from failure
        raise Transient(f"Kafka: {failure}") from failure


def _note(error: KafkaError) -> None:
    """Say in one line that brokers are away; librdkafka goes on trying by itself."""
    if error.code() == KafkaError._ALL_BROKERS_DOWN:
        log.warning(
            "no broker answers; still trying, nothing is lost", extra={"error": error.str()}
        )
    else:
        log.info("kafka client", extra={"error": error.str()})
