"""What the runner shows of itself: in flight, lag in messages and seconds, breaker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from schemas import metrics
from streams.kafka.consumer import Intake, Share
from streams.loop.tracked import InFlight, Tracked, share_of

if TYPE_CHECKING:
    from streams.kafka.message import Place
    from streams.ops import Ops


class Gauges:
    """Sets the gauges at most once per `every_ms`."""

    def __init__(self, ops: Ops, intake: Intake, stage: str, *, every_ms: int) -> None:
        self._ops, self._intake, self._stage, self._every_ms = ops, intake, stage, every_ms
        self._noted_ms = 0.0
        self._told: set[Share] = set()

    def note(
        self,
        shares: Mapping[Share, Tracked],
        in_flight: Mapping[Place, InFlight],
        *,
        breaker_open: bool,
    ) -> None:
        """Measure now if it is time."""
        now_ms = time.time() * 1000
        if now_ms - self._noted_ms < self._every_ms:
            return
        self._noted_ms = now_ms
        self._ops.gauge(metrics.IN_FLIGHT, len(in_flight), self._stage)
        self._ops.gauge(metrics.PAUSED, float(breaker_open), self._stage)
        self._ops.ready("breaker", yes=not breaker_open)
        oldest_ms: dict[Share, float] = {}
        for place, flight in in_flight.items():
            _lower(oldest_ms, share_of(place), flight.message.timestamp_ms)
        self._forget(self._told - set(shares))
        ends = self._intake.ends()
        for share, tracked in shares.items():
            if tracked.held:
                _lower(oldest_ms, share, tracked.held[0].timestamp_ms)
            _, end = ends.get(share, (0, 0))
            lag = max(end - tracked.ledger.watermark(), 0)
            age_s = max(now_ms - oldest_ms.get(share, now_ms), 0) / 1000 if lag else 0.0
            labels = (share.topic, str(share.partition))
            self._ops.gauge(metrics.LAG, lag, *labels)
            self._ops.gauge(metrics.LAG_SECONDS, age_s, *labels)
            self._told.add(share)

    def _forget(self, left: set[Share]) -> None:
        """A partition's lag is for its owner to tell; a sum over workers counts it once."""
        for share in left:
            for metric in (metrics.LAG, metrics.LAG_SECONDS):
                self._ops.forget(metric, share.topic, str(share.partition))
        self._told -= left


def _lower(oldest_ms: dict[Share, float], share: Share, timestamp_ms: float) -> None:
    oldest_ms[share] = min(oldest_ms.get(share, timestamp_ms), timestamp_ms)
