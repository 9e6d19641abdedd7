"""A house's random lives, woven from one seed: every record, and where in which topic it lies.

Two tenants, several requests of several patterns, every way to end, words of every kind, machines
(`ledger_woven_machines`), a pattern book, refusals, bad events, tombstones. `weave` gives a log as
a broker keeps it: doubled records at offsets of their own, holes, partitions by key. `batches`
hands it out as a stage does on bad days: late, in any order, ranges again in other pieces.

It knows nothing of what is true about the log; that is `ledger_model`'s.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from schemas.records import (
    CancelRequested,
    FeedbackGiven,
    Pattern,
    PatternFailed,
    Record,
    RegistryChanged,
    RequestCompleted,
    TenantChanged,
)
from tests.services.ledger_weaver import FIRST, Row, Weaver
from tests.services.ledger_woven_machines import weave_machines
from tests.unit.analytics import events

REQUESTS = 6
ENDS = ("published", "published", "published", "rejected", "failed", "cancelled", "expired", "open")
KINDS = ("accepted", "rejected", "ordered", "withdrawn")
REASONS = ("colour off", "scale", 'seam "visible"\nat the edge', "zu groß")


def weave(name: str, seed: int) -> list[Row]:
    """The log of a house whose ids all begin with `name`."""
    weaver = Weaver(name, seed)
    patterns = [of for number in range(REQUESTS) for of in _request(weaver, number)]
    _refused(weaver)
    _words_on_nothing(weaver, patterns[0])
    weave_machines(weaver, patterns)
    _books(weaver)
    for topic in ("patterns.published", "patterns.feedback"):
        weaver.tell(topic, patterns[0].request_id, None, FIRST)
    return _log(weaver)


def batches(log: list[Row], draw: Random, *, size_max: int = 60) -> list[list[Row]]:
    """The log in pieces and in any order, some ranges of a partition a second time."""
    again = []
    for _ in range(3):
        _, topic, partition, _, _ = draw.choice(log)
        range_of = [row for row in log if row[1:3] == (topic, partition)]
        again += range_of[draw.randrange(len(range_of)) :]
    rows = log + again
    draw.shuffle(rows)
    pieces = []
    while rows:
        cut = draw.randint(1, size_max)
        pieces.append(rows[:cut])
        rows = rows[cut:]
    return pieces


def _request(weaver: Weaver, number: int) -> list[Pattern]:
    """One request with its patterns and their lives."""
    draw = weaver.draw
    count = draw.randint(1, 4)
    asked = FIRST + timedelta(milliseconds=draw.randrange(60 * 3_600_000))
    base = events.pattern(
        f"{weaver.name}-{number}", 1, count=count, tenant=draw.choice(weaver.tenants),
        session=draw.choice([None, "s1"]), labels=draw.choice([{}, {"season": "ss27", "x": "'\\"}]),
        tier=draw.choice(["draft", "premium"]), model=draw.choice(["swatch", "other"]),
        version=draw.choice(["1", "2"]), recipe=draw.choice(["wallpaper", "web"]),
        experiment=draw.choice([None, "e1"]), arm=draw.choice(["stable", "canary"]),
        arm_probability=draw.choice([0.05, 0.95]), epoch=draw.randint(0, 9),
        consent=weaver.chance(0.5), requested_at=asked,
    )  # fmt: skip
    wish = events.requested(base.request_id, variations=count, tenant=base.tenant)
    weaver.tell("patterns.requested", base.request_id, wish, asked)
    is_refused_first = weaver.chance(0.3)
    if is_refused_first:
        _refuse(weaver, base, asked)
    patterns = [replace(base, ordinal=ordinal) for ordinal in range(1, count + 1)]
    for of in patterns:
        _live(weaver, of, is_routed=is_refused_first or weaver.chance(0.9))
    _around(weaver, patterns)
    return patterns


def _live(weaver: Weaver, of: Pattern, *, is_routed: bool) -> None:
    """From routing to an end, or not; without its routing where that was too old to be read."""
    end, key = weaver.draw.choice(ENDS), of.request_id
    routed_at = weaver.later(of.requested_at, 20)
    if is_routed or end == "open":
        weaver.tell(f"patterns.routed.{of.tier}", key, events.routed(of), routed_at)
    attempt = weaver.draw.randint(1, 3)
    # A worker's clock may be an hour behind the broker's.
    made_at = weaver.later(routed_at - timedelta(hours=1) * weaver.chance(0.1), 900)
    if end == "published" or weaver.chance(0.3):
        tile = events.generated(of, attempt=attempt, generated_at=made_at)
        weaver.tell("patterns.generated", key, tile, weaver.later(made_at, 1))
    published_at = weaver.later(made_at, 60)
    if end == "published":
        cpu_us = weaver.draw.choice([0, weaver.draw.randint(1, 90_000_000)])
        asset = events.published(
            of, attempt=attempt, generated_at=made_at, published_at=published_at, cpu_us=cpu_us
        )
        weaver.tell("patterns.published", key, asset, weaver.later(published_at, 1))
    is_superseded = end == "published" and weaver.chance(0.3)
    if is_superseded or end not in ("published", "open"):
        _fail(weaver, of, "failed" if end == "published" else end, made_at)
    _words(weaver, of, made_at, published_at)


def _fail(weaver: Weaver, of: Pattern, outcome: str, at: datetime) -> None:
    """At a gate of either stage; finishing may have been done, and failed, twice."""
    stage = weaver.draw.choice(["generate", "finish"])
    cpu_us = weaver.draw.randint(0, 90_000_000) if stage == "finish" else 0
    first = PatternFailed(
        event_id=f"{of.pattern_id}/{stage}/failed", pattern=of, stage=stage, outcome=outcome,
        reason=f"a seam is {weaver.draw.random():.3f}\tµm 'wide'", field="seam_p", limit="1.0",
        failed_at=weaver.later(at, 30), cpu_us=cpu_us,
    )  # fmt: skip
    weaver.tell("patterns.failed", of.request_id, first, first.failed_at)
    if weaver.chance(0.3):
        again = replace(first, failed_at=weaver.later(first.failed_at, 90), cpu_us=cpu_us // 2)
        weaver.tell("patterns.failed", of.request_id, again, again.failed_at)


def _words(weaver: Weaver, of: Pattern, made_at: datetime, published_at: datetime) -> None:
    """Before and after the files, two of one moment, some of a stranger."""
    at = weaver.later(made_at, 10)
    for _ in range(weaver.draw.choice([0, 1, 1, 2, 4])):
        tenant = of.tenant if weaver.chance(0.8) else "stranger"
        weaver.tell("patterns.feedback", of.request_id, _word(weaver, of, tenant, at), at)
        at = weaver.draw.choice([at, weaver.later(published_at, 90_000)])


def _word(weaver: Weaver, of: Pattern, tenant: str, at: datetime) -> FeedbackGiven:
    return FeedbackGiven(
        event_id=f"{weaver.name}/word/{next(weaver.numbers)}", request_id=of.request_id,
        ordinal=of.ordinal, tenant=tenant, kind=weaver.draw.choice(KINDS), happened_at=at,
        reasons=tuple(weaver.draw.sample(REASONS, weaver.draw.randint(0, 2))),
        reviewer=weaver.draw.choice([None, "p-17"]),
    )  # fmt: skip


def _words_on_nothing(weaver: Weaver, of: Pattern) -> None:
    """On patterns that nobody knows, and words that say nothing the house understands."""
    nobody = replace(of, request_id=f"{weaver.name}-nobody")
    beyond = replace(of, ordinal=60)
    for one in (nobody, beyond):
        weaver.tell("patterns.feedback", one.request_id,
                    _word(weaver, one, of.tenant, FIRST), FIRST)  # fmt: skip
    good = _word(weaver, of, of.tenant, FIRST)
    for number, given in enumerate((
        {"kind": "praised"}, {"ordinal": 0}, {"happened_at": FIRST + timedelta(hours=1)},
    )):  # fmt: skip
        bad = replace(good, event_id=f"{weaver.name}/bad word/{number}", **given)
        weaver.tell("patterns.feedback", of.request_id, bad, FIRST)
    _ahead(weaver, of)
    cpu = events.published(replace(of, request_id=f"{weaver.name}-cpu"), cpu_us=10**12)
    cpu = replace(cpu, event_id=f"{weaver.name}/cpu", generated_at=FIRST, published_at=FIRST)
    weaver.tell("patterns.published", cpu.pattern.request_id, cpu, FIRST)
    odd = replace(events.routed(replace(of, request_id=f"{weaver.name}-odd")), seed=-1)
    weaver.tell(f"patterns.routed.{of.tier}", odd.pattern.request_id, odd, FIRST)


def _ahead(weaver: Weaver, of: Pattern) -> None:
    """Results of a worker whose clock is an hour ahead of the broker's."""
    one, later = replace(of, request_id=f"{weaver.name}-ahead"), FIRST + timedelta(hours=1)
    for topic, record in (
        ("generated", events.generated(one, generated_at=later)),
        ("published", events.published(one, generated_at=FIRST, published_at=later)),
        ("failed", events.failed(one, failed_at=later)),
    ):
        weaver.tell(f"patterns.{topic}", one.request_id, record, FIRST)


def _refused(weaver: Weaver) -> None:
    """Requests that never became patterns."""
    for number in range(2):
        base = events.pattern(f"{weaver.name}-refused{number}", tenant=weaver.tenants[number])
        _refuse(weaver, base, FIRST + timedelta(hours=number))


def _refuse(weaver: Weaver, base: Pattern, at: datetime) -> None:
    """Before the split, once or, after a replay, again."""
    of = replace(base, ordinal=0, count=0)
    outcome = weaver.draw.choice(["rejected", "expired", "cancelled"])
    refused = PatternFailed(
        event_id=f"{of.pattern_id}/route/failed", pattern=of, stage="route", outcome=outcome,
        reason="too wide", field="repeat.width_um", limit="2000000", failed_at=weaver.later(at, 5),
    )  # fmt: skip
    again = replace(refused, failed_at=weaver.later(refused.failed_at, 600), reason="still so")
    for one in (refused, again) if weaver.chance(0.5) else (refused,):
        weaver.tell("patterns.failed", of.request_id, one, one.failed_at)


def _around(weaver: Weaver, patterns: list[Pattern]) -> None:
    """What no view but the audit of offsets speaks of."""
    of, at = patterns[0], weaver.later(patterns[0].requested_at, 2_000)
    weaver.tell("patterns.cancel-requested", of.request_id, CancelRequested(
        event_id=f"{of.request_id}/cancel", request_id=of.request_id, tenant=of.tenant,
        happened_at=at), at)  # fmt: skip
    weaver.tell("patterns.completed", of.request_id, RequestCompleted(
        event_id=f"{of.request_id}/done", request_id=of.request_id, tenant=of.tenant,
        count=of.count, published=tuple(one.ordinal for one in patterns), failed=(), cancelled=(),
        expired=(), completed_at=at), at)  # fmt: skip


def _books(weaver: Weaver) -> None:
    """The pattern book and the tenants."""
    family = f"{weaver.name}-swatch"
    for epoch in range(4):
        at = FIRST + timedelta(hours=epoch)
        change = RegistryChanged(
            event_id=f"{family}/{epoch}", family=family, epoch=epoch,
            kind="alias-moved" if epoch else "version-registered", changed_at=at,
            version=str(epoch), canary=weaver.draw.choice([None, "9"]),
            share=weaver.draw.choice([0.0, 0.05]), salt="secret", actor="kim",
            experiment=weaver.draw.choice([None, "e1"]), reason=f"because of {epoch}",
        )  # fmt: skip
        weaver.tell("registry.events", f"{family}/{epoch}", change, at)
    tenant = weaver.tenants[0]
    weaver.tell("tenants.events", tenant, TenantChanged(
        event_id=f"{tenant}/t", tenant=tenant, changed_at=FIRST), FIRST)  # fmt: skip


def _log(weaver: Weaver) -> list[Row]:
    """Two partitions of each topic, with holes, and some records a second time further on."""
    draw = weaver.draw
    lines: dict[tuple[str, int], list[tuple[Record | None, datetime]]] = defaultdict(list)
    for topic, key, record, at in weaver.told:
        lines[topic, zlib.crc32(key.encode()) % 2].append((record, weaver.later(at, 1)))
    log: list[Row] = []
    for (topic, partition), told in sorted(lines.items()):
        told.sort(key=lambda one: one[1])
        told += [
            (record, weaver.later(max(at, told[-1][1]), 60))
            for record, at in told
            if weaver.chance(0.15)
        ]
        offset = draw.randrange(1_000)
        for record, at in told:
            offset += 1 + weaver.chance(0.1) * draw.randint(1, 3)
            log.append((record, topic, partition, offset, at))
    return log
