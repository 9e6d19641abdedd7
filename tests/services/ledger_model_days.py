"""What the daily views must hold, by the model of `ledger_model`: rows as plain dicts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from tests.services.ledger_model import HOUR_US, LAST_DIGIT, House, Life, Within, money
from tests.services.ledger_model_money import Books, Share
from tests.services.ledger_model_views import KIND, Rows, kind_of_pattern, machine_time, spans_of

KIND_OF_DAY = ("tenant", "tier", "model", "version", "recipe", "experiment", "arm")
TERABYTE = 10**12
MILLISECOND = timedelta(milliseconds=1)


def _loaded(books: Books, shares: list[Share]) -> Within:
    """A loaded hour has twelve decimals itself: each share may lack that much by the hour."""
    exact = sum((books.loaded(one.machine, one.duration_us) for one in shares), Fraction())
    hours = Fraction(sum(one.duration_us for one in shares), HOUR_US)
    return money(exact, slack=hours * LAST_DIGIT)


def daily_patterns(house: House) -> Rows:
    """By day of the request: ends, words on what was published, machine time, storage."""
    groups: dict[Any, list[Life]] = defaultdict(list)
    for life in house.lives().values():
        kind = kind_of_pattern(life, *KIND_OF_DAY)
        groups[life.of.requested_at.date(), *kind.values()].append(life)
    books = Books(house)
    return [
        {**dict(zip(("day", *KIND_OF_DAY), key, strict=True)), **_day(lives, books)}
        for key, lives in groups.items()
    ]


def _day(lives: list[Life], books: Books) -> dict[str, Any]:
    ends = Counter(life.outcome for life in lives)
    said = Counter(life.verdict for life in lives if life.asset)
    spent: dict[str, list[Share]] = {"direct": [], "waste": [], "open": []}
    for life in lives:
        for share in books.of((life.of.request_id, life.of.ordinal)):
            spent[life.kind_of(share.attempt)].append(share)
    shares = [one for kind in spent.values() for one in kind]
    return {
        "patterns": len(lives),
        "generated": sum(life.generated_at is not None for life in lives),
        **{end: ends[end] for end in
           ("published", "failed", "rejected", "cancelled", "expired", "open")},
        "judged": sum(said.values()) - said[""],
        "accepted": said["accepted"] + said["ordered"],
        "ordered": said["ordered"],
        "turned_down": said["rejected"],
        "machine_us": sum(one.duration_us for one in shares),
        "waste_us": sum(one.duration_us for one in spent["waste"]),
        "cost": books.direct_sum(shares),
        "waste_cost": books.direct_sum(spent["waste"]),
        "open_cost": books.direct_sum(spent["open"]),
        "loaded_cost": _loaded(books, shares),
        "stored_bytes": sum(life.stored_bytes for life in lives),
        "currency": "EUR",
    }  # fmt: skip


def daily_costs(house: House) -> Rows:
    """By day of the machine time, kind of pattern, machine and kind of cost."""
    books, lives = Books(house), house.lives()
    groups: dict[Any, list[Share]] = defaultdict(list)
    for share in books.shares:
        life = lives.get(share.pattern)
        kind = life.kind_of(share.attempt) if life else "open"
        about = kind_of_pattern(life, *KIND_OF_DAY)
        groups[share.machine, tuple(about.values()), kind].append(share)
    rows = []
    for ((day, stage, pool, device), about, kind), shares in groups.items():
        price = house.price(device, day)
        rows.append({
            "day": day, **dict(zip(KIND_OF_DAY, about, strict=True)), "stage": stage, "pool": pool,
            "device": device, "kind": kind, "patterns": len({one.pattern for one in shares}),
            "duration_us": sum(one.duration_us for one in shares), "cost": books.direct_sum(shares),
            **_loads(books, shares), "price_id": price.price_id,
            "price_per_hour": price.per_hour, "currency": price.currency,
        })  # fmt: skip
    return rows


def _loads(books: Books, shares: list[Share]) -> dict[str, Within]:
    """On the loaded basis, and what of it is getting ready or waiting."""
    hours = Fraction(sum(one.duration_us for one in shares), HOUR_US)
    exact = {
        name: sum((part(one.machine, one.duration_us) for one in shares), Fraction())
        for name, part in (("load_cost", books.readying), ("idle_cost", books.idling))
    }
    hair = (hours + 2) * LAST_DIGIT
    return {
        "loaded_cost": _loaded(books, shares),
        **{name: Within(low=amount - hair, high=amount + hair) for name, amount in exact.items()},
    }


def daily_machines(house: House) -> Rows:
    """As `machine_time`, with its price."""
    return [
        {**row, "price_per_hour": house.price(row["device"], row["day"]).per_hour}
        for row in machine_time(house)
    ]


def daily_latency(house: House) -> Rows:
    """By day of the request and stage. Percentiles are a digest's, so they lie near their place."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for life in house.lives().values():
        for stage, (since, to) in spans_of(life).items():
            key = life.of.requested_at.date(), life.of.tenant, life.of.tier, stage
            groups[key].append((to - since) // MILLISECOND)
    return [
        {
            **dict(zip(("day", "tenant", "tier", "stage"), key, strict=True)),
            "patterns": len(spans_ms), "max_s": max(spans_ms) / 1000,
            **{f"p{share}_s": _near(sorted(spans_ms), share) for share in (50, 95, 99)},
        }
        for key, spans_ms in groups.items()
    ]  # fmt: skip


def _near(spans_ms: list[int], percent: int) -> Within:
    """Between the neighbours of the place, to the seven digits of a digest's numbers."""
    place = (len(spans_ms) - 1) * percent // 100
    low = Fraction(spans_ms[max(place - 1, 0)], 1000)
    high = Fraction(spans_ms[min(place + 2, len(spans_ms) - 1)], 1000)
    hair = Fraction(1, 10**6)
    return Within(low=low - abs(low) * hair, high=high + abs(high) * hair)


def daily_storage(house: House) -> Rows:
    """Every day that is over since the first file, each tenant's bytes at that day's price."""
    asked: dict[str, Counter[date]] = defaultdict(Counter)
    for life in house.lives().values():
        if life.stored_bytes:
            asked[life.of.tenant][life.of.requested_at.date()] += life.stored_bytes
    rows = []
    for tenant, bytes_of in asked.items():
        day = min(bytes_of)
        while day < house.today:
            stored = sum(size for since, size in bytes_of.items() if since <= day)
            price = house.shelf_price(day)
            per_hour = Fraction(price.per_hour if price else 0)
            rows.append({
                "day": day, "tenant": tenant, "stored_bytes": stored,
                "cost": money(stored * 24 * per_hour / TERABYTE),
                "price_id": price.price_id if price else "",
                "price_per_tb_hour": per_hour,
                "currency": price.currency if price else "",
            })  # fmt: skip
            day += timedelta(days=1)
    return rows


DAILY: dict[str, Callable[[House], Rows]] = {
    one.__name__: one
    for one in (daily_patterns, daily_costs, daily_machines, daily_latency, daily_storage)
}
GRAINS: dict[str, tuple[str, ...]] = {
    "patterns": ("pattern_id",),
    "patterns_by_day": (
        "day",
        *KIND_OF_DAY,
        "requested_at",
        "routed_at",
        "generated_at",
        "published_at",
        "outcome",
        "attempt",
        "verdict",
        "machine_us",
        "stored_bytes",
    ),
    "requests": ("tenant", "request_id"),
    "refusals": ("tenant", "request_id"),
    "stage_latency": ("pattern_id", "stage"),
    "costs": ("day", "pattern_id", "attempt", "stage", "device", "price_id"),
    "acceptance": ("day", *KIND),
    "verdicts": ("event_id",),
    "machine_time": ("day", "stage", "pool", "device", "model", "version", "state", "price_id"),
    "prices": ("price_id",),
    "offsets": ("topic", "partition"),
    "quarantine": ("event_id", "field"),
    "audit_forwards": ("event_id", "forward"),
    "audit_states": ("incarnation",),
    "model_book": ("family", "epoch", "kind"),
    "daily_patterns": ("day", *KIND_OF_DAY),
    "daily_costs": ("day", *KIND_OF_DAY, "stage", "pool", "device", "kind", "price_id"),
    "daily_machines": ("day", "stage", "pool", "device", "model", "version", "state", "price_id"),
    "daily_latency": ("day", "tenant", "tier", "stage"),
    "daily_storage": ("day", "tenant"),
}
"""What one row of a view is about: no two rows share it, but where a view has no id."""
