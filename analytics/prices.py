"""The price book: what an hour of a device cost, since when. Pure; see `examples/prices.toml`.

Record prices every usage event as it writes it and stores id and price on the row, so that a later
entry never changes an old bill. Money is Decimal: floats are refused where the file is read.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected, Unusable

if TYPE_CHECKING:
    from collections.abc import Collection

PER_HOUR_MAX: Final = Decimal(1_000_000)
DECIMALS_MAX: Final = 9
STORAGE: Final = "storage"
"""Device of the entries that say what a terabyte on the shelf costs per hour."""
ENTRIES_MAX: Final = 1_000
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One dated entry."""

    price_id: str
    device: str
    """Shell pattern on the device's name; `*` is any."""
    pool: str
    """Shell pattern on the pool's name."""
    valid_from: datetime
    per_hour: Decimal
    """Of one device, at most 9 decimals, in `currency`."""
    currency: str
    """ISO 4217, one for the whole book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Of the entries that match, the most specific wins; of equals, the newest."""

    entries: tuple[Price, ...]

    def price_of(self, *, device: str, pool: str, at: datetime) -> Price:
        """The entry in force for a machine. Raises Rejected where none matches."""
        fitting = [
            one
            for one in self.entries
            if one.valid_from <= at
            and fnmatchcase(device, one.device)
            and fnmatchcase(pool, one.pool)
        ]
        if not fitting:
            raise Rejected(
                f"the price book has no entry for device {device!r}, pool {pool!r}, {at:%Y-%m-%d}",
                field="device",
                limit="an entry of the price book",
            )
        return max(fitting, key=lambda one: (_specific(one), one.valid_from))


def read_prices(text: str) -> PriceBook:
    """Parse the TOML of a price book. Raises Unusable, naming entry, field and limit."""
    try:
        # Decimals as written: a price must not pass through binary floats.
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"the price book is no TOML: {error}")
    entries = tuple(_entry(number, one) for number, one in enumerate(raw.get("price", []), 1))
    _check(entries)
    return PriceBook(entries=entries)


def check_noted(book: PriceBook, noted: Collection[Price], *, today: date) -> None:
    """Refuse a book that would change what an earlier one was applied to (`noted`, of a ledger).

    An entry may go or come, but never change under its id. Machine time keeps the price that was
    first applied; days of storage are priced when asked, so a new entry for them begins `today`
    (UTC) or later, unless this is the ledger's first book. Raises Unusable, naming the entry.
    """
    known = {one.price_id: one for one in noted}
    for entry in book.entries:
        before = known.get(entry.price_id)
        if before is None:
            if entry.device == STORAGE:
                _check_storage(entry, noted, today)
        elif changed := _changed(before, entry):
            raise Unusable(
                f"price book, {entry.price_id}: {changed} is not what was applied under this id; "
                "entries never change: give the new one an id and a date of its own"
            )
    for before in known.values():
        if before.currency != book.entries[0].currency:
            raise Unusable(
                f"price book: currency is {book.entries[0].currency}, and this ledger counts in "
                f"{before.currency}; a ledger keeps to one currency"
            )


def _check_storage(entry: Price, noted: Collection[Price], today: date) -> None:
    since = f"{entry.valid_from:%Y-%m-%d}"
    twins = [one.price_id for one in noted
             if (one.device, one.valid_from) == (STORAGE, entry.valid_from)]  # fmt: skip
    if twins:
        raise Unusable(
            f"price book, {entry.price_id}: {twins[0]} already prices storage from {since}; from "
            "must be another day"
        )
    if noted and entry.valid_from.date() < today:
        raise Unusable(
            f"price book, {entry.price_id}: from is {since}, and days of storage before today are "
            f"billed; from must be {today:%Y-%m-%d} or later"
        )


def _changed(before: Price, after: Price) -> str:
    """The first field that differs, as the book names it; empty for none."""
    names = {"device": "device", "pool": "pool", "valid_from": "from", "per_hour": "per_hour"}
    return next(
        (word for name, word in names.items() if getattr(before, name) != getattr(after, name)), ""
    )


def _entry(number: int, raw: dict[str, Any]) -> Price:
    def text(name: str, default: str | None = None) -> str:
        value = raw.get(name, default)
        if not isinstance(value, str) or not value:
            raise Unusable(f"price book, entry {number}: {name} must be a text")
        return value

    price_id, currency = text("id"), text("currency")
    if not _ID.fullmatch(price_id):
        raise Unusable(f"price book, entry {number}: id must be 1 to 64 of [A-Za-z0-9_.-]")
    if not _CURRENCY.fullmatch(currency):
        raise Unusable(f"price book, {price_id}: currency must be three capital letters")
    return Price(
        price_id=price_id,
        device=text("device", "*"),
        pool=text("pool", "*"),
        valid_from=_moment(price_id, raw.get("from")),
        per_hour=_money(price_id, raw.get("per_hour")),
        currency=currency,
    )


def _money(price_id: str, value: Any) -> Decimal:
    try:
        amount = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise Unusable(f"price book, {price_id}: per_hour must be a number")
    if not amount.is_finite() or not 0 <= amount <= PER_HOUR_MAX:
        raise Unusable(f"price book, {price_id}: per_hour must be 0 to {PER_HOUR_MAX}")
    if round(amount, DECIMALS_MAX) != amount:
        raise Unusable(f"price book, {price_id}: per_hour has more than {DECIMALS_MAX} decimals")
    return amount


def _moment(price_id: str, value: Any) -> datetime:
    # A day has one price of a machine: the ledger cuts intervals at midnight for this.
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    raise Unusable(f"price book, {price_id}: from must be a date, for example 2026-01-01")


def _check(entries: tuple[Price, ...]) -> None:
    if not 0 < len(entries) <= ENTRIES_MAX:
        raise Unusable(f"the price book must have 1 to {ENTRIES_MAX} [[price]] entries")
    ids = [one.price_id for one in entries]
    doubled = sorted({one for one in ids if ids.count(one) > 1})
    if doubled:
        raise Unusable(f"price book: id {doubled[0]} is used twice")
    machines = [(one.device, one.pool, one.valid_from) for one in entries]
    for number, one in enumerate(machines):
        if one in machines[:number]:
            first, second = entries[machines.index(one)].price_id, entries[number].price_id
            raise Unusable(
                f"price book: {first} and {second} are for the same device and pool from the same "
                "day; nobody could tell which is in force"
            )
    if len({one.currency for one in entries}) > 1:
        raise Unusable("the price book must keep to one currency")
    if not any(one.device == "*" and one.pool == "*" for one in entries):
        raise Unusable('the price book needs an entry for device = "*", pool = "*"')


def _specific(price: Price) -> tuple[int, int]:
    """More literal characters win; the device counts before the pool."""
    return len(price.device.replace("*", "")), len(price.pool.replace("*", ""))
