"""What the finish stage remembers of a tenant's earlier work, to tell of near-duplicates.

The latest fingerprints of each tenant, in memory and, so that a restart and, a minute later, other
workers know them too, in a few small pages on the tenant's shelf. A page is read before it is
written, not locked: of two processes that write one page in the same moment one may lose its entry,
which costs a report and never a pattern.
"""

from __future__ import annotations

import json
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Final

from assets import keys
from postproc.likeness import is_fingerprint
from schemas.errors import Rejected

if TYPE_CHECKING:
    from assets.store import AssetStore
    from schemas.records import Pattern

TENANTS_MAX: Final = 256
KNOWN_MAX: Final = 512
PAGES: Final = 16
PAGE_MAX: Final = KNOWN_MAX // PAGES
"""Patterns on one page; a pattern's id decides its page, and each page drops its own oldest."""
PAGE_BYTES_MAX: Final = 64 << 10
AGAIN_S: Final = 60.0
"""A tenant's pages are read again when they are older: what other workers finished meanwhile."""
_MEDIA_TYPE: Final = "application/json"

Entries = Iterable[tuple[str, str]]


class Known:
    """Fingerprints in memory: the latest KNOWN_MAX of each of the latest TENANTS_MAX tenants."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tenants: OrderedDict[str, OrderedDict[str, str]] = OrderedDict()

    def has(self, tenant: str) -> bool:
        """Whether anything, or that there is nothing, is remembered of a tenant."""
        with self._lock:
            return tenant in self._tenants

    def add(self, pattern: Pattern, fingerprint: str) -> None:
        """Remember a pattern; an empty fingerprint is none."""
        if fingerprint:
            self.fill(pattern.tenant, [(pattern.pattern_id, fingerprint)])

    def fill(self, tenant: str, entries: Entries) -> None:
        """Remember (pattern id, fingerprint) pairs, the latest last."""
        with self._lock:
            mine = self._tenants.setdefault(tenant, OrderedDict())
            self._tenants.move_to_end(tenant)
            for pattern_id, fingerprint in entries:
                mine[pattern_id] = fingerprint
                mine.move_to_end(pattern_id)
                if len(mine) > KNOWN_MAX:
                    mine.popitem(last=False)
            if len(self._tenants) > TENANTS_MAX:
                self._tenants.popitem(last=False)

    def others(self, pattern: Pattern) -> tuple[tuple[str, str], ...]:
        """(pattern id, fingerprint) of the tenant's patterns that are not of this request."""
        own = f"{pattern.request_id}."
        with self._lock:
            mine = self._tenants.get(pattern.tenant) or OrderedDict()
            return tuple(one for one in mine.items() if not one[0].startswith(own))


class Neighbours:
    """`Known`, kept on the shelf; safe to use from several threads."""

    def __init__(self, store: AssetStore, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._known, self._clock_s = store, Known(), clock_s
        self._writing = Lock()
        self._read_s: dict[str, float] = {}

    def others(self, pattern: Pattern) -> tuple[tuple[str, str], ...]:
        """As of `Known`; a tenant not in memory, or read AGAIN_S ago, is read from the shelf.

        Raises Transient.
        """
        self._recall(pattern.tenant)
        return self._known.others(pattern)

    def add(self, pattern: Pattern, fingerprint: str) -> None:
        """Remember a pattern here and on the shelf; twice is once. Raises Transient."""
        if not is_fingerprint(fingerprint):
            return
        self._recall(pattern.tenant)
        self._known.add(pattern, fingerprint)
        entry = (pattern.pattern_id, fingerprint)
        page = zlib.crc32(pattern.pattern_id.encode()) % PAGES
        with self._writing:
            entries = self._page(pattern.tenant, page)
            if entry in entries:
                return
            kept = [one for one in entries if one[0] != pattern.pattern_id]
            data = json.dumps([*kept, entry][-PAGE_MAX:], separators=(",", ":")).encode()
            key = keys.likeness_key(pattern.tenant, page)
            self._store.put(key, data, media_type=_MEDIA_TYPE)

    def _recall(self, tenant: str) -> None:
        now_s = self._clock_s()
        if self._known.has(tenant) and now_s - self._read_s.get(tenant, now_s - AGAIN_S) < AGAIN_S:
            return
        pages = [self._page(tenant, page) for page in range(PAGES)]
        self._known.fill(tenant, [entry for entries in pages for entry in entries])
        self._read_s = {one: at_s for one, at_s in self._read_s.items() if self._known.has(one)}
        self._read_s[tenant] = now_s

    def _page(self, tenant: str, page: int) -> list[tuple[str, str]]:
        """What a page holds; one that is not ours to read is empty, and so written anew."""
        try:
            data = self._store.find(keys.likeness_key(tenant, page), size_bytes_max=PAGE_BYTES_MAX)
            told = json.loads(data) if data else []
        except (ValueError, Rejected):
            return []
        entries = told if isinstance(told, list) else []
        return [
            (one[0], one[1])
            for one in entries
            if isinstance(one, list)
            and len(one) == 2
            and isinstance(one[0], str)
            and is_fingerprint(one[1])
        ]
