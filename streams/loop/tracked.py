"""One partition as the runner sees it: its ledger, what is held back, how careful to be."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.kafka.consumer import Commit, Committed, Share
from streams.kafka.offsets import PartitionLedger, read

if TYPE_CHECKING:
    from schemas.errors import Rejected
    from streams.kafka.message import Message, Place


@dataclass(slots=True)
class InFlight:
    """A record that has begun."""

    message: Message
    taken_ms: float
    """Monotonic clock."""
    attempts: int = 1
    refused: Rejected | None = None
    """Why it ends without a result, once that is certain."""
    cut: bool = False
    """Whether its dead letter had to leave the record's bytes out."""


def share_of(place: Place) -> Share:
    """The partition a record lies in."""
    return Share(place.topic, place.partition)


@dataclass(slots=True)
class Tracked:
    """A partition of ours."""

    share: Share
    ledger: PartitionLedger
    careful: int = 0
    """So many records that were there before us are taken one at a time, alone in flight."""
    trying: tuple[int, int] | None = None
    """(offset, count) of the record that may kill its worker: of one tried now or by those before
    us; `Alone` keeps it."""
    held: deque[Message] = field(default_factory=deque)
    """Fetched and not begun, in order; while there are any, the partition is paused."""
    paused: bool = False
    known: bool = False
    """Whether the broker holds a mark of ours: none may begin before it does."""
    _committed: tuple[int, str] | None = None

    def commit(self, *, clean: bool = False) -> Commit | None:
        """What to commit now; None where the broker has it already."""
        offset = self.ledger.watermark()
        metadata = self.ledger.metadata(clean=clean, trying=self.trying)
        if self._committed == (offset, metadata):
            return None
        return Commit(self.share, offset, metadata)

    def noted(self, commit: Commit) -> None:
        """Remember that this was committed."""
        self._committed = (commit.offset, commit.metadata)
        self.known = True

    def uncommitted(self) -> None:
        """The broker did not take the last commit after all: it is due again."""
        self._committed = None

    def deaths_of(self, offset: int) -> int:
        """Workers known to have died with this record alone in flight."""
        return self.trying[1] if self.trying and self.trying[0] == offset else 0


def tracked(share: Share, committed: Committed, start: int, *, careful_max: int) -> Tracked:
    """A partition that has just become ours."""
    mark = read(committed.metadata, watermark=start)
    return Tracked(
        share=share,
        ledger=PartitionLedger(position=start, beyond=mark.beyond),
        careful=0 if mark.clean else careful_max,
        trying=mark.trying,
    )
