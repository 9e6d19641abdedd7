"""`heddle costs`: a tenant's bill of a month, for people, as JSON, or as a FOCUS file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from heddle.commands.sql import ledger_address
from heddle.stack.processes import LOCAL_TENANT

if TYPE_CHECKING:
    from decimal import Decimal

    from analytics.bill import Bill, Line
    from heddle.settings import Settings

COLUMNS: Final = (
    "tier", "model", "recipe", "seconds", "direct", "waste", "open", "load", "idle", "total",
)  # fmt: skip
COUNTED: Final = ("generated", "published", "accepted", "ordered")
"""What a cost is told per one of."""


def add(commands: Commands) -> None:
    """Ask what a month cost."""
    parser = command(
        commands,
        "costs",
        _costs,
        does="print a tenant's bill of a month, or write it as a FOCUS file",
        example="heddle costs --tenant acme --month 2026-11 --focus acme-2026-11.parquet",
    )
    parser.add_argument("--tenant", default=LOCAL_TENANT, help='one tenant; "" for everybody')
    parser.add_argument("--month", required=True, help="YYYY-MM, UTC")
    parser.add_argument(
        "--focus", type=Path, metavar="FILE", help="write FOCUS 1.2, .csv or .parquet"
    )
    with_json(parser)


def _costs(given: argparse.Namespace, settings: Settings) -> int:
    from analytics.bill import bill, month_of  # noqa: PLC0415 - loads the ClickHouse client

    address, month = ledger_address(settings), month_of(given.month)
    if given.focus is not None:
        from analytics.focus import VERSION, focus  # noqa: PLC0415

        form = given.focus.suffix.removeprefix(".")
        content = focus(address, tenant=given.tenant, month=month, form=form)
        given.focus.write_bytes(content)
        say(f"{given.focus}: FOCUS {VERSION}, {len(content)} bytes")
        return 0
    found = bill(address, tenant=given.tenant, month=month)
    if given.json:
        as_json(as_record(found))
    else:
        print_bill(found)
    return 0


def as_record(bill: Bill) -> dict[str, Any]:
    """Everything that is printed and more, money as text with all its decimals."""
    return {
        **dataclasses.asdict(bill),
        "lines": [{**dataclasses.asdict(line), "idle_cost": line.idle_cost} for line in bill.lines],
        "month": f"{bill.month:%Y-%m}",
        "cost": bill.cost,
        "loaded_cost": bill.loaded_cost,
        "total": bill.total,
        **{f"cost_per_{name}": bill.per(getattr(bill, name)) for name in COUNTED},
        **{
            f"loaded_cost_per_{name}": bill.per(getattr(bill, name), loaded=True)
            for name in COUNTED
        },
    }


def print_bill(bill: Bill) -> None:
    """For people: what, how long, what of it stands, what was waste, what idle."""
    whose, currency = bill.tenant or "all tenants", bill.currency or "no currency yet"
    say(f"{whose}, {bill.month:%B %Y} (UTC), in {currency}")
    say()
    columns = (
        "tier",
        "model",
        "recipe",
        "seconds",
        "direct",
        "waste",
        "open",
        "load",
        "idle",
        "total",
    )
    table(columns, [_cells(line) for line in bill.lines])
    say()
    say(f"machine time   {_money(bill.loaded_cost)}   of it at work {_money(bill.cost)}")
    say(f"files          {_money(bill.storage_cost)}   {bill.stored_bytes / 1e9:.3f} GB")
    say(f"total          {_money(bill.total)}")
    say()
    say(f"patterns asked for in the month: {bill.patterns}; what they have cost by now, per one")
    for name in COUNTED:
        count = getattr(bill, name)
        direct, loaded = bill.per(count), bill.per(count, loaded=True)
        if direct is not None and loaded is not None:
            say(f"  {name:<10} {count:>8}   {_money(direct)}   loaded {_money(loaded)}")
    if bill.refreshed_at is not None:
        say(f"as of {bill.refreshed_at:%Y-%m-%d %H:%M:%S} UTC")


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.tier or "?",
        f"{line.model}@{line.version}",
        line.recipe,
        f"{line.machine_us / 1e6:.1f}",
        _money(line.direct_cost),
        _money(line.waste_cost),
        _money(line.open_cost),
        _money(line.load_cost),
        _money(line.idle_cost),
        _money(line.loaded_cost),
    )


def _money(amount: Decimal) -> str:
    return f"{amount:>10.6f}"
