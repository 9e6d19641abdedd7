"""Which requests live keeps, in memory and bounded: a mirror of its table for readers. Pure.

Ended requests go first when there are too many, the longest untouched one first; one that still
runs goes only by age, or when running ones alone exceed the maximum, because its RequestCompleted
would be lost with it. One thread writes; any thread may read.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.topics import RESULT_RETENTION_MS
from streams.live.stored import dump, load

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.live.status import RequestStatus

REQUESTS_MAX: Final = 50_000
AGE_MS_MAX: Final = RESULT_RETENTION_MS
"""As long as the results themselves: no event older than this can be replayed from its topic."""


class Expired(NamedTuple):
    """A request to be forgotten, and the partition of its key."""

    partition: int
    key: bytes
    running: bool


class _Entry(NamedTuple):
    partition: int
    value: bytes
    touched_ms: int


@dataclass(slots=True, kw_only=True)
class Kept:
    """Statuses by key (request id as UTF-8), each with the partition it lives in."""

    requests_max: int = REQUESTS_MAX
    age_ms_max: int = AGE_MS_MAX
    _ended: OrderedDict[bytes, _Entry] = field(default_factory=OrderedDict)
    _running: OrderedDict[bytes, _Entry] = field(default_factory=OrderedDict)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        """Requests kept."""
        return len(self._ended) + len(self._running)

    def get(self, key: bytes) -> RequestStatus | None:
        """The status of a request, None where unknown."""
        with self._lock:
            entry = self._running.get(key) or self._ended.get(key)
        return load(entry.value) if entry else None

    def put(self, partition: int, key: bytes, status: RequestStatus) -> bytes:
        """Keep a status as the newest touched; gives its stored form."""
        value = dump(status)
        with self._lock:
            self._remove(key)
            home = self._running if status.state == "running" else self._ended
            home[key] = _Entry(partition, value, status.touched_ms)
            self._count(status, 1)
        return value

    def remove(self, key: bytes) -> None:
        """Forget a request; nothing happens where it is unknown."""
        with self._lock:
            self._remove(key)

    def keep_only(self, partitions: Collection[int]) -> None:
        """Forget every request of the partitions that are no longer ours."""
        with self._lock:
            homes = (self._running, self._ended)
            gone = [k for home in homes for k, e in home.items() if e.partition not in partitions]
            for key in gone:
                self._remove(key)

    def in_order(self) -> None:
        """Put the longest untouched first, after a recovery gave them in another order."""
        with self._lock:
            for home in (self._running, self._ended):
                oldest_first = sorted(home.items(), key=lambda item: item[1].touched_ms)
                home.clear()
                home.update(oldest_first)

    def expired(self, *, now_ms: int, expired_max: int) -> list[Expired]:
        """At most `expired_max` requests that are too old or too many, to be removed next."""
        with self._lock:
            found = self._too_old(self._ended, now_ms) + self._too_old(self._running, now_ms)
            surplus = len(self) - len(found) - self.requests_max
            if surplus > 0:
                chosen = {gone.key for gone in found}
                for home in (self._ended, self._running):
                    rest = list(islice((k for k in home if k not in chosen), max(surplus, 0)))
                    found += [self._as_expired(home, key) for key in rest]
                    surplus -= len(rest)
        return found[:expired_max]

    def counts(self) -> dict[str, dict[str, int]]:
        """Patterns kept, by tier and state."""
        with self._lock:
            known = sorted((+self._counts).items())
        found: dict[str, dict[str, int]] = {}
        for (tier, state), number in known:
            found.setdefault(tier, {})[state] = number
        return found

    def _too_old(self, home: OrderedDict[bytes, _Entry], now_ms: int) -> list[Expired]:
        """From the longest untouched on, up to the first one that is young enough."""
        found: list[Expired] = []
        for key, entry in home.items():
            if now_ms - entry.touched_ms <= self.age_ms_max:
                break
            found.append(self._as_expired(home, key))
        return found

    def _as_expired(self, home: OrderedDict[bytes, _Entry], key: bytes) -> Expired:
        return Expired(home[key].partition, key, home is self._running)

    def _remove(self, key: bytes) -> None:
        entry = self._running.pop(key, None) or self._ended.pop(key, None)
        if entry is not None:
            self._count(load(entry.value), -1)

    def _count(self, status: RequestStatus, sign: int) -> None:
        for state, number in status.counts().items():
            self._counts[status.tier, state] += sign * number
