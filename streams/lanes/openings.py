"""Who may board at this step boundary: the rules of running batches as pure functions.

A batch is the rows of one key that share forwards; `openings` looks at who is aboard and whose turn
it is, and says who may join. Its rules:

    places    a batch never rides with more than `slots_max` rows; a free place belongs first to a
              row that has paused
    company   only rows of one key share a batch; `batches_max` keys are aboard at once, the last
              of them is kept for urgent rows; they are of `groups_max` groups
    urgency   an urgent row enters a full batch too: a row of another tier pauses for it, each at
              most once, `paused_max` at a time
    turns     while the row whose turn it is can board nowhere, `passed_max` others may pass it;
              then the running batches empty, and it boards. Past the aging floor nobody passes it
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from streams.lanes.lanes import Waiting

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLimits:
    """Bounds of what is aboard."""

    slots_max: int = 8
    """Rows that ride in one batch."""
    batches_max: int = 9
    """Keys aboard at once, at least 1. Fewer than there are keys about, and those that are not
    aboard wait for a batch to empty; more, and each batch steps more rarely."""
    groups_max: int = 2
    """Groups aboard at once, at least 1."""
    turn_steps_max: int = 4
    """Steps that a batch takes before another has its turn."""
    paused_max: int = 8
    """Rows that rest for urgent ones at one time."""
    passed_max: int = 16
    """Rows that may board before the one whose turn it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rider(Generic[T]):
    """A row aboard."""

    waiting: Waiting[T]
    number: int
    """Counts boardings."""
    batch: int
    """The number of the row that began its batch."""
    paused: bool = False
    rested: bool = False
    """It has paused once and never does again."""

    @property
    def may_pause(self) -> bool:
        """Whether it would rest for an urgent one."""
        return not (self.waiting.urgent or self.rested)


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """Who may board now."""

    places: frozenset[Hashable] = frozenset()
    """Running batches that have a free place for anybody of their key."""
    urgent_places: frozenset[Hashable] = frozenset()
    """Those that have one, free or given up, for urgent rows."""
    new: bool = False
    """Whether anybody may begin another batch."""
    urgent_new: bool = False
    aboard: frozenset[Hashable] = frozenset()
    """Keys that are aboard: no second batch of one begins."""
    groups: frozenset[Hashable] | None = frozenset()
    """Groups of which another batch may begin; None: of any."""
    foreign: bool = False
    """Whether the row whose turn it is can board nowhere: whoever boards passes it."""

    def admits(self, waiting: Waiting[T]) -> bool:
        """Whether this row may board."""
        if waiting.key in self.aboard:
            return waiting.key in (self.urgent_places if waiting.urgent else self.places)
        return self._may_begin(waiting)

    def _may_begin(self, waiting: Waiting[T]) -> bool:
        has_room = self.groups is None or waiting.group in self.groups
        return has_room and (self.urgent_new if waiting.urgent else self.new)


def openings(
    riders: Sequence[Rider[T]],
    limits: BoardLimits,
    *,
    head: Waiting[T] | None,
    head_aged: bool = False,
    passed: int = 0,
) -> Openings:
    """Who may board, given who is aboard, whose turn it is and how many have passed that one."""
    keys = batches(riders)
    # One batch fewer than there may be; of a single one urgent rows have no part for themselves.
    ordinary = keys[: max(1, limits.batches_max - 1)]
    groups = frozenset(rider.waiting.group for rider in riders)
    unbound = Openings(
        places=frozenset(ordinary),
        urgent_places=frozenset(keys),
        new=len(keys) < max(1, limits.batches_max - 1),
        urgent_new=len(keys) < max(1, limits.batches_max),
        aboard=frozenset(keys),
        groups=groups if len(groups) >= max(1, limits.groups_max) else None,
    )
    foreign = head is not None and not unbound.admits(head)
    if foreign and head_aged:
        return Openings(aboard=unbound.aboard, foreign=True)
    shut = foreign and passed >= limits.passed_max
    free = {key for key in keys if _free(riders, key, limits) > 0}
    given_up = {key for key in keys if victim(riders, key, limits) is not None}
    return replace(
        unbound,
        places=frozenset() if shut else unbound.places & free,
        urgent_places=unbound.urgent_places & (free | given_up),
        new=unbound.new and not shut,
        foreign=foreign,
    )


def batches(riders: Sequence[Rider[T]]) -> list[Hashable]:
    """Keys aboard, the batch that has run longest first."""
    in_order = sorted(riders, key=lambda rider: rider.batch)
    return list(dict.fromkeys(rider.waiting.key for rider in in_order))


def victim(riders: Sequence[Rider[T]], key: Hashable, limits: BoardLimits) -> Rider[T] | None:
    """Who of a full batch pauses for an urgent row: the last to have boarded; None: nobody may."""
    resting = sum(rider.paused for rider in riders)
    if resting >= limits.paused_max or _riding(riders, key) < limits.slots_max:
        return None
    willing = [
        rider
        for rider in riders
        if rider.waiting.key == key and rider.may_pause and not rider.paused
    ]
    return max(willing, key=lambda rider: rider.number, default=None)


def resuming(riders: Sequence[Rider[T]], limits: BoardLimits) -> list[Rider[T]]:
    """Paused rows that find a place free now, the one that boarded first before others."""
    found: list[Rider[T]] = []
    for key in batches(riders):
        paused = [rider for rider in riders if rider.paused and rider.waiting.key == key]
        paused.sort(key=lambda rider: rider.number)
        found += paused[: max(0, limits.slots_max - _riding(riders, key))]
    return found


def _riding(riders: Sequence[Rider[T]], key: Hashable) -> int:
    return sum(rider.waiting.key == key and not rider.paused for rider in riders)


def _free(riders: Sequence[Rider[T]], key: Hashable, limits: BoardLimits) -> int:
    """Places that no row aboard has a claim to."""
    return limits.slots_max - sum(rider.waiting.key == key for rider in riders)
