"""Which waiting pattern is next. Pure; time is handed in.

Tiers share places by weight, tenants inside a tier equally, both in pixel-steps. A pattern that
waited longer than the aging floor goes first whatever its tier, so draft never starves. Bounded:
each tier holds at most `waiting_max`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from schemas.errors import Busy
from streams.lanes.ring import Ring

T = TypeVar("T")

WEIGHTS: Final[Mapping[str, float]] = {"draft": 1.0, "standard": 3.0, "premium": 9.0}
URGENT: Final = "premium"
"""The tier whose patterns enter a running batch at the next step, also a full one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """Bounds of the lanes."""

    waiting_max: int = 128
    """Per tier: the look-ahead in which tenants share and running batches find company."""
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
    group: Hashable = None
    """Keys of one group need the same room in memory: a model."""

    @property
    def urgent(self) -> bool:
        """Whether it enters a running batch at the next step."""
        return self.tier == URGENT


Heads = dict[str, dict[str, Waiting[T]]]
"""The first that may be served of each tier's tenants."""


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
        self._weights = weights
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

    def __iter__(self) -> Iterator[T]:
        """All that wait, in no promised order. Not to be changed meanwhile."""
        for tier in self._tiers.values():
            for queue in tier.tenants.values():
                for waiting in queue:
                    yield waiting.item

    def head(self, *, now_ms: float) -> Waiting[T] | None:
        """Whose turn it is; nothing is charged."""
        heads = self._heads(_anybody)
        return self._fair(heads, now_ms) if heads else None

    def call(
        self, *, now_ms: float, may: Callable[[Waiting[T]], bool] | None = None
    ) -> Waiting[T] | None:
        """Take out the next in turn among those that `may` admits (None: anybody).

        Who is served out of turn, because the one whose turn it is may not, owes it: its tier and
        tenant are charged and wait the longer afterwards, so that shares hold.
        """
        heads = self._heads(_anybody)
        if not heads:
            return None
        chosen = self._fair(heads, now_ms)
        in_turn = may is None or may(chosen)
        if may is not None and not in_turn:
            heads = self._heads(may)
            if not heads:
                return None
            chosen = self._fair(heads, now_ms)
        tier = self._tiers[chosen.tier]
        if in_turn and not self.is_aged(chosen, now_ms=now_ms):
            self._ring.choose(_dearest(heads))
            tier.ring.choose(_costs(heads[chosen.tier]))
        else:
            self._ring.charge(chosen.tier, chosen.cost)
            tier.ring.charge(chosen.tenant, chosen.cost)
        return self._pop(chosen.tier, chosen.tenant, chosen)

    def is_aged(self, waiting: Waiting[T], *, now_ms: float) -> bool:
        """Whether it has waited for longer than the aging floor."""
        return now_ms - waiting.since_ms >= self._limits.aging_ms

    def remove(self, items: Collection[T]) -> list[T]:
        """Take out those of `items` that still wait."""
        gone: list[T] = []
        for name in list(self._tiers):
            for tenant, queue in list(self._tiers[name].tenants.items()):
                for waiting in [waiting for waiting in queue if waiting.item in items]:
                    gone.append(waiting.item)
                    self._pop(name, tenant, waiting)
        return gone

    def _heads(self, may: Callable[[Waiting[T]], bool]) -> Heads[T]:
        heads: Heads[T] = {}
        for name, tier in self._tiers.items():
            for tenant, queue in tier.tenants.items():
                first = next((waiting for waiting in queue if may(waiting)), None)
                if first is not None:
                    heads.setdefault(name, {})[tenant] = first
        return heads

    def _fair(self, heads: Heads[T], now_ms: float) -> Waiting[T]:
        """The one that waited longest, where that is too long; else whose turn it is."""
        oldest = min(
            (head for found in heads.values() for head in found.values()),
            key=lambda head: (head.since_ms, -self._weights.get(head.tier, 1.0), head.tenant),
        )
        if self.is_aged(oldest, now_ms=now_ms):
            return oldest
        # A tier's turn is charged with its dearest head: the tenant is only chosen inside it.
        name = self._ring.peek(_dearest(heads))
        return heads[name][self._tiers[name].ring.peek(_costs(heads[name]))]

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


def _anybody(_waiting: Waiting[T]) -> bool:
    return True


def _costs(found: Mapping[str, Waiting[T]]) -> dict[str, int]:
    return {tenant: head.cost for tenant, head in found.items()}


def _dearest(heads: Heads[T]) -> dict[str, int]:
    return {tier: max(head.cost for head in found.values()) for tier, found in heads.items()}
