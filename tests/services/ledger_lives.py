"""Lives of patterns for the tests of the ledger: how to write them, and to ask for them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from analytics.ask import sql_of
from analytics.contract import FACTS
from analytics.link import Address, Link
from analytics.prices import read_prices
from analytics.sink import Sink
from schemas.records import Record
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
