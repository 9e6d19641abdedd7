"""Which waiting patterns share the next batch. Pure; time is handed in.

Tiers share places by weight, tenants inside a tier equally, both in pixel-steps. A pattern that
waited longer than the aging floor goes first whatever its tier, so draft never starves. Bounded:
each tier holds at most `waiting_max`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from schemas.errors import Busy
from streams.lanes.ring import Ring

T = TypeVar("T")

WEIGHTS: Final[Mapping[str, float]] = {"draft": 1.0, "standard": 3.0, "premium": 9.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """Bounds of the lanes."""

    waiting_max: int = 128
    """Per tier: the look-ahead in which tenants share and batches find company."""
    aging_ms: float = 60_000
    """Longest wait before a pattern goes first."""


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """One pattern that could be made."""

    item: T
    tier: str
    tenant: str
    cost: int
    """Pixel-steps, at least 1."""
    key: Hashable
    """Patterns with equal keys may share a batch."""
    since_ms: float


@dataclass(slots=True)
class _Tier(Generic[T]):
    tenants: dict[str, deque[Waiting[T]]] = field(default_factory=dict)
    ring: Ring = field(default_factory=Ring)
    size: int = 0


class Lanes(Generic[T]):
    """Waiting patterns by tier and tenant."""

    def __init__(
        self, *, limits: LaneLimits | None = None, weights: Mapping[str, float] = WEIGHTS
    ) -> None:
        self._limits = limits or LaneLimits()
        self._tiers: dict[str, _Tier[T]] = {}
        self._ring = Ring(weights)

    def __len__(self) -> int:
        """Patterns waiting."""
        return sum(tier.size for tier in self._tiers.values())

    def offer(self, waiting: Waiting[T], *, first: bool = False) -> None:
        """Let it wait. Raises Busy when its tier is full; `first` goes before its tenant's others.

        A second attempt comes with `first` and is never refused: its place was counted before.
        """
        tier = self._tiers.setdefault(waiting.tier, _Tier())
        if tier.size >= self._limits.waiting_max and not first:
            raise Busy
        queue = tier.tenants.setdefault(waiting.tenant, deque())
        if first:
            queue.appendleft(waiting)
        else:
            queue.append(waiting)
        tier.size += 1

    def take(self, rows_max: int, *, now_ms: float) -> list[T]:
        """The next batch: 0 to `rows_max` patterns of one key, in the order of their turns."""
        if not len(self):
            return []
        first = self._aged(now_ms) or self._next(None)
        chosen = [first] if first is not None else []
        while first is not None and len(chosen) < rows_max:
            following = self._next(first.key)
            if following is None:
                break
            chosen.append(following)
        return [waiting.item for waiting in chosen]

    def remove(self, items: Collection[T]) -> list[T]:
        """Take out those of `items` that still wait."""
        gone: list[T] = []
        for name in list(self._tiers):
            for tenant, queue in list(self._tiers[name].tenants.items()):
                for waiting in [waiting for waiting in queue if waiting.item in items]:
                    gone.append(waiting.item)
                    self._pop(name, tenant, waiting)
        return gone

    def _aged(self, now_ms: float) -> Waiting[T] | None:
        heads = [
            (queue[0].since_ms, name, tenant)
            for name, tier in self._tiers.items()
            for tenant, queue in tier.tenants.items()
        ]
        since_ms, name, tenant = min(heads)
        if now_ms - since_ms < self._limits.aging_ms:
            return None
        waiting = self._tiers[name].tenants[tenant][0]
        self._ring.charge(name, waiting.cost)
        self._tiers[name].ring.charge(tenant, waiting.cost)
        return self._pop(name, tenant, waiting)

    def _next(self, key: Hashable | None) -> Waiting[T] | None:
        """The next in turn, of that key where one is given."""
        heads: dict[str, dict[str, Waiting[T]]] = {}
        for name, tier in self._tiers.items():
            found = {
                tenant: head
                for tenant, queue in tier.tenants.items()
                if (head := _first(queue, key)) is not None
            }
            if found:
                heads[name] = found
        if not heads:
            return None
        # A tier's turn is charged with its dearest head: the tenant is only chosen inside it.
        name = self._ring.choose(
            {tier: max(head.cost for head in found.values()) for tier, found in heads.items()}
        )
        costs = {tenant: head.cost for tenant, head in heads[name].items()}
        tenant = self._tiers[name].ring.choose(costs)
        return self._pop(name, tenant, heads[name][tenant])

    def _pop(self, name: str, tenant: str, waiting: Waiting[T]) -> Waiting[T]:
        tier = self._tiers[name]
        tier.tenants[tenant].remove(waiting)
        tier.size -= 1
        if not tier.tenants[tenant]:
            del tier.tenants[tenant]
            tier.ring.forget(tenant)
        if not tier.size:
            del self._tiers[name]
            self._ring.forget(name)
        return waiting


def _first(queue: deque[Waiting[T]], key: Hashable | None) -> Waiting[T] | None:
    if key is None:
        return queue[0]
    return next((waiting for waiting in queue if waiting.key == key), None)
