"""After a worker's death: records that were there before us are taken one at a time.

Which record is alone in flight is committed before it begins, with the number of workers that died
of it; so the next worker knows. What is given back, or was never begun, is nobody's death.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from streams.kafka.consumer import Commit

if TYPE_CHECKING:
    from streams.kafka.message import Place
    from streams.loop.tracked import Tracked


class Alone:
    """The one record that may be in flight while its partition is taken carefully."""

    def __init__(self, commit: Callable[[Commit], bool]) -> None:
        """`commit` waits for the broker; False where it did not take it."""
        self._commit = commit
        self._place: Place | None = None
        self._share: Tracked | None = None

    def __bool__(self) -> bool:
        """Whether a record is alone in flight: nothing else may begin."""
        return self._place is not None

    def begin(self, share: Tracked, place: Place) -> bool:
        """Let the broker know that this record is tried; False where it cannot be told now."""
        before = share.trying
        share.trying = (place.offset, share.deaths_of(place.offset) + 1)
        metadata = share.ledger.metadata(trying=share.trying)
        if not self._commit(Commit(share.share, share.ledger.watermark(), metadata)):
            share.trying = before
            return False
        self._place, self._share = place, share
        return True

    def ended(self, place: Place) -> None:
        """A record has ended; where it was this one, the next has its turn."""
        share = self._left([place])
        if share is not None:
            share.trying = None
            share.careful = max(share.careful - 1, 0)

    def spared(self, places: Collection[Place]) -> None:
        """These will be done again by somebody alive: the try does not count."""
        share = self._left(places)
        if share is not None and share.trying is not None:
            offset, count = share.trying
            share.trying = (offset, count - 1) if count > 1 else None

    def _left(self, places: Collection[Place]) -> Tracked | None:
        """The partition of the lonely record, where it is one of these; then nothing is alone."""
        if self._place is None or self._place not in places:
            return None
        share, self._place, self._share = self._share, None, None
        return share
