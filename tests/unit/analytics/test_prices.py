"""The price book: the right entry for a machine and a day, and clear words for a wrong book."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from analytics.prices import check_noted, read_prices
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
        (entry("x", **{"from": "2020-01-01"}), "any and x are for the same device and pool"),
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


SHELF = entry("shelf", device='"storage"', per_hour="0.03")
TODAY = at(2026, 11, 30).date()


def test_a_noted_book_may_grow_and_shrink() -> None:
    """New machines and prices come, old ones go: neither changes what was applied."""
    noted = read_prices(entry("old")).entries
    check_noted(read_prices(entry("new")), noted, today=TODAY)
    check_noted(read_prices(entry("old")), noted, today=TODAY)
    later = entry("shelf", device='"storage"', **{"from": "2026-11-30"})
    check_noted(read_prices(later), noted, today=TODAY)


def test_a_first_book_may_price_days_that_are_over() -> None:
    """Nothing was billed yet, as in a ledger that is built again from the topics."""
    check_noted(read_prices(SHELF), (), today=TODAY)


@pytest.mark.parametrize(
    ("noted", "book", "complaint"),
    [
        (entry("x"), entry("x", per_hour="1.6"), "x: per_hour is not what was applied"),
        (entry("x"), entry("x", **{"from": "2026-02-01"}), "x: from is not"),
        (entry("x"), entry("x", device='"cpu"'), "x: device is not"),
        (entry("x"), entry("x", pool='"big"'), "x: pool is not"),
        (ANY, SHELF, "shelf: from is 2026-01-01.*must be 2026-11-30 or later"),
        (
            entry("shelf", device='"storage"', **{"from": "2026-12-01"}),
            entry("rack", device='"storage"', **{"from": "2026-12-01"}),
            "rack: shelf already prices storage from 2026-12-01",
        ),
        (ANY, ANY.replace("any", "usd").replace("EUR", "USD"), "currency is USD.*counts in EUR"),
    ],
)
def test_a_book_that_would_change_old_bills_is_refused(
    noted: str, book: str, complaint: str
) -> None:
    """With the entry and what to do, before anything is priced by it."""
    with pytest.raises(Unusable, match=complaint):
        check_noted(read_prices(book), read_prices(noted).entries, today=TODAY)
