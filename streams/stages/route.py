"""route: a request becomes patterns. Validates, applies rights, decides, claims, splits.

Drawn from nothing: the claim on the shelf (`claims/<request_id>`) is put only if absent and read
back, and the work orders are made from what it says. Producers that write Avro straight to the
intake get the same treatment as the gateway's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from assets import keys
from assets.manifest import recall, settle
from schemas import names, topics
from schemas.envelope import TRACE_HEADER, TRACEPARENT
from schemas.errors import Conflict, Rejected
from schemas.plain import from_plain, to_plain
from schemas.records import Pattern, PatternRequested
from streams.stages.decide import House, decide, routed
from streams.stages.refusal import before_split, failure_output, time_of

if TYPE_CHECKING:
    from assets.store import AssetStore
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output
    from streams.stages.standing import Standing

STAGE: Final = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intakes:
    """The topics requests arrive on, and which tenants each may name."""

    tenants: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {topics.REQUESTED.name: frozenset()}
    )
    """Intake topic without prefix to its tenants; an empty set admits every tenant."""

    def check(self, topic: str, tenant: str) -> None:
        """Raise Rejected for a tenant that this topic may not name."""
        allowed = self.tenants.get(topic, frozenset())
        if allowed and tenant not in allowed:
            limit = "on this topic one of " + ", ".join(sorted(allowed))
            raise Rejected("foreign tenant", field="tenant", limit=limit)


class Route:
    """The work of one request; safe to run on several threads."""

    name = STAGE

    def __init__(
        self,
        *,
        events: Events,
        store: AssetStore,
        standing: Standing,
        house: House,
        intakes: Intakes,
    ) -> None:
        self._events, self._store, self._standing = events, store, standing
        self._house, self._intakes = house, intakes

    def open(self) -> None:
        """Shelf reachable; tenants and book read to the end. Raises Unusable, Transient."""
        self._store.check()
        self._standing.start()

    def close(self) -> None:
        """Stop following tenants and book."""
        self._standing.close()

    def __call__(self, message: Message) -> Sequence[Output]:
        """One work order per pattern, on its tier's topic. Raises Rejected, Conflict, Transient."""
        request = self._traced(self._events.record(message, PatternRequested), message)
        if not names.REQUEST_ID.fullmatch(request.request_id):
            raise Rejected("request id", field="request_id", limit="1 to 64 of [A-Za-z0-9_-]")
        self._intakes.check(self._events.name_of(message), request.tenant)
        claim = self._claim(request, message)
        return [
            self._events.output(order, topic=topics.ROUTED[claim.tier].name)
            for order in routed(claim, request)
        ]

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """PatternFailed of ordinal 0, where a request id can be read."""
        pattern = before_split(message, refused, self._events)
        if pattern is None:
            return None
        return failure_output(self._events, pattern, refused, stage=STAGE, attempts=attempts)

    def _traced(self, request: PatternRequested, message: Message) -> PatternRequested:
        """A trace context that came as a header alone travels on with the patterns."""
        header = None if request.traceparent else message.header(TRACE_HEADER)
        if header is None or not TRACEPARENT.fullmatch(header):
            return request
        return replace(request, traceparent=header)

    def _claim(self, request: PatternRequested, message: Message) -> Pattern:
        key = keys.claim_key(request.request_id)
        payload_hash = names.payload_hash(request)
        there = recall(self._store, key)
        if there is None:
            decided = decide(
                request,
                tenant=self._standing.tenant(request.tenant),
                book=self._standing.book,
                house=self._house,
                requested_at=time_of(message),
            )
            there = settle(self._store, key, {"claim": 1, "pattern": to_plain(decided)})
        pattern = from_plain(Pattern, there["pattern"])
        if pattern.payload_hash != payload_hash:
            limit = f"payload {pattern.payload_hash}"
            reason = f"request id taken by another payload; this one is {payload_hash}"
            raise Conflict(reason, field="request_id", limit=limit)
        return pattern
