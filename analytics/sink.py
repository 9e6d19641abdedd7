"""Durable rows: one insert per table and batch, acknowledged before the caller moves its offsets.

Nothing here remembers what was written. A batch may be written again, whole or in other pieces:
every table folds the repetition (`ddl/`), so that retrying is always right.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected, Unusable

from .link import Address, Link
from .migrate import migrate
from .prices import Price, check_noted
from .rows import Source, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.records import Record

    from .prices import PriceBook

PINNED: Final = {
    # The engine's defaults for these moved five times between 24.7 and 26.2.
    "async_insert": 0,
    "max_insert_threads": 1,
    # A block that looks like an earlier one must still reach the views behind the table.
    "insert_deduplicate": 0,
    # Repetitions are folded by merges and by FINAL; folding each block by itself first costs eight
    # times the insert (`bench/ledger.py`) and finds next to nothing.
    "optimize_on_insert": 0,
}
ROWS_MAX: Final = 100_000
"""Of one insert; larger batches become several."""


class Sink:
    """For one thread. Connects on first use; a lost line is made anew by the next write.

    `cluster` is that of a replicated server, on which tables are then made; empty for any other.
    """

    def __init__(
        self, *, url: str, user: str, password: str, prices: PriceBook, cluster: str = ""
    ) -> None:
        self._cluster = cluster
        self._link = Link(Address(url=url, user=user, password=password), settings=PINNED)
        self._prices = prices
        self._is_prepared = False

    def write(self, batch: Iterable[tuple[Record | None, str, int, int, datetime]]) -> int:
        """Record (record, topic, partition, offset, broker timestamp); rows written, durably.

        None as record notes the offset alone: tombstones and what went to the dead letters.
        Raises Transient (write the same batch again), Unusable (the tables do not fit).
        """
        self.prepare()
        tables: dict[str, list[dict[str, Any]]] = {}
        for record, topic, partition, offset, timestamp in batch:
            source = Source(topic=topic, partition=partition, offset=offset, timestamp=timestamp)
            for table, cells in rows_of(record, source, self._prices):
                tables.setdefault(table, []).append(cells)
        for table, rows in tables.items():
            if table != "raw_offsets":
                self.insert(table, rows)
        # Last: an offset that stands here has its rows in all the other tables.
        self.insert("raw_offsets", tables.get("raw_offsets", []))
        return sum(len(rows) for rows in tables.values())

    def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Rows of one table, all with the same cells; durable on return."""
        for start in range(0, len(rows), ROWS_MAX):
            piece = rows[start : start + ROWS_MAX]
            columns = tuple(piece[0])
            try:
                self._link.insert(
                    table, columns, [[row[name] for name in columns] for row in piece]
                )
            except Rejected as refusal:
                raise Unusable(f"the ledger's table {table} does not take our rows: {refusal}")

    def prepare(self) -> None:
        """Tables up to date, price book noted. Idempotent; `write` does it first.

        Raises Transient, and Unusable where the server refuses a statement (no record is at fault)
        or the price book would change what was billed.
        """
        if self._is_prepared:
            return
        try:
            migrate(self._link.execute, cluster=self._cluster)
        except Rejected as refusal:
            raise Unusable(f"the ledger's tables cannot be brought up to date: {refusal}") from None
        check_noted(self._prices, self._noted(), today=datetime.now(UTC).date())
        self.insert(
            "price_book",
            [
                {
                    "price_id": one.price_id,
                    "device": one.device,
                    "pool": one.pool,
                    "valid_from": one.valid_from,
                    "per_hour": one.per_hour,
                    "currency": one.currency,
                }
                for one in self._prices.entries
            ],
        )
        self._is_prepared = True

    def _noted(self) -> list[Price]:
        columns, rows = self._link.rows(
            "SELECT price_id, device, pool, valid_from, per_hour, currency FROM price_book FINAL"
        )
        return [Price(**dict(zip(columns, row, strict=True))) for row in rows]

    def close(self) -> None:
        """Hang up; nothing is buffered, so nothing is lost."""
        self._link.close()
