"""A tenant's month: what its machine time and its files cost, and what that makes per pattern.

Days are the days of the machine time, so that everybody's bill adds up to what the machines cost,
but for days on which a kind of machine did nothing for any pattern: nobody bears those. It holds
more than the tenants' bills together while machine time is known before its pattern is, and with it
the tenant. Counts are of the patterns asked for in the month, with everything that became of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected

from .link import Link

if TYPE_CHECKING:
    from .link import Address

_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_LINES: Final = """
SELECT
    tier, model, version, recipe, sum(f.duration_us) AS machine_us,
    sumIf(f.cost, kind = 'direct') AS direct_cost, sumIf(f.cost, kind = 'waste') AS waste_cost,
    sumIf(f.cost, kind = 'open') AS open_cost, sum(f.cost) AS cost,
    sum(f.load_cost) AS load_cost, sum(f.loaded_cost) AS loaded_cost, max(f.currency) AS currency
FROM daily_costs AS f
WHERE toStartOfMonth(day) = {month:Date}
    AND (tenant = {tenant:String} OR {tenant:String} = '')
GROUP BY tier, model, version, recipe
ORDER BY tier, model, version, recipe"""
_COUNTS: Final = """
SELECT
    sum(f.patterns) AS patterns, sum(f.generated) AS generated, sum(f.published) AS published,
    sum(f.accepted) AS accepted, sum(f.ordered) AS ordered, sum(f.cost) AS cost,
    sum(f.loaded_cost) AS loaded_cost, max(f.currency) AS currency,
    max(f.refreshed_at) AS refreshed_at
FROM daily_patterns AS f
WHERE toStartOfMonth(day) = {month:Date}
    AND (tenant = {tenant:String} OR {tenant:String} = '')"""
_STORAGE: Final = """
SELECT
    sum(of_day.cost) AS cost, argMax(of_day.bytes, day) AS last_bytes,
    max(of_day.currency) AS currency
FROM (
    SELECT
        day, sum(f.cost) AS cost, sum(f.stored_bytes) AS bytes, max(f.currency) AS currency
    FROM daily_storage AS f
    WHERE toStartOfMonth(day) = {month:Date}
        AND (tenant = {tenant:String} OR {tenant:String} = '')
    GROUP BY day
) AS of_day"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one kind of pattern cost in the month; money in the bill's currency."""

    tier: str
    model: str
    version: str
    recipe: str
    machine_us: int
    direct_cost: Decimal
    """Attempts whose files stand."""
    waste_cost: Decimal
    """Failed and cancelled patterns, attempts that did not pass."""
    open_cost: Decimal
    """Patterns still under way."""
    cost: Decimal
    """The three together: the direct basis."""
    load_cost: Decimal
    """A share of the starting, loading and warming time of the same machines and days."""
    loaded_cost: Decimal
    """With that and a share of all other time of theirs: the loaded basis."""

    @property
    def idle_cost(self) -> Decimal:
        """That other time alone: idle, draining, failed, between two forwards."""
        return self.loaded_cost - self.cost - self.load_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Of one tenant, or of everybody, and one month (UTC)."""

    tenant: str
    """Empty for everybody."""
    month: date
    """Its first day."""
    currency: str
    """ISO 4217; empty where nothing was priced yet."""
    lines: tuple[Line, ...]
    storage_cost: Decimal
    """Of the days that are over."""
    stored_bytes: int
    """On the last of them."""
    patterns: int
    generated: int
    published: int
    accepted: int
    ordered: int
    patterns_cost: Decimal
    """Of the patterns counted, whenever their machine time was: direct basis."""
    patterns_loaded_cost: Decimal
    refreshed_at: datetime | None
    """When the facts were made; None where there are none."""

    @property
    def cost(self) -> Decimal:
        """Machine time on the direct basis."""
        return sum((line.cost for line in self.lines), Decimal(0))

    @property
    def loaded_cost(self) -> Decimal:
        """Machine time on the loaded basis."""
        return sum((line.loaded_cost for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        """What is to be paid: loaded machine time and storage."""
        return self.loaded_cost + self.storage_cost

    def per(self, count: int, *, loaded: bool = False) -> Decimal | None:
        """Cost of the month's patterns per so many of them; None for none."""
        whole = self.patterns_loaded_cost if loaded else self.patterns_cost
        return (whole / count).quantize(Decimal("1e-9")) if count else None


def month_of(text: str) -> date:
    """`2026-11` as its first day. Raises Rejected."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise Rejected(f"{text!r} is no month", field="month", limit="YYYY-MM", dead_letter=False)
    return date(int(found[1]), int(found[2]), 1)


def bill(address: Address, *, tenant: str, month: date) -> Bill:
    """Ask the ledger about one tenant, or with an empty name about everybody; a reader of one
    tenant has that one's bill then. A tenant that nobody knows has an empty bill.

    Raises Rejected, Transient, Unusable.
    """
    link, parameters = Link(address), {"tenant": tenant, "month": month}
    try:
        lines = _records(link, _LINES, parameters)
        counts = _records(link, _COUNTS, parameters)[0]
        storage = _records(link, _STORAGE, parameters)[0]
    finally:
        link.close()
    refreshed_at: datetime = counts["refreshed_at"]
    # A month may have machine time of patterns of the month before, or files alone.
    currencies = {line.pop("currency") for line in lines} | {storage["currency"]}
    return Bill(
        tenant=tenant,
        month=month,
        currency=max(currencies | {counts["currency"]}),
        lines=tuple(Line(**line) for line in lines),
        storage_cost=storage["cost"],
        stored_bytes=storage["last_bytes"],
        **{name: counts[name] for name in
           ("patterns", "generated", "published", "accepted", "ordered")},
        patterns_cost=counts["cost"],
        patterns_loaded_cost=counts["loaded_cost"],
        refreshed_at=refreshed_at if refreshed_at > datetime(2000, 1, 1, tzinfo=UTC) else None,
    )  # fmt: skip


def _records(link: Link, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    columns, rows = link.rows(sql, parameters)
    return [dict(zip(columns, row, strict=True)) for row in rows]
