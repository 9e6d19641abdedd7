"""How to reach a cluster, and what its refusals mean in one clear line.

The one place where librdkafka's errors become ours. Any librdkafka property passes through.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import (
    EXIT_BROKER_OLD,
    EXIT_CERTIFICATE,
    EXIT_CREDENTIALS,
    EXIT_FORBIDDEN,
    EXIT_TOPICS,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    HeddleError,
    Transient,
    Unusable,
)

log = logging.getLogger("heddle.kafka")

_MEANINGS: Final[tuple[tuple[frozenset[int], int, str], ...]] = (
    (
        frozenset(
            {
                KafkaError.UNKNOWN_TOPIC_OR_PART,
                KafkaError._UNKNOWN_TOPIC,
                KafkaError.TOPIC_EXCEPTION,
            }
        ),
        EXIT_TOPICS,
        "a topic is missing: {}; create it with `heddle topics apply`",
    ),
    (
        frozenset(
            {
                KafkaError.TOPIC_AUTHORIZATION_FAILED,
                KafkaError.GROUP_AUTHORIZATION_FAILED,
                KafkaError.CLUSTER_AUTHORIZATION_FAILED,
                KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            }
        ),
        EXIT_FORBIDDEN,
        "the broker refuses: {}; `heddle topics plan` prints the ACLs needed",
    ),
    (
        frozenset(
            {
                KafkaError._AUTHENTICATION,
                KafkaError.SASL_AUTHENTICATION_FAILED,
                KafkaError.UNSUPPORTED_SASL_MECHANISM,
            }
        ),
        EXIT_CREDENTIALS,
        "the broker does not know us: {}; check user, password and sasl.mechanism",
    ),
    (
        frozenset({KafkaError._SSL}),
        EXIT_CERTIFICATE,
        "no trust between us and the broker: {}; check the certificates",
    ),
    (
        frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE}),
        EXIT_BROKER_OLD,
        "the broker is too old for group.protocol=consumer; set HEDDLE_GROUP_PROTOCOL=classic ({})",
    ),
    (
        frozenset({KafkaError._INVALID_ARG}),
        EXIT_USAGE,
        "a Kafka setting cannot be used: {}",
    ),
)
"""Codes that only a person can change, the exit code of a process and the sentence."""
AGAIN_S: Final = 60.0
"""A client that is refused goes on trying; it is said again after that long."""
_TOO_OLD: Final = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A cluster and how to speak to it."""

    bootstrap: str
    group_protocol: str = "consumer"
    """consumer (KIP-848, broker 4.0 or newer) or classic."""
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Any librdkafka property, security included; these win over ours."""
    group: str = ""
    """The group this process may use; readers without a group of their own go by its name."""

    @property
    def principal(self) -> str:
        """Who we are to the broker, as far as we know ourselves."""
        user = self.properties.get("sasl.username")
        certificate = self.properties.get("ssl.certificate.location")
        return f"user {user}" if user else f"certificate {certificate}" if certificate else "we"

    def config(self, **ours: Any) -> dict[str, Any]:
        """A librdkafka configuration: `ours` with dots for underscores, then the properties."""
        dotted = {name.replace("_", "."): value for name, value in ours.items()}
        return {
            "bootstrap.servers": self.bootstrap,
            "error_cb": Complaints(),
            "logger": logging.getLogger(f"{log.name}.client"),
            **dotted,
            **self.properties,
        }


class Complaints:
    """What a client complains about outside of any call: brokers away, a password refused.

    librdkafka goes on trying by itself, so a refusal is said here, clearly and not too often.
    """

    def __init__(self, *, aloud: bool = True) -> None:
        """`aloud`: into the log as well."""
        self._aloud = aloud
        self.refusal: Unusable | None = None
        """The last one that only a person can change; None until there is one."""
        self._said_s = -AGAIN_S

    def __call__(self, error: KafkaError) -> None:
        """Take a complaint."""
        meaning = translated(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            # Also follows each refusal; then it is not what is wrong.
            if self.refusal is None and self._aloud:
                line = "no broker answers; still trying, nothing is lost"
                log.warning(line, extra={"error": error.str()})
        elif isinstance(meaning, Unusable) and not error.fatal():
            self.refusal = meaning
            if self._aloud and time.monotonic() - self._said_s >= AGAIN_S:
                self._said_s = time.monotonic()
                log.warning(str(meaning))
        else:
            log.info("kafka client", extra={"error": error.str()})


def translated(error: KafkaError, *, about: str = "") -> HeddleError:
    """What a librdkafka error means for a process of ours; `about` names a topic, if known."""
    text = f"{error.str()} ({about})" if about else error.str()
    for codes, exit_code, sentence in _MEANINGS:
        if _code(error) in codes:
            return Unusable(sentence.format(text), exit_code=exit_code)
    # As an event of a consumer it comes without its mark.
    if error.fatal() or error.code() == KafkaError._FATAL:
        return Unusable(f"the Kafka client cannot go on: {text}", exit_code=EXIT_UNREACHABLE)
    return Transient(f"Kafka: {text}")


def _code(error: KafkaError) -> int:
    """The error's code; a consumer's fatal event hides the one behind it in its words."""
    if error.code() == KafkaError._FATAL and "ConsumerGroupHeartbeat" in error.str():
        return int(KafkaError.UNSUPPORTED_VERSION)
    return int(error.code())


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
