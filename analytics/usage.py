"""Machine time as rows: one per interval, one per attempt that had a share in it. Pure.

The split of a forward over its rows was made once, in generate; here it is only checked, priced and
kept. An interval whose parts do not fit is refused whole: half an interval would be a false bill.
One that crosses midnight (UTC) is cut there, because days are UTC days and prices change with them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected
from schemas.names import STOPPED
from schemas.records import Forward, Part, PatternFailed, UsageMeasured

from .cells import check_year

if TYPE_CHECKING:
    from schemas.records import AssetPublished

    from .prices import PriceBook

STATES: Final = ("starting", "loading", "warming", "idle", "busy", "draining", "failed")
INTERVAL_US_MAX: Final = 10_000_000
"""Workers cut there, whatever they are at: what is longer was measured by nobody of ours."""
WORK_US_MAX: Final = 600_000_000
"""Of one forward, or of finishing one pattern. Neither is cut: a slow machine's forward is told in
the interval in which it ended, and may be longer than that."""
LIFE_US_MAX: Final = 400 * 86_400 * 1_000_000
"""Of a worker that its supervisor saw die."""
FINISH: Final = "finish"
"""Stage and pool of the table's work, as far as the price book is asked for it."""
_PATTERN_ID: Final = re.compile(r"(?P<request_id>[A-Za-z0-9_-]{1,64})\.(?P<ordinal>\d{1,5})")


def usage_rows(
    record: UsageMeasured, base: dict[str, Any], prices: PriceBook
) -> list[tuple[str, dict[str, Any]]]:
    """Rows of `raw_usage` and `usage_shares`, or of `raw_stops` where a life is told.

    Raises Rejected, naming field and limit.
    """
    check_year("started_at", record.started_at)
    if record.state == STOPPED:
        return _stop(record, base, prices)
    _check(record)
    rows: list[tuple[str, dict[str, Any]]] = []
    for number, piece in enumerate(at_midnight(record)):
        shared = {**base, "piece": number, **_machine(piece), **_price(piece, prices)}
        rows += [("raw_usage", {**shared, **_interval(piece)}), *_shares(piece, shared)]
    return rows


def _stop(
    record: UsageMeasured, base: dict[str, Any], prices: PriceBook
) -> list[tuple[str, dict[str, Any]]]:
    """With the price of each of its days: the ledger works out how much was never reported."""
    _check_us("duration_us", record.duration_us, us_max=LIFE_US_MAX)
    stopped_at = record.started_at + timedelta(microseconds=record.duration_us)
    machine = {
        name: cell
        for name, cell in _machine(record).items()
        if name not in ("interval", "model", "version")
    }
    price = _price(replace(record, started_at=stopped_at), prices)
    by_day = _prices_by_day(record, stopped_at, prices)
    return [("raw_stops", {**base, **machine, "stopped_at": stopped_at, **price, **by_day})]


def _prices_by_day(
    record: UsageMeasured, stopped_at: datetime, prices: PriceBook
) -> dict[str, list[Any]]:
    first, last = record.started_at.astimezone(UTC).date(), stopped_at.astimezone(UTC).date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    of_days = [
        prices.price_of(
            device=record.device, pool=record.pool, at=datetime.combine(day, time(), UTC)
        )
        for day in days
    ]
    return {
        "prices.day": list(days),
        "prices.price_id": [one.price_id for one in of_days],
        "prices.price_per_hour": [one.per_hour for one in of_days],
    }


def finish_rows(
    record: AssetPublished | PatternFailed, base: dict[str, Any], prices: PriceBook
) -> list[tuple[str, dict[str, Any]]]:
    """The table's processor time as a share of its own, priced as device `cpu`, pool `finish`.

    An asset's is the manifest's figure: of files that were made twice, the ones that stand are
    paid for. A failure's belongs to attempt 0, which is never the one that passes, so it is waste
    even where an asset came later; a second failure is work done again, and is another share.
    """
    if not record.cpu_us or not record.pattern.ordinal:
        return []
    _check_us("cpu_us", record.cpu_us, us_max=WORK_US_MAX)
    if isinstance(record, PatternFailed):
        attempt, at = 0, record.failed_at
        base = {**base, "event_id": f"{record.event_id}/{round(at.timestamp() * 1000)}"}
    else:
        attempt, at = record.attempt, record.published_at
    price = prices.price_of(device="cpu", pool=FINISH, at=at)
    cells = {
        **base,
        "piece": 0,
        "request_id": record.pattern.request_id,
        "ordinal": record.pattern.ordinal,
        "attempt": attempt,
        "duration_us": record.cpu_us,
        "started_at": at,
        "worker": "",
        "incarnation": "",
        "interval": 0,
        "stage": FINISH,
        "pool": FINISH,
        "device": "cpu",
        "model": record.pattern.model,
        "version": record.pattern.version,
        "price_id": price.price_id,
        "price_per_hour": price.per_hour,
        "currency": price.currency,
    }
    return [("usage_shares", cells)]


def at_midnight(record: UsageMeasured) -> tuple[UsageMeasured, ...]:
    """The interval, cut where it crosses midnight UTC: one piece or two, which sum to it exactly.

    Events do not say when within an interval a forward ran, so each part is cut in the interval's
    proportion, rounded down before midnight; a forward is the sum of its parts on both sides.
    """
    start = record.started_at.astimezone(UTC)
    midnight = datetime.combine(start.date() + timedelta(days=1), time(), UTC)
    before_us = (midnight - start) // timedelta(microseconds=1)
    total_us = record.duration_us
    if total_us <= before_us:
        return (record,)
    cuts = [_cut(one, before_us, total_us) for one in record.forwards]
    before = replace(record, duration_us=before_us, forwards=tuple(one for one, _ in cuts))
    after = replace(
        record,
        started_at=midnight,
        duration_us=total_us - before_us,
        forwards=tuple(one for _, one in cuts),
    )
    return before, after


def _cut(forward: Forward, before_us: int, total_us: int) -> tuple[Forward, Forward]:
    early = tuple(
        replace(part, duration_us=part.duration_us * before_us // total_us)
        for part in forward.parts
    )
    late = tuple(
        replace(part, duration_us=part.duration_us - first.duration_us)
        for part, first in zip(forward.parts, early, strict=True)
    )
    early_us = _sum_us(early) if early else forward.duration_us * before_us // total_us
    return (
        replace(forward, duration_us=early_us, parts=early),
        replace(forward, duration_us=forward.duration_us - early_us, parts=late),
    )


def _machine(record: UsageMeasured) -> dict[str, Any]:
    return {
        "worker": record.worker,
        "incarnation": record.incarnation,
        "interval": record.interval,
        "stage": record.stage,
        "pool": record.pool,
        "device": record.device,
        "model": record.model,
        "version": record.version,
        "started_at": record.started_at,
    }


def _price(record: UsageMeasured, prices: PriceBook) -> dict[str, Any]:
    price = prices.price_of(device=record.device, pool=record.pool, at=record.started_at)
    return {
        "price_id": price.price_id,
        "price_per_hour": price.per_hour,
        "currency": price.currency,
    }


def _interval(record: UsageMeasured) -> dict[str, Any]:
    return {
        "state": record.state,
        "duration_us": record.duration_us,
        "forwards.kind": [one.kind for one in record.forwards],
        "forwards.duration_us": [one.duration_us for one in record.forwards],
        "forwards.parts": [len(one.parts) for one in record.forwards],
        "forwards.parts_us": [_sum_us(one.parts) for one in record.forwards],
    }


def _shares(record: UsageMeasured, shared: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """One row per pattern and attempt: forwards are many, and cost does not ask which it was."""
    sums: Counter[tuple[str, int, int]] = Counter()
    for forward in record.forwards:
        for part in forward.parts:
            sums[*_named(part.pattern_id), part.attempt] += part.duration_us
    return [
        (
            "usage_shares",
            {
                **shared,
                "request_id": request_id,
                "ordinal": ordinal,
                "attempt": attempt,
                "duration_us": duration_us,
            },
        )
        for (request_id, ordinal, attempt), duration_us in sums.items()
    ]


def _named(pattern_id: str) -> tuple[str, int]:
    found = _PATTERN_ID.fullmatch(pattern_id)
    if found is None:
        raise Rejected("a part names no pattern", field="pattern_id", limit="request_id.ordinal")
    return found["request_id"], int(found["ordinal"])


def _check(record: UsageMeasured) -> None:
    if record.state not in STATES:
        limit = "one of " + ", ".join(STATES)
        raise Rejected("unknown state", field="state", limit=limit)
    _check_us("duration_us", record.duration_us, us_max=INTERVAL_US_MAX)
    for forward in record.forwards:
        _check_us("forwards.duration_us", forward.duration_us, us_max=WORK_US_MAX)
        for part in forward.parts:
            _check_us("forwards.parts.duration_us", part.duration_us, us_max=WORK_US_MAX)
        if forward.parts and _sum_us(forward.parts) != forward.duration_us:
            raise Rejected(
                f"parts sum to {_sum_us(forward.parts)} us, their forward took "
                f"{forward.duration_us}",
                field="forwards.parts",
                limit="parts sum to their forward",
            )


def _check_us(field: str, duration_us: int, *, us_max: int) -> None:
    if not 0 <= duration_us <= us_max:
        limit = f"0 to {us_max}"
        raise Rejected(f"{field} is {duration_us}", field=field, limit=limit)


def _sum_us(parts: tuple[Part, ...]) -> int:
    return sum(part.duration_us for part in parts)
