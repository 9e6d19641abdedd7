"""What route knows of the installation: tenants' settings and the pattern book, kept up to date.

Read to the end of both topics before the first request, followed afterwards. Bad entries are noted
and skipped: one wrong setting must not stop every tenant.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from registry.book import Book
from schemas import topics
from schemas.errors import Undecodable
from schemas.records import RegistryChanged, TenantChanged
from streams.kafka.replay import Follower

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.kafka.events import Events
    from streams.kafka.message import Message

log = logging.getLogger("heddle.route")

READ_S_MAX: Final = 60.0


class Standing:
    """Tenants and book. Safe to read from several threads."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self.book = Book()
        self._events = events
        self._tenants: dict[str, TenantChanged] = {}
        self._lock = threading.Lock()
        names = [
            topics.prefixed(events.prefix, topic.name)
            for topic in (topics.TENANTS, topics.REGISTRY)
        ]
        self._follower = Follower(connection, names, self.apply)

    def start(self) -> None:
        """Read both topics to the end. Raises Transient or Unusable."""
        self._follower.start(timeout_s=READ_S_MAX)

    def close(self) -> None:
        """Stop following."""
        self._follower.close()

    def tenant(self, name: str) -> TenantChanged | None:
        """A tenant's settings in force; None where it is unknown or erased."""
        with self._lock:
            return self._tenants.get(name)

    def apply(self, message: Message) -> None:
        """Take in one record of either topic."""
        try:
            with self._lock:
                if self._events.name_of(message) == topics.TENANTS.name:
                    self._apply_tenant(message)
                elif message.value is not None:
                    self.book.apply(self._events.record(message, RegistryChanged))
        except Undecodable as error:
            log.warning("entry skipped", extra={"place": message.place, "error": str(error)})

    def _apply_tenant(self, message: Message) -> None:
        if message.value is None:
            self._tenants.pop((message.key or b"").decode(errors="replace"), None)
            return
        change = self._events.record(message, TenantChanged)
        self._tenants[change.tenant] = change
