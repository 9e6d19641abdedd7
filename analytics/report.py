"""One page about a stretch of days: what patterns cost, what became of them, which model is better.

Self-contained: no script, no font, no address, so that it can be mailed and kept. Everything is
read from the daily views; a reader of one tenant gets that tenant's page. Shares have Wilson
intervals for the eye alone: decisions between models are the canary's, not this page's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from importlib.resources import files
from statistics import NormalDist, median
from typing import TYPE_CHECKING, Any, Final

from .link import Link
from .plots import Series, interval, lines, number_text, rows, stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from .link import Address

DAYS_MAX: Final = 366
STAGES: Final = ("route", "generate", "finish", "total")
TIERS: Final = ("draft", "standard", "premium")
_Z: Final = NormalDist().inv_cdf(0.975)
_PATTERNS: Final = """
SELECT
    day, model, version, sum(f.patterns) AS patterns, sum(f.generated) AS generated,
    sum(f.published) AS published, sum(f.judged) AS judged, sum(f.accepted) AS accepted,
    sum(f.ordered) AS ordered, toFloat64(sum(f.cost)) AS cost,
    toFloat64(sum(f.waste_cost)) AS waste, toFloat64(sum(f.loaded_cost)) AS loaded,
    max(f.currency) AS currency, max(f.refreshed_at) AS refreshed_at
FROM daily_patterns AS f
WHERE day >= {since:Date} AND (tenant = {tenant:String} OR {tenant:String} = '')
GROUP BY day, model, version
ORDER BY day, model, version"""
_MONEY: Final = """
SELECT
    day, toFloat64(sumIf(f.cost, kind = 'direct')) AS direct,
    toFloat64(sumIf(f.cost, kind = 'waste')) AS waste,
    toFloat64(sumIf(f.cost, kind = 'open')) AS open,
    toFloat64(sum(f.loaded_cost) - sum(f.cost)) AS idle
FROM daily_costs AS f
WHERE day >= {since:Date} AND (tenant = {tenant:String} OR {tenant:String} = '')
GROUP BY day
ORDER BY day"""
_LATENCY: Final = """
SELECT day, stage, tier, p50_s, p95_s
FROM daily_latency
WHERE day >= {since:Date} AND (tenant = {tenant:String} OR {tenant:String} = '')"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the page is made of."""

    tenant: str
    """Empty for the whole house."""
    since: date
    patterns: tuple[Row, ...]
    money: tuple[Row, ...]
    latency: tuple[Row, ...]


def gather(address: Address, *, tenant: str, days: int) -> Facts:
    """Ask the ledger about the last `days` UTC days, today's included.

    Raises Rejected, Transient, Unusable.
    """
    since = first_day(days, now=datetime.now(UTC))
    link, parameters = Link(address), {"since": since, "tenant": tenant}

    def asked(sql: str) -> tuple[Row, ...]:
        columns, found = link.rows(sql, parameters)
        return tuple(dict(zip(columns, row, strict=True)) for row in found)

    try:
        return Facts(
            tenant=tenant,
            since=since,
            patterns=asked(_PATTERNS),
            money=asked(_MONEY),
            latency=asked(_LATENCY),
        )
    finally:
        link.close()


def first_day(days: int, *, now: datetime) -> date:
    """The first of so many UTC days, of which `now` has the last."""
    return now.astimezone(UTC).date() - timedelta(days=days - 1)


def page(facts: Facts) -> str:
    """The whole HTML page."""
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    whose = facts.tenant or "all tenants"
    made = max((row["refreshed_at"] for row in facts.patterns), default=None)
    as_of = f"{made:%Y-%m-%d %H:%M} UTC" if made else "no facts yet"
    body = "".join(f"<section>{part(facts)}</section>" for part in _SECTIONS)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Heddle: {escape(whose)}</title><style>{style}</style></head><body><main>"
        f"<h1>What patterns cost</h1><p class=sub>{escape(whose)}, since {facts.since} (UTC days); "
        f"as of {as_of}</p>{body}"
        "<footer>Direct: the time that patterns had of machines. Loaded: with idle, starting and "
        "loading time of the same machines and days. Patterns count on the day they were asked "
        "for, with all that became of them since; money on the day of the machine time. Intervals "
        "are Wilson's, 95 %.</footer></main></body></html>\n"
    )


def _headline(facts: Facts) -> str:
    sums = _sums(facts.patterns)
    currency = _currency(facts)
    tiles = [
        ("patterns asked for", f"{sums['patterns']:,}"),
        ("published", f"{sums['published']:,}"),
        ("accepted of published", _percent(sums["accepted"], sums["published"])),
        (f"{currency} per accepted, direct", _per(sums["cost"], sums["accepted"])),
        (f"{currency} per accepted, loaded", _per(sums["loaded"], sums["accepted"])),
        ("of the cost was waste", _percent(sums["waste"], sums["cost"])),
    ]
    shown = "".join(
        f"<div class=tile><b>{escape(value)}</b><span>{escape(name)}</span></div>"
        for name, value in tiles
    )
    return f"<div class=tiles>{shown}</div>"


def _cost_over_time(facts: Facts) -> str:
    days, by_day = _by_day(facts.patterns)
    plot = lines(
        days,
        [
            Series(name="direct", values=_each(by_day, lambda s: _ratio(s["cost"], s["accepted"]))),
            Series(
                name="loaded", values=_each(by_day, lambda s: _ratio(s["loaded"], s["accepted"]))
            ),
        ],
        unit=_currency(facts),
    )
    return f"<h2>Cost per accepted pattern</h2>{_or_nothing(plot, days)}"


def _acceptance(facts: Facts) -> str:
    days, by_day = _by_day(facts.patterns)
    plot = lines(
        days,
        [
            Series(
                name="accepted of judged",
                values=_each(by_day, lambda s: _ratio(s["accepted"] * 100, s["judged"])),
            ),
            Series(
                name="judged of published",
                values=_each(by_day, lambda s: _ratio(s["judged"] * 100, s["published"])),
            ),
        ],
        unit="%",
    )
    return (
        f"<h2>Acceptance</h2>{_or_nothing(plot, days)}<p class=note>Words come late: the last days "
        "are judged by few.</p>"
    )


def _money(facts: Facts) -> str:
    days = [str(row["day"]) for row in facts.money]
    layers = [
        Series(name=name, values=tuple(row[key] for row in facts.money))
        for name, key in (("published", "direct"), ("waste", "waste"), ("under way", "open"),
                          ("idle, starting, loading", "idle"))
    ]  # fmt: skip
    plot = stacked(days, layers, unit=_currency(facts))
    return f"<h2>Where the money goes</h2>{_or_nothing(plot, days)}"


def _latency(facts: Facts) -> str:
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in facts.latency:
        found[row["stage"], row["tier"]].append(row)
    known = [(stage, tier) for stage in STAGES for tier in TIERS if (stage, tier) in found]
    plot = rows(
        [f"{stage}, {tier}" for stage, tier in known],
        [
            Series(
                name="half of the patterns (median day)",
                values=tuple(median(row["p50_s"] for row in found[key]) for key in known),
            ),
            Series(
                name="95 of 100 (worst day)",
                values=tuple(max(row["p95_s"] for row in found[key]) for key in known),
            ),
        ],
        unit="s",
    )
    return f"<h2>Latency by stage and tier, waiting included</h2>{_or_nothing(plot, known)}"


def _models(facts: Facts) -> str:
    by_model: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in facts.patterns:
        by_model[row["model"], row["version"]].append(row)
    lines_of = []
    for (model, version), found in sorted(by_model.items()):
        sums = _sums(found)
        low, high = wilson(sums["accepted"], sums["judged"])
        share = _ratio(sums["accepted"], sums["judged"]) or 0.0
        cells = [
            escape(f"{model}@{version}"), f"{sums['published']:,}", f"{sums['judged']:,}",
            _percent(sums["accepted"], sums["judged"]), interval(low, share, high),
            _per(sums["cost"], sums["generated"]), _per(sums["cost"], sums["accepted"]),
            _percent(sums["waste"], sums["cost"]),
        ]  # fmt: skip
        lines_of.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    money = escape(_currency(facts))
    heads = ("model", "published", "judged", "accepted", "0 to 100 %", f"{money}, generated",
             f"{money}, accepted", "waste")  # fmt: skip
    head = "".join(f"<th>{one}</th>" for one in heads)
    table = f"<div class=wide><table><tr>{head}</tr>{''.join(lines_of)}</table></div>"
    return (
        f"<h2>Models, on the direct basis</h2>{_or_nothing(table, lines_of)}<p class=note>Not an "
        "experiment: tenants and days of the models differ. For a decision there is the canary.</p>"
    )


_SECTIONS: Final[tuple[Callable[[Facts], str], ...]] = (
    _headline, _cost_over_time, _acceptance, _money, _latency, _models,
)  # fmt: skip


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927); 0 to 1 where nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = hits / count, _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _sums(found: Sequence[Row]) -> Row:
    names = ("patterns", "generated", "published", "judged", "accepted", "cost", "waste", "loaded")
    return {name: sum(row[name] for row in found) for name in names}


def _by_day(found: Sequence[Row]) -> tuple[list[str], list[Row]]:
    days: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        days[str(row["day"])].append(row)
    return sorted(days), [_sums(days[day]) for day in sorted(days)]


def _each(by_day: Sequence[Row], figure: Callable[[Row], float | None]) -> tuple[float | None, ...]:
    return tuple(figure(sums) for sums in by_day)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _per(money: float, count: int) -> str:
    return number_text(money / count) if count else "–"


def _currency(facts: Facts) -> str:
    return max((row["currency"] for row in facts.patterns), default="") or "money"


def _or_nothing(plot: str, found: Sequence[Any]) -> str:
    return plot if found else "<p class=note>Nothing yet.</p>"
