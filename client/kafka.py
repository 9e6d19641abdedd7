"""Kafka's errors in our words, and clients made so that they keep off the caller's terminal."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import HeddleError, Transient, Unusable

LOG: Final = logging.getLogger("heddle_client")

_REFUSED: Final[Mapping[int, str]] = {
    KafkaError._UNKNOWN_TOPIC: "check the prefix, or create the topic",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "check the prefix, or create the topic",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not use the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not use the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not do that on the cluster",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check the credentials",
    KafkaError._AUTHENTICATION: "check the credentials",
    KafkaError._SSL: "check certificates and the security protocol",
    KafkaError.MSG_SIZE_TOO_LARGE: "the topic takes smaller records only",
}
"""What only a person can change, with the advice for it."""


class Trouble:
    """What a client last complained about outside of any call: a broker away, a wrong password.

    librdkafka goes on trying on its own; the last complaint is what explains a time-out.
    """

    def __init__(self) -> None:
        self._last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take a complaint."""
        self._last = error
        LOG.debug("%s", error.str())

    def late(self, doing: str) -> HeddleError:
        """The error to raise when time ran out while `doing`."""
        if self._last is None:
            return Transient(doing)
        return translated(self._last, doing)


def make(kind: Any, settings: Mapping[str, Any], trouble: Trouble | None = None) -> Any:
    """A Producer or Consumer that logs to `heddle_client`. Raises Unusable for a bad property."""
    try:
        return kind({**settings, "error_cb": trouble or Trouble()}, logger=LOG)
    except (KafkaException, ValueError, TypeError) as error:
        raise Unusable(f"Kafka client refused its settings: {error}") from error


def translated(error: KafkaError, doing: str) -> HeddleError:
    """The error of ours for one of Kafka's."""
    advice = _REFUSED.get(error.code())
    if advice is not None:
        return Unusable(f"{doing}: {error.str()}: {advice}")
    if error.fatal():
        return Unusable(f"{doing}: {error.str()}: this client cannot go on, make a new one")
    return Transient(f"{doing}: {error.str()}")
