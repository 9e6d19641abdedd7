"""What each documented view must hold, by the model of `ledger_model`: rows as plain dicts.

`MODELS` has the views that speak of what is so now; `ledger_model_days` adds the daily ones. A view
or a column without an entry here fails the comparison (`ledger_compare`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from schemas.names import STOP_INTERVAL
from schemas.records import FeedbackGiven, PatternFailed, PatternRouted, UsageMeasured
from tests.services.ledger_model import House, Life, money
from tests.services.ledger_model_money import MICROSECOND, Books, Span

Rows = list[dict[str, Any]]
MILLISECOND = timedelta(milliseconds=1)
KIND = ("tenant", "tier", "model", "version", "recipe", "arm")
"""What patterns are grouped by."""


def kind_of_pattern(life: Life | None, *names: str) -> dict[str, Any]:
    """Fields of a pattern for a group; empty where nobody knows it."""
    return {name: (getattr(life.of, name) or "") if life else "" for name in names or KIND}


def patterns(house: House) -> Rows:
    """One row per pattern that our own events named."""
    books = Books(house)
    return [_pattern(life, key, books) for key, life in house.lives().items()]


COPIED = (
    "tenant", "request_id", "ordinal", "pattern_id", "session", "labels", "tier", "pool", "lattice",
    "repeat_width_um", "repeat_height_um", "canvas_width_px", "canvas_height_px", "model",
    "version", "recipe", "arm", "arm_probability", "epoch", "consent", "prompt_hash",
    "prompt_length", "requested_at",
)  # fmt: skip


def _pattern(life: Life, key: tuple[str, int], books: Books) -> dict[str, Any]:
    of, end, word = life.of, life.end, life.word
    shares = books.of(key)
    lost = [one for one in shares if life.kind_of(one.attempt) != "direct"]
    files = life.asset.files if life.asset else ()
    return {
        **{name: getattr(of, name) for name in COPIED},
        "variations": of.count,
        "experiment": of.experiment or "",
        "routed_at": life.routed_at,
        "generated_at": life.generated_at,
        "published_at": life.published_at,
        "failed_at": end.failed_at if end else None,
        "outcome": life.outcome,
        "failure_stage": end.stage if end else "",
        "failure_reason": end.reason if end else "",
        "failure_field": end.field if end else "",
        "attempt": life.attempt,
        "files": len(files),
        "files_bytes": sum(one.size_bytes for one in files),
        "verdict": life.verdict,
        "is_accepted": life.is_accepted,
        "judged_at": word.happened_at if word else None,
        "reasons": list(word.reasons) if word else [],
        "machine_us": sum(one.duration_us for one in shares),
        "waste_us": sum(one.duration_us for one in lost),
        "cost": books.direct_sum(shares),
        "waste_cost": books.direct_sum(lost),
        "currency": "EUR" if shares else "",
    }


def patterns_by_day(house: House) -> Rows:
    """The same in the order of days, without their ids."""
    books = Books(house)
    return [
        {
            "day": life.of.requested_at.date(),
            **kind_of_pattern(life, "tenant", "tier", "model", "version", "recipe", "experiment",
                              "arm"),
            "requested_at": life.of.requested_at, "routed_at": life.routed_at,
            "generated_at": life.generated_at, "published_at": life.published_at,
            "outcome": life.outcome, "attempt": life.attempt, "verdict": life.verdict,
            "is_accepted": life.is_accepted, "stored_bytes": life.bytes_made,
            "machine_us": sum(one.duration_us for one in books.of(key)),
        }
        for key, life in house.lives().items()
    ]  # fmt: skip


def requests(house: House) -> Rows:
    """One row per request of which a pattern is known."""
    groups: dict[str, list[Life]] = defaultdict(list)
    for life in house.lives().values():
        groups[life.of.request_id].append(life)
    rows = []
    for request_id, lives in groups.items():
        of, ends = lives[0].of, Counter(life.outcome for life in lives)
        published = [one.published_at for one in lives if one.published_at]
        rows.append({
            "tenant": of.tenant, "request_id": request_id, "session": of.session, "tier": of.tier,
            "requested_at": of.requested_at, "variations": of.count, "patterns": len(lives),
            "published": ends["published"], "open": ends["open"],
            "failed": len(lives) - ends["published"] - ends["open"],
            "last_published_at": max(published, default=None),
        })  # fmt: skip
    return rows


def refusals(house: House) -> Rows:
    """The latest refusal of each request that no routing has lifted since."""
    routed = {one.pattern.request_id for one, _ in house.good(PatternRouted)}
    latest: dict[str, PatternFailed] = {}
    for one, _ in sorted(house.good(PatternFailed), key=lambda pair: pair[0].failed_at):
        if one.pattern.ordinal == 0 and one.pattern.request_id not in routed:
            latest[one.pattern.request_id] = one
    return [
        {
            "tenant": one.pattern.tenant, "request_id": request_id, "refused_at": one.failed_at,
            "outcome": one.outcome, "reason": one.reason, "field": one.field,
            "broken_limit": one.limit,
        }
        for request_id, one in latest.items()
    ]  # fmt: skip


def spans_of(life: Life) -> dict[str, tuple[datetime, datetime]]:
    """Beginning and end of the stages that a pattern has passed."""
    ends = {
        "route": (life.of.requested_at, life.routed_at),
        "generate": (life.routed_at, life.generated_at),
        "finish": (life.generated_at, life.published_at),
        "total": (life.of.requested_at, life.published_at),
    }
    return {stage: (since, to) for stage, (since, to) in ends.items() if since and to}


def stage_latency(house: House) -> Rows:
    """One row per pattern and stage passed."""
    return [
        {
            **kind_of_pattern(life, "tenant", "tier", "model", "version", "recipe"),
            "pattern_id": life.of.pattern_id, "stage": stage, "started_at": since, "ended_at": to,
            "duration_us": (to - since) // MICROSECOND,
        }
        for life in house.lives().values()
        for stage, (since, to) in spans_of(life).items()
    ]  # fmt: skip


def costs(house: House) -> Rows:
    """One row per day, pattern, attempt, stage and price."""
    books, lives = Books(house), house.lives()
    rows: dict[Any, dict[str, Any]] = {}
    for share in books.shares:
        life, (day, stage, _, device) = lives.get(share.pattern), share.machine
        price = house.price(device, day)
        row = rows.setdefault((day, share.pattern, share.attempt, stage, price.price_id), {
            "day": day, "pattern_id": "{}.{}".format(*share.pattern), **kind_of_pattern(life),
            "attempt": share.attempt, "stage": stage, "device": device,
            "kind": life.kind_of(share.attempt) if life else "open", "duration_us": 0,
            "price_id": price.price_id, "price_per_hour": price.per_hour,
            "currency": price.currency,
        })  # fmt: skip
        row["duration_us"] += share.duration_us
        row["cost"] = money(books.direct(share.machine, row["duration_us"]))
    return list(rows.values())


def acceptance(house: House) -> Rows:
    """Published patterns by day of publication, and what people said of them."""
    groups: dict[Any, list[Life]] = defaultdict(list)
    for life in house.lives().values():
        if life.published_at:
            kind = kind_of_pattern(life)
            groups[life.published_at.date(), *kind.values()].append(life)
    rows = []
    for key, lives in groups.items():
        said = Counter(life.verdict for life in lives)
        rows.append({
            **dict(zip(("day", *KIND), key, strict=True)), "published": len(lives),
            "judged": len(lives) - said[""], "accepted": said["accepted"] + said["ordered"],
            "ordered": said["ordered"], "rejected": said["rejected"],
        })  # fmt: skip
    return rows


def verdicts(house: House) -> Rows:
    """Every word, whomever and whatever it is about."""
    return [
        {
            "tenant": one.tenant, "pattern_id": f"{one.request_id}.{one.ordinal}",
            "event_id": one.event_id, "kind": one.kind, "happened_at": one.happened_at,
            "reasons": list(one.reasons), "reviewer": one.reviewer,
        }
        for one, _ in house.good(FeedbackGiven)
    ]  # fmt: skip


def machine_time(house: House) -> Rows:
    """All spans by day, machine, model, state and price."""
    books = Books(house)
    rows: dict[Any, dict[str, Any]] = {}
    for span in books.spans:
        day, stage, pool, device = span.machine
        price = house.price(device, day)
        row = rows.setdefault((span.machine, span.model, span.version, span.state), {
            "day": day, "stage": stage, "pool": pool, "device": device, "model": span.model,
            "version": span.version, "state": span.state, "price_id": price.price_id,
            "currency": price.currency, "duration_us": 0, "forwards_us": 0, "parts_us": 0,
        })  # fmt: skip
        for name in ("duration_us", "forwards_us", "parts_us"):
            row[name] += getattr(span, name)
        row["cost"] = money(books.direct(span.machine, row["duration_us"]))
    return list(rows.values())


def prices(house: House) -> Rows:
    """The book."""
    names = ("price_id", "device", "pool", "valid_from", "per_hour", "currency")
    return [{name: getattr(one, name) for name in names} for one in house.book.entries]


def offsets(house: House) -> Rows:
    """The audit of every partition."""
    lines: dict[tuple[str, int], dict[int, tuple[str, datetime]]] = defaultdict(dict)
    for (topic, partition, offset), told in house.places.items():
        lines[topic, partition][offset] = told
    rows = []
    for (topic, partition), line in lines.items():
        named = [name for name, _ in line.values() if name]
        rows.append({
            "topic": topic, "partition": partition, "first_offset": min(line),
            "last_offset": max(line), "recorded": len(line),
            "missing": max(line) - min(line) + 1 - len(line),
            "doubled": len(named) - len(set(named)), "last_at": max(at for _, at in line.values()),
        })  # fmt: skip
    return rows


def quarantine(house: House) -> Rows:
    """What counts nowhere: refused events, words on what their tenant has not, or not yet."""
    rows = [
        _set_aside(record, heard.newest_at, field, limit)
        for record, heard, (field, limit) in house.bad()
    ]
    lives = house.lives()
    for word, heard in house.good(FeedbackGiven):
        about = lives.get((word.request_id, word.ordinal))
        is_own = about is not None and about.of.tenant == word.tenant
        if about is None or not is_own or not about.asset:
            limit = "a pattern with an asset" if is_own else "a pattern of this tenant"
            rows.append(_set_aside(word, heard.newest_at, "request_id", limit))
    return rows


def _set_aside(record: Any, at: datetime, field: str, limit: str) -> dict[str, Any]:
    of = getattr(record, "pattern", record)
    if isinstance(record, UsageMeasured):
        subject = f"{record.incarnation}/{record.interval}"
    else:
        subject = f"{of.request_id}.{of.ordinal}"
    return {
        "recorded_at": at, "record": type(record).__name__, "tenant": getattr(of, "tenant", ""),
        "subject_id": subject, "event_id": record.event_id, "field": field, "broken_limit": limit,
    }  # fmt: skip


def audit_forwards(house: House) -> Rows:
    """Nothing: what does not fit was set aside whole."""
    del house
    return []


def audit_states(house: House) -> Rows:
    """Workers with a hole, or whose states do not sum to their time, to a millisecond."""
    lives: dict[str, list[Span]] = defaultdict(list)
    for span in Books(house).spans:
        lives[span.told.incarnation].append(span)
    rows = []
    for incarnation, spans in lives.items():
        first = min(span.started_at for span in spans)
        provisioned_us = (max(span.ended_at for span in spans) - first) // MICROSECOND
        states_us = sum(span.duration_us for span in spans)
        numbers = {span.told.interval for span in spans} - {STOP_INTERVAL}
        missing = max(numbers, default=-1) + 1 - len(numbers)
        if missing or abs(provisioned_us - states_us) > 1000:
            last = max(span.started_at for span in spans)
            rows.append({
                "incarnation": incarnation, "worker": spans[0].told.worker, "first_at": first,
                "last_at": last - last.microsecond % 1000 * MICROSECOND,
                "provisioned_us": provisioned_us, "states_us": states_us, "missing": missing,
            })  # fmt: skip
    return rows


def model_book(house: House) -> Rows:
    """Every change."""
    names = ("family", "epoch", "kind", "changed_at", "version", "canary", "share", "experiment",
             "actor", "reason")  # fmt: skip
    return [{name: getattr(one, name) for name in names} for one in house.changes()]


MODELS: dict[str, Callable[[House], Rows]] = {
    one.__name__: one
    for one in (
        patterns, patterns_by_day, requests, refusals, stage_latency, costs, acceptance, verdicts,
        machine_time, prices, offsets, quarantine, audit_forwards, audit_states, model_book,
    )
}  # fmt: skip
