"""Who rides: the rows of running batches, and those that join them at a step boundary.

The rules are `openings`, the order is the lanes'; here is only the memory between two boundaries:
who is aboard, whose step it was, and how many have passed the row whose turn it is. Pure; time is
handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from streams.lanes.lanes import Lanes, Waiting
from streams.lanes.openings import BoardLimits, Rider, batches, openings, resuming, victim

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[T]):
    """What changed at one boundary."""

    joined: tuple[T, ...] = ()
    flying: int = 0
    """How many of those joined a batch that was under way."""
    paused: tuple[T, ...] = ()


class Board(Generic[T]):
    """Rows aboard, over the lanes in which the others wait. Items are told apart by identity."""

    def __init__(self, lanes: Lanes[T], limits: BoardLimits) -> None:
        self._lanes, self._limits = lanes, limits
        self._riders: dict[int, Rider[T]] = {}
        """By boarding number, so in that order."""
        self._boarded = 0
        self._passed = 0
        self._stepped: dict[Hashable, int] = {}
        """By key: at which step of the machine its batch last began a turn."""
        self._steps = 0
        self._turn_of: Hashable = None
        self._turn_left = 0

    def __len__(self) -> int:
        """Rows aboard, resting ones too."""
        return len(self._riders)

    def aboard(self) -> list[T]:
        """Everybody aboard, in the order of boarding."""
        return [rider.waiting.item for rider in self._riders.values()]

    def turn(self, *, now_ms: float, only: Callable[[T], bool] | None = None) -> Turn[T]:
        """Let whoever may resume and board, do so. `only` narrows it to some of the waiting."""
        for rider in resuming(self._all(), self._limits):
            self._riders[rider.number] = replace(rider, paused=False)
        under_way = set(batches(self._all()))
        joined: list[Waiting[T]] = []
        paused: list[T] = []
        while (waiting := self._next(now_ms, only)) is not None:
            giving_up = victim(self._all(), waiting.key, self._limits)
            if giving_up is not None:
                self._riders[giving_up.number] = replace(giving_up, paused=True, rested=True)
                paused.append(giving_up.waiting.item)
            self._seat(waiting)
            joined.append(waiting)
        return Turn(
            joined=tuple(waiting.item for waiting in joined),
            flying=sum(waiting.key in under_way for waiting in joined),
            paused=tuple(paused),
        )

    def batches(self) -> list[list[T]]:
        """Who rides in each batch, the batch that has run longest first."""
        return list(self._riding().values())

    def step(self, *, first: Callable[[T], bool] | None = None) -> list[list[T]]:
        """Whose batches take a step now: all with an urgent row, and one of the others.

        So an urgent row has at least half of the machine, and the others take turns of
        `turn_steps_max` steps. Where rows come `first`, a batch of theirs goes on alone, the one
        that has run longest: what ends soon is worth more then than what is fair.
        """
        riding = self._riding()
        if first is not None:
            hurried = [batch for batch in riding.values() if any(map(first, batch))]
            if hurried:
                return hurried[:1]
        urgent = {r.waiting.key for r in self._riders.values() if r.waiting.urgent and not r.paused}
        others = [key for key in riding if key not in urgent]
        chosen = [key for key in riding if key in urgent]
        if others:
            chosen.append(self._whose_turn(others))
        return [riding[key] for key in chosen]

    def _whose_turn(self, keys: Sequence[Hashable]) -> Hashable:
        """The batch that goes on with its turn, or else the one that waited longest for one."""
        self._steps += 1
        if self._turn_of not in keys or not self._turn_left:
            self._stepped = {key: at for key, at in self._stepped.items() if key in keys}
            self._turn_of = min(keys, key=lambda key: self._stepped.get(key, -1))
            self._turn_left = self._limits.turn_steps_max
            self._stepped[self._turn_of] = self._steps
        self._turn_left -= 1
        return self._turn_of

    def _riding(self) -> dict[Hashable, list[T]]:
        riding = [rider for rider in self._riders.values() if not rider.paused]
        return {
            key: [rider.waiting.item for rider in riding if rider.waiting.key == key]
            for key in batches(riding)
        }

    def leave(self, items: Collection[T]) -> None:
        """These are aboard no more."""
        for number, rider in list(self._riders.items()):
            if any(rider.waiting.item is item for item in items):
                del self._riders[number]

    def _seat(self, waiting: Waiting[T]) -> None:
        number, self._boarded = self._boarded, self._boarded + 1
        company = (r.batch for r in self._riders.values() if r.waiting.key == waiting.key)
        self._riders[number] = Rider(waiting=waiting, number=number, batch=next(company, number))

    def _all(self) -> list[Rider[T]]:
        return list(self._riders.values())

    def _next(self, now_ms: float, only: Callable[[T], bool] | None) -> Waiting[T] | None:
        head = self._lanes.head(now_ms=now_ms)
        if head is None:
            return None
        now = openings(
            self._all(),
            self._limits,
            head=head,
            head_aged=self._lanes.is_aged(head, now_ms=now_ms),
            passed=self._passed,
        )
        waiting = self._lanes.call(
            now_ms=now_ms,
            may=lambda one: now.admits(one) and (only is None or only(one.item)),
        )
        if not now.foreign:
            self._passed = 0
        elif waiting is not None:
            self._passed += 1
        return waiting
