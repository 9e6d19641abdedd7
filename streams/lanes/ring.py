"""Weighted deficit round robin (Shreedhar and Varghese, SIGCOMM 1995). Pure.

Each queue is topped up by quantum times weight when its turn comes and served while its deficit
covers the cost of its head; so over time each gets its share of the *cost*, not of the count.
"""

from __future__ import annotations

from collections.abc import Mapping


class Ring:
    """Whose turn it is among named queues; keys come and go."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._order: list[str] = []
        self._deficits: dict[str, float] = {}
        self._turn = 0
        self._topped = False

    def choose(self, costs: Mapping[str, int]) -> str:
        """The key to serve next; its head's cost is charged.

        `costs` holds the head's cost (at least 1) of every queue that may be served now. Raises
        ValueError when it is empty.
        """
        if not costs:
            message = "no queue to choose from"
            raise ValueError(message)
        self._order += [key for key in costs if key not in self._deficits]
        for key in costs:
            self._deficits.setdefault(key, 0.0)
        quantum = max(costs.values())
        while True:
            key = self._order[self._turn]
            if key in costs:
                if not self._topped:
                    self._deficits[key] += quantum * self._weights.get(key, 1.0)
                    self._topped = True
                if self._deficits[key] >= costs[key]:
                    self._deficits[key] -= costs[key]
                    return key
            self._turn = (self._turn + 1) % len(self._order)
            self._topped = False

    def peek(self, costs: Mapping[str, int]) -> str:
        """What `choose` would answer; nothing is charged and no turn passes."""
        order, deficits = list(self._order), dict(self._deficits)
        turn, topped = self._turn, self._topped
        try:
            return self.choose(costs)
        finally:
            self._order, self._deficits = order, deficits
            self._turn, self._topped = turn, topped

    def charge(self, key: str, cost: int) -> None:
        """Charge a queue that was served out of turn."""
        if key not in self._deficits:
            self._order.append(key)
            self._deficits[key] = 0.0
        self._deficits[key] -= cost

    def forget(self, key: str) -> None:
        """The queue is empty: nothing is owed in either direction."""
        if key in self._deficits:
            place = self._order.index(key)
            del self._order[place], self._deficits[key]
            if place < self._turn:
                self._turn -= 1
            elif place == self._turn:
                self._topped = False
            self._turn = self._turn % len(self._order) if self._order else 0
