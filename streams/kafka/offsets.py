"""The offset ledger: which records of a partition are finished, gap-safe. Pure.

A partition's committed offset is its *watermark*: every record before it is finished. Records that
finish beyond it are remembered in the commit's metadata, so a restart does not redo them. Offsets
may have gaps (compaction, transactions), so the watermark is the lowest unfinished *taken* offset,
never "last finished + 1" counted by hand.

The metadata (at most `METADATA_CHARACTERS_MAX` characters, the broker's own limit is 4,096) is

    h1 SP mark SP trying SP beyond        for example   h1 open 42:1 AgEBAw

with mark `clean` (drained in peace) or `open`; trying `-` or `offset:count`, the record alone in
flight; beyond base64url of LEB128 varints (gap, run, gap, run, ...) from the watermark on, or `-`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

METADATA_CHARACTERS_MAX: Final = 3_000
_VERSION: Final = "h1"
_TRYING: Final = re.compile(r"(\d{1,19}):(\d{1,9})")
_VARINT_BITS_MAX: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a commit's metadata said."""

    clean: bool
    """The owner before us drained in peace, or there was none that we know of."""
    beyond: frozenset[int] = frozenset()
    """Finished offsets at or beyond the watermark."""
    trying: tuple[int, int] | None = None
    """(offset, times it was alone in flight when its worker died or went on)."""


UNKNOWN: Final = Mark(clean=True)
"""Metadata that is empty or not ours: nothing is known, so nothing is feared."""


@dataclass(slots=True)
class PartitionLedger:
    """Taken and finished offsets of one partition, owned by one thread."""

    position: int
    """Where consumption starts: the committed offset, or the first one to be read."""
    beyond: frozenset[int] = frozenset()
    """Finished before we came; `take` refuses them."""
    _taken: deque[int] = field(default_factory=deque)
    _finished: set[int] = field(default_factory=set)
    _next: int = 0
    _later: set[int] = field(default_factory=set)
    in_flight: int = 0
    """Taken and not finished."""

    def __post_init__(self) -> None:
        """Remember what a former owner finished beyond the watermark."""
        self._next = self.position
        self._later = {offset for offset in self.beyond if offset >= self.position}

    def was_finished(self, offset: int) -> bool:
        """Whether a former owner finished this record beyond its watermark."""
        return offset in self._later

    def was_taken(self, offset: int) -> bool:
        """Whether this record, or one after it, has been taken here already."""
        return offset < self._next

    def take(self, offset: int) -> bool:
        """Note a record as begun; False when it was finished before and must not be redone.

        Offsets of a partition come ascending; one that was taken already raises ValueError.
        """
        if offset < self._next:
            message = f"offset {offset} was taken before (next is {self._next})"
            raise ValueError(message)
        self._next = offset + 1
        if offset in self._later:
            self._later.discard(offset)
            if self._taken:
                self._taken.append(offset)
                self._finished.add(offset)
            return False
        self._taken.append(offset)
        self.in_flight += 1
        return True

    def finish(self, offset: int) -> None:
        """Note a taken record as finished, its effects durable.

        A second time changes nothing, nor does a record that was never taken here.
        """
        if not self.watermark() <= offset < self._next or offset in self._finished:
            return
        self.in_flight -= 1
        self._finished.add(offset)
        while self._taken and self._taken[0] in self._finished:
            self._finished.discard(self._taken.popleft())

    def watermark(self) -> int:
        """The offset to commit: everything before it is finished."""
        return self._taken[0] if self._taken else self._next

    def metadata(self, *, clean: bool = False, trying: tuple[int, int] | None = None) -> str:
        """The commit's metadata; may exceed the maximum, see `is_full`."""
        mark = "clean" if clean else "open"
        tried = f"{trying[0]}:{trying[1]}" if trying else "-"
        watermark = self.watermark()
        ahead = sorted(offset for offset in self._finished | self._later if offset >= watermark)
        beyond = _packed(watermark, ahead) or "-"
        return f"{_VERSION} {mark} {tried} {beyond}"

    def is_full(self) -> bool:
        """Whether the metadata has no room for many more: the partition must be paused."""
        if len(self._finished) + len(self._later) < METADATA_CHARACTERS_MAX // 4:
            return False
        return len(self.metadata()) > METADATA_CHARACTERS_MAX * 9 // 10


def read(metadata: str | None, *, watermark: int) -> Mark:
    """What the metadata of a commit at `watermark` says; `UNKNOWN` where it is not ours."""
    parts = (metadata or "").split(" ")
    if len(parts) != 4 or parts[0] != _VERSION or parts[1] not in {"clean", "open"}:
        return UNKNOWN
    try:
        beyond = frozenset() if parts[3] == "-" else frozenset(_unpacked(watermark, parts[3]))
    except (ValueError, binascii.Error):
        return UNKNOWN
    tried = _TRYING.fullmatch(parts[2])
    trying = (int(tried[1]), int(tried[2])) if tried else None
    return Mark(clean=parts[1] == "clean", beyond=beyond, trying=trying)


def _packed(watermark: int, finished: list[int]) -> str:
    raw = bytearray()
    for start, run in _runs(finished):
        _write_varint(raw, start - watermark)
        _write_varint(raw, run)
        watermark = start + run
    return base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


def _unpacked(watermark: int, packed: str) -> Iterator[int]:
    raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
    numbers = list(_read_varints(raw))
    if len(numbers) % 2:
        message = "odd number of varints"
        raise ValueError(message)
    budget = METADATA_CHARACTERS_MAX * 1_000
    for gap, run in zip(numbers[::2], numbers[1::2], strict=True):
        budget -= run
        if budget < 0:
            message = "more finished offsets than a ledger can hold"
            raise ValueError(message)
        yield from range(watermark + gap, watermark + gap + run)
        watermark += gap + run


def _runs(ascending: list[int]) -> Iterator[tuple[int, int]]:
    """(start, length) of each stretch of consecutive offsets."""
    start, run = 0, 0
    for offset in ascending:
        if run and offset == start + run:
            run += 1
            continue
        if run:
            yield start, run
        start, run = offset, 1
    if run:
        yield start, run


def _write_varint(raw: bytearray, number: int) -> None:
    while number >= 0x80:
        raw.append(number & 0x7F | 0x80)
        number >>= 7
    raw.append(number)


def _read_varints(raw: Iterable[int]) -> Iterator[int]:
    number, shift = 0, 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > _VARINT_BITS_MAX + 7:
            message = "varint too long"
            raise ValueError(message)
        if not byte & 0x80:
            yield number
            number, shift = 0, 0
    if shift:
        message = "varint cut short"
        raise ValueError(message)
