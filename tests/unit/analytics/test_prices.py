"""The price book: the right entry for a machine and a day, and clear words for a wrong book."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from analytics.prices import read_prices
from schemas.errors import Rejected, Unusable

ANY = '[[price]]\nid = "any"\nfrom = 2020-01-01\nper_hour = 0.1\ncurrency = "EUR"\n'


def entry(price_id: str, **given: str) -> str:
    fields = {"from": "2026-01-01", "per_hour": "1.5", "currency": '"EUR"', **given}
    lines = [f"{name} = {value}" for name, value in fields.items()]
    return "\n".join([ANY, "[[price]]", f'id = "{price_id}"', *lines, ""])


def at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_the_newest_entry_in_force_is_taken() -> None:
    """A price begins on its day at midnight UTC, not before."""
    book = read_prices(entry("later", **{"from": "2026-06-01"}))
    assert book.price_of(device="cpu", pool="p", at=at(2026, 5, 31)).price_id == "any"
    assert book.price_of(device="cpu", pool="p", at=at(2026, 6, 1)).price_id == "later"


def test_the_most_specific_entry_wins() -> None:
    """Device before pool, and both before the catch-all, however new that is."""
    book = read_prices(entry("l4", device='"*L4*"') + entry("pool", pool='"big"')[len(ANY) :])
    assert book.price_of(device="NVIDIA L4", pool="big", at=at(2026)).price_id == "l4"
    assert book.price_of(device="cpu", pool="big", at=at(2026)).price_id == "pool"
    assert book.price_of(device="cpu", pool="small", at=at(2026)).price_id == "any"


def test_money_is_read_as_written() -> None:
    """0.1 is a tenth, not the nearest binary fraction."""
    book = read_prices(ANY)
    assert book.entries[0].per_hour == Decimal("0.1")


def test_a_machine_before_the_book_has_no_price() -> None:
    """Nothing is ever free by accident: the event is refused, with its day."""
    with pytest.raises(Rejected, match="2019"):
        read_prices(ANY).price_of(device="cpu", pool="p", at=at(2019))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1 to"),
        ("[[price", "no TOML"),
        (entry("any"), "used twice"),
        (entry("a b"), "id must be"),
        (entry("x", currency='"euro"'), "three capital letters"),
        (entry("x", currency='"USD"'), "one currency"),
        (entry("x", per_hour="-1"), "per_hour must be"),
        (entry("x", per_hour="nan"), "per_hour must be"),
        (entry("x", per_hour='"dear"'), "must be a number"),
        (entry("x", per_hour="0.0000000001"), "more than 9 decimals"),
        (entry("x", **{"from": '"soon"'}), "must be a date"),
        (entry("x", **{"from": "2026-01-01T12:00:00Z"}), "must be a date"),
        (ANY.replace('id = "any"', 'id = "any"\ndevice = "cpu"'), "needs an entry for device"),
    ],
)
def test_a_wrong_book_is_refused_with_its_place(text: str, complaint: str) -> None:
    """The message names entry and field, before anything is priced by it."""
    with pytest.raises(Unusable, match=complaint):
        read_prices(text)
