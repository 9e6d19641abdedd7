"""Wishes to stop, read in full by every worker: whether a pattern shall still be made."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from schemas import topics
from schemas.errors import Rejected, Undecodable
from schemas.names import pattern_id
from schemas.records import CancelRequested, Pattern
from streams.kafka.replay import Follower

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.kafka.events import Events
    from streams.kafka.message import Message

log = logging.getLogger("heddle.generate")

WISHES_MAX: Final = 100_000
"""Newest wishes remembered; a wish that old has met its pattern long ago."""
READ_S_MAX: Final = 60.0


class Wishes:
    """Patterns and whole requests that somebody wants stopped. Safe to use from several threads."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._events = events
        self._wished: OrderedDict[tuple[str, str], None] = OrderedDict()
        """(tenant, pattern id); ordinal 0 is the whole request. A stranger's wish for the same
        pattern is another entry, and stops nothing."""
        self._lock = threading.Lock()
        name = topics.prefixed(events.prefix, topics.CANCEL_REQUESTED.name)
        self._follower = Follower(connection, [name], self.apply)

    def start(self) -> None:
        """Read every wish there is, then follow. Raises Transient or Unusable."""
        self._follower.start(timeout_s=READ_S_MAX)

    def close(self) -> None:
        """Stop following."""
        self._follower.close()

    def apply(self, message: Message) -> None:
        """Take in one wish; a bad one is noted and skipped."""
        if message.value is None:
            return
        try:
            wish = self._events.record(message, CancelRequested)
        except Undecodable as error:
            log.warning("wish skipped", extra={"place": message.place, "error": str(error)})
            return
        with self._lock:
            self._wished[wish.tenant, pattern_id(wish.request_id, wish.ordinal)] = None
            while len(self._wished) > WISHES_MAX:
                self._wished.popitem(last=False)

    def stopped(self, pattern: Pattern) -> bool:
        """Whether its own tenant wants this pattern, or its request, stopped."""
        whole = pattern_id(pattern.request_id, 0)
        with self._lock:
            return any(
                (pattern.tenant, name) in self._wished for name in (whole, pattern.pattern_id)
            )

    def check(self, pattern: Pattern, *, now: datetime) -> None:
        """Raise Rejected (no dead letter) for a pattern that is cancelled or too late."""
        if self.stopped(pattern):
            raise Rejected(
                "cancelled on request", field="cancel", outcome="cancelled", dead_letter=False
            )
        if pattern.deadline is not None and now >= pattern.deadline:
            raise Rejected(
                "deadline has passed",
                field="deadline",
                limit=pattern.deadline.isoformat(),
                outcome="expired",
                dead_letter=False,
            )
