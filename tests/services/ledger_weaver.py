"""What the weaving of random lives goes by: one seed's draws, the prices, the first day.

`ledger_woven` and `ledger_woven_machines` do the weaving.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from analytics.prices import read_prices
from schemas.records import Record

Row = tuple[Record | None, str, int, int, datetime]
"""(record, topic, partition, offset, broker timestamp): what a sink takes."""
FIRST = datetime(2026, 11, 25, tzinfo=UTC)
"""Machines of the first day have other prices than those of the days after it; that day the shelf
has none."""
BOOK = read_prices(
    "".join(
        f'[[price]]\nid = "{name}"\ndevice = "{device}"\nfrom = {since}\n'
        f'per_hour = {per_hour}\ncurrency = "EUR"\n'
        for name, device, since, per_hour in (
            ("any", "*", "2026-01-01", "0.5"),
            ("cpu-old", "cpu", "2026-01-01", "0.048"),
            ("cpu-new", "cpu", "2026-11-26", "0.051000001"),
            ("l4-old", "NVIDIA L4", "2026-01-01", "0.71"),
            ("l4-new", "NVIDIA L4", "2026-11-26", "0.683"),
            ("shelf-old", "storage", "2026-11-26", "0.0315"),
            ("shelf-new", "storage", "2026-11-27", "0.030000007"),
        )
    )
)


class Weaver:
    """One seed's draws, and what was told so far."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.draw = name, Random(seed)
        self.tenants = (f"{name}-a", f"{name}-b")
        self.told: list[tuple[str, str, Record | None, datetime]] = []
        """(topic, key, record, when)."""
        self.numbers = iter(range(10**9))

    def tell(self, topic: str, key: str, record: Record | None, at: datetime) -> None:
        """Put a record on a topic."""
        self.told.append((f"{self.name}.{topic}", key, record, at))

    def chance(self, share: float) -> bool:
        """True in so large a share of cases."""
        return self.draw.random() < share

    def later(self, at: datetime, seconds_max: float) -> datetime:
        """A whole millisecond after `at`, as times travel."""
        return at + timedelta(milliseconds=self.draw.randint(1, int(seconds_max * 1000)))
