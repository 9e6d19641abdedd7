"""What comes in and what goes out, free of any Kafka client's types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """Where a record lies; `topic` with prefix, as the broker knows it."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """One consumed record, raw."""

    place: Place
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = 0
    """The broker's timestamp; 0 where the broker gave none."""

    def header(self, name: str) -> str | None:
        """Text of the first header of that name; None where missing or not UTF-8."""
        for known, value in self.headers:
            if known == name and value is not None:
                try:
                    return value.decode()
                except UnicodeDecodeError:
                    return None
        return None


@dataclass(frozen=True, slots=True)
class Output:
    """One record to produce; `topic` with prefix."""

    topic: str
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = ()
