"""Ids, hashes, seeds and arms: everything that is derived and never drawn.

Every function here is pure and stable for ever: a changed byte would make old events new ones.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from .records import EPOCH, PatternRequested, Prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE: Final = uuid.UUID("6f1c1a3e-52a8-5d0c-9c0f-48656464c65d")
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
TENANT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SHARE_STEPS: Final = 10_000
"""Arms are told apart in ten-thousandths."""

STOPPED: Final = "stopped"
"""State of a UsageMeasured that tells a whole life, as its supervisor saw it, of a worker that was
killed: `started_at` and `duration_us` are the life's. It adds no time of its own."""
STOP_INTERVAL: Final = 2**63 - 1
"""Its number, above every interval's."""

_NOT_PAYLOAD: Final = frozenset({"request_id", "traceparent"})


def pattern_id(request_id: str, ordinal: int) -> str:
    """`request_id.ordinal`."""
    return f"{request_id}.{ordinal}"


def event_id(pattern: str, stage: str, kind: str) -> str:
    """UUIDv5 of pattern id, stage and kind: a repeated event is the same event."""
    return str(uuid.uuid5(NAMESPACE, f"{pattern}/{stage}/{kind}"))


def usage_event_id(incarnation: str, interval: int) -> str:
    """UUIDv5 of worker incarnation and interval number: machine time counts whenever spent."""
    return str(uuid.uuid5(NAMESPACE, f"{incarnation}/{interval}/usage"))


def seed_of(request_id: str, given: int | None, *, ordinal: int, attempt: int) -> int:
    """Seed of one attempt, 0 <= seed < 2**63.

    A given seed is used as it is for ordinal 1, attempt 1; every other one is the first 63 bits of
    SHA-256 over the given seed (else the request id), ordinal and attempt.
    """
    if given is not None and ordinal == 1 and attempt == 1:
        return given
    origin = request_id if given is None else str(given)
    digest = hashlib.sha256(f"{origin}/{ordinal}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def in_canary(unit: str, *, salt: str, share: float) -> bool:
    """Whether a session (else request id) draws the canary, by a salted hash."""
    digest = hashlib.blake2b(f"{salt}/{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % SHARE_STEPS < round(share * SHARE_STEPS)


def prompt_digest(prompt: Prompt) -> str:
    """SHA-256 of the text, or the sealer's keyed digest; hexadecimal."""
    if prompt.sealed is not None:
        return prompt.sealed.digest
    return hashlib.sha256((prompt.text or "").encode()).hexdigest()


def payload_hash(request: PatternRequested) -> str:
    """SHA-256 of the canonical JSON of the producer's fields.

    Fields at their default are left out, so a schema that grows does not change old hashes; so are
    request id and trace context. A sealed prompt is represented by its keyed plaintext digest.
    """
    given = _given(request)
    for name in _NOT_PAYLOAD:
        given.pop(name, None)
    return hashlib.sha256(canonical_json(given)).hexdigest()


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """UTF-8, sorted keys, no spaces, no NaN: equal values give equal bytes."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def _given(record: Any) -> dict[str, Any]:
    """The fields that are not at their default, parts of a record included: both may grow."""
    return {
        spec.name: _plain(value)
        for spec in fields(record)
        if (value := getattr(record, spec.name)) != _default(spec)
    }


def _default(spec: Any) -> Any:
    factory = spec.default_factory
    return factory() if callable(factory) else spec.default


def _plain(value: Any) -> Any:
    if isinstance(value, Prompt):
        return {"sealed": value.sealed.digest} if value.sealed else {"text": value.text}
    if isinstance(value, datetime):
        # As Avro writes it: whole milliseconds, the rest dropped.
        return (value - EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return _given(value)
    if hasattr(value, "items"):
        return dict(value)
    return value
