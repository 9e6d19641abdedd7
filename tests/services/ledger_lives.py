"""Lives of patterns for the ledger's tests: how to write them, ask for them, and their truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from analytics.ask import sql_of
from analytics.contract import FACTS
from analytics.link import Address, Link
from analytics.prices import read_prices
from analytics.sink import Sink
from schemas.records import Pattern, Record
from tests.services.ledger_child import READER_PASSWORD, WRITER_PASSWORD, Ledger
from tests.unit.analytics import events
from tests.unit.analytics.events import at, pattern

BOOK = read_prices(Path("examples/prices.toml").read_text(encoding="utf-8"))
CPU = Decimal("0.048")
LINKS: dict[int, Link] = {}
"""One line per ledger: a new one asks for all settings first."""


def hang_up() -> None:
    """Close every line."""
    for link in LINKS.values():
        link.close()
    LINKS.clear()


def writer(ledger: Ledger) -> Sink:
    return Sink(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD, prices=BOOK)


def ask(ledger: Ledger, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    if ledger.port not in LINKS:
        LINKS[ledger.port] = Link(reading(ledger))
    columns, rows = LINKS[ledger.port].rows(sql_of(sql), parameters)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def reading(ledger: Ledger) -> Address:
    return Address(url=ledger.url, user="heddle_reader", password=READER_PASSWORD)


def write(sink: Sink, records: list[Record], start: int = 0, topic: str = "t") -> None:
    sink.write([(one, topic, 0, start + n, at(200)) for n, one in enumerate(records)])


def refresh(ledger: Ledger) -> None:
    """Make the daily facts anew, now, as the engine does by itself every half minute."""
    link = Link(Address(url=ledger.url, user="heddle_writer", password=WRITER_PASSWORD))
    for name in FACTS:
        # The one that may be under way began before the rows that a test has written.
        link.execute(f"SYSTEM WAIT VIEW heddle.{name}")
        link.execute(f"SYSTEM REFRESH VIEW heddle.{name}")
        link.execute(f"SYSTEM WAIT VIEW heddle.{name}")
    link.close()


def story(request_id: str) -> list[Record]:
    """Two patterns: one made at the second attempt, published and accepted; one failed."""
    one, two = pattern(request_id, 1), pattern(request_id, 2)
    return [
        events.requested(request_id, variations=2),
        events.routed(one),
        events.routed(two),
        events.usage({(f"{request_id}.1", 1): 3_000_000, (f"{request_id}.2", 1): 1_000_000},
                     event_id=f"{request_id}/0"),
        events.usage({(f"{request_id}.1", 2): 2_000_000}, seconds=20, event_id=f"{request_id}/1"),
        events.generated(one, attempt=2),
        events.failed(two),
        events.published(one, attempt=2),
        events.feedback(one, "rejected", 90),
        events.feedback(one, "accepted", 120),
    ]  # fmt: skip


@dataclass
class Truth:
    """What a plain model of one pattern says."""

    published: bool = False
    failed: bool = False
    words: dict[tuple[datetime, str], str] = field(default_factory=dict)
    used_us: dict[tuple[str, int], int] = field(default_factory=dict)
    passing: int = 0


def told(of: Pattern, draw: Any) -> tuple[list[Record], Truth]:
    """A random life of one pattern, and the truth about it."""
    truth = Truth()
    records: list[Record] = [events.routed(of)]
    for interval in range(draw(st.integers(0, 3))):
        attempt, us = draw(st.integers(1, 2)), draw(st.integers(0, 5_000_000))
        name = f"{of.pattern_id}/{interval}"
        records.append(events.usage({(of.pattern_id, attempt): us}, event_id=name))
        truth.used_us[name, attempt] = us
    if draw(st.booleans()):
        truth.passing = draw(st.integers(1, 2))
        records.append(events.generated(of, attempt=truth.passing))
        if draw(st.booleans()):
            truth.published = True
            truth.used_us["finish", truth.passing] = 99
            records.append(events.published(of, attempt=truth.passing))
    if draw(st.booleans()):
        truth.failed = True
        refused_us = draw(st.integers(0, 5_000_000))
        truth.used_us["refused", 0] = refused_us
        records.append(events.failed(of, cpu_us=refused_us))
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["accepted", "rejected", "ordered", "withdrawn"]))
        word = events.feedback(of, kind, draw(st.integers(10, 200)))
        records.append(word)
        truth.words[word.happened_at, word.event_id] = kind
    return records, truth
