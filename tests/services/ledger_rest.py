"""The views that the patterns' own tests leave out, against the same plain model of the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from schemas.records import FeedbackGiven, Pattern, Record, UsageMeasured
from tests.services.ledger_child import Ledger
from tests.services.ledger_lives import Truth, ask

Life = tuple[Pattern, list[Record], Truth]
STORED_BYTES = 4_000
"""Tile and files of a published pattern of `tests.unit.analytics.events`."""


def machine_us(ledger: Ledger) -> tuple[int, int]:
    """All machine time so far, and what of it was split over patterns."""
    sql = "SELECT sum(f.duration_us) AS us, sum(f.parts_us) AS parts FROM machine_time AS f"
    found = ask(ledger, sql)[0]
    return found["us"], found["parts"]


def check_rest(ledger: Ledger, name: str, lives: Sequence[Life], before: tuple[int, int]) -> None:
    """Requests, words, acceptance, machine time, storage, quarantine and audits of one tenant.

    `name` is the tenant's; `before` is `machine_us` before its records were written.
    """
    check_requests(ledger, name, lives)
    check_words(ledger, name, lives)
    used = {one.event_id: one for _, records, _ in lives for one in records
            if isinstance(one, UsageMeasured)}.values()  # fmt: skip
    now = machine_us(ledger)
    assert now[0] - before[0] == sum(one.duration_us for one in used)
    assert now[1] - before[1] == sum(f.duration_us for one in used for f in one.forwards)
    check_storage(ledger, name, lives)
    waiting = {one.event_id for _, records, truth in lives if not truth.published
               for one in records if isinstance(one, FeedbackGiven)}  # fmt: skip
    found = ask(ledger, "SELECT event_id FROM quarantine WHERE tenant = {n:String}", n=name)
    assert sorted(row["event_id"] for row in found) == sorted(waiting)
    audit = "SELECT * FROM audit_forwards WHERE startsWith(event_id, {n:String})"
    assert ask(ledger, audit, n=name) == []


def check_requests(ledger: Ledger, name: str, lives: Sequence[Life]) -> None:
    """Here each request has one pattern."""
    sql = (
        "SELECT request_id, patterns, published, failed, open FROM requests"
        " WHERE tenant = {t:String}"
    )
    wanted = {
        of.request_id: (1, truth.published, truth.failed and not truth.published,
                        not truth.failed and not truth.published)
        for of, _, truth in lives
    }  # fmt: skip
    found = ask(ledger, sql, t=name)
    assert {row["request_id"]: tuple(row.values())[1:] for row in found} == wanted


def check_words(ledger: Ledger, name: str, lives: Sequence[Life]) -> None:
    """Every word once, and what of published patterns stands at last."""
    words = {one.event_id for _, records, _ in lives for one in records
             if isinstance(one, FeedbackGiven)}  # fmt: skip
    found = ask(ledger, "SELECT event_id FROM verdicts WHERE tenant = {t:String}", t=name)
    assert sorted(row["event_id"] for row in found) == sorted(words)
    model: Counter[str] = Counter()
    for _, _, truth in lives:
        if truth.published:
            word = truth.words[max(truth.words)] if truth.words else ""
            model["published"] += 1
            model["judged"] += word in ("accepted", "ordered", "rejected")
            model["accepted"] += word in ("accepted", "ordered")
            model["ordered"] += word == "ordered"
            model["rejected"] += word == "rejected"
    columns = ("published", "judged", "accepted", "ordered", "rejected")
    sums = ", ".join(f"sum(f.{one}) AS {one}_sum" for one in columns)
    sql = f"SELECT {sums} FROM acceptance AS f WHERE tenant = {{t:String}}"  # noqa: S608
    assert tuple(ask(ledger, sql, t=name)[0].values()) == tuple(model[one] for one in columns)


def check_storage(ledger: Ledger, name: str, lives: Sequence[Life]) -> None:
    """What lay there yesterday: every day's files are still there on the next."""
    yesterday = datetime.now(UTC).date().toordinal() - 1
    published = sum(
        truth.published and of.requested_at.date().toordinal() <= yesterday
        for of, _, truth in lives
    )
    sql = (
        "SELECT stored_bytes FROM daily_storage WHERE tenant = {t:String} ORDER BY day DESC LIMIT 1"
    )
    found = ask(ledger, sql, t=name)
    assert found == ([{"stored_bytes": STORED_BYTES * published}] if published else [])
