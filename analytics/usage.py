"""Machine time as rows: one per interval, one per part of a forward. Pure.

The split of a forward over its rows was made once, in generate; here it is only checked, priced and
kept. An interval whose parts do not fit is refused whole: half an interval would be a false bill.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected

if TYPE_CHECKING:
    from schemas.records import Forward, UsageMeasured

    from .prices import PriceBook

STATES: Final = ("starting", "loading", "warming", "idle", "busy", "draining", "failed")
INTERVAL_US_MAX: Final = 600_000_000
"""Workers cut at 10 s; a forward on a slow machine may hold an interval open longer."""
_PATTERN_ID: Final = re.compile(r"(?P<request_id>[A-Za-z0-9_-]{1,64})\.(?P<ordinal>\d{1,5})")


def usage_rows(
    record: UsageMeasured, base: dict[str, Any], prices: PriceBook
) -> list[tuple[str, dict[str, Any]]]:
    """Rows of `raw_usage` and `usage_parts`. Raises Rejected, naming field and limit."""
    _check(record)
    price = prices.price_of(device=record.device, pool=record.pool, at=record.started_at)
    shared = {
        **base,
        "worker": record.worker,
        "incarnation": record.incarnation,
        "interval": record.interval,
        "stage": record.stage,
        "pool": record.pool,
        "device": record.device,
        "model": record.model,
        "version": record.version,
        "started_at": record.started_at,
        "price_id": price.price_id,
        "price_per_hour": price.per_hour,
        "currency": price.currency,
    }
    interval = {
        **shared,
        "state": record.state,
        "duration_us": record.duration_us,
        "forwards.kind": [one.kind for one in record.forwards],
        "forwards.duration_us": [one.duration_us for one in record.forwards],
        "forwards.parts": [len(one.parts) for one in record.forwards],
        "forwards.parts_us": [_parts_us(one) for one in record.forwards],
    }
    return [("raw_usage", interval), *_parts(record, shared)]


def _parts(record: UsageMeasured, shared: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for forward_number, forward in enumerate(record.forwards, 1):
        for part_number, part in enumerate(forward.parts, 1):
            request_id, ordinal = _named(part.pattern_id)
            cells = {
                **shared,
                "forward": forward_number,
                "part": part_number,
                "request_id": request_id,
                "ordinal": ordinal,
                "attempt": part.attempt,
                "kind": forward.kind,
                "duration_us": part.duration_us,
            }
            rows.append(("usage_parts", cells))
    return rows


def _named(pattern_id: str) -> tuple[str, int]:
    found = _PATTERN_ID.fullmatch(pattern_id)
    if found is None:
        raise Rejected("a part names no pattern", field="pattern_id", limit="request_id.ordinal")
    return found["request_id"], int(found["ordinal"])


def _check(record: UsageMeasured) -> None:
    if record.state not in STATES:
        limit = "one of " + ", ".join(STATES)
        raise Rejected("unknown state", field="state", limit=limit)
    _check_us("duration_us", record.duration_us)
    for forward in record.forwards:
        _check_us("forwards.duration_us", forward.duration_us)
        for part in forward.parts:
            _check_us("forwards.parts.duration_us", part.duration_us)
        if forward.parts and _parts_us(forward) != forward.duration_us:
            raise Rejected(
                f"parts sum to {_parts_us(forward)} us, their forward took {forward.duration_us}",
                field="forwards.parts",
                limit="parts sum to their forward",
            )


def _check_us(field: str, duration_us: int) -> None:
    if not 0 <= duration_us <= INTERVAL_US_MAX:
        limit = f"0 to {INTERVAL_US_MAX}"
        raise Rejected(f"{field} is {duration_us}", field=field, limit=limit)


def _parts_us(forward: Forward) -> int:
    return sum(part.duration_us for part in forward.parts)
