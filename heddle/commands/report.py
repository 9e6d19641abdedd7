"""`heddle report --html FILE`: one page with plots, to read, mail or keep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heddle.commands.shape import Commands, command, say
from heddle.commands.sql import ledger_address
from schemas.errors import Rejected

if TYPE_CHECKING:
    from heddle.settings import Settings

DAYS: Final = 30


def add(commands: Commands) -> None:
    """Make a page of what the ledger knows."""
    parser = command(
        commands,
        "report",
        _report,
        does="write a page with plots: cost per pattern, acceptance, waste, latency, models",
        example="heddle report --html november.html --tenant acme --days 30",
    )
    parser.add_argument("--html", type=Path, required=True, metavar="FILE")
    parser.add_argument("--tenant", default="", help="one tenant; all where left out")
    parser.add_argument("--days", type=int, default=DAYS, help="how many UTC days, with today")


def _report(given: argparse.Namespace, settings: Settings) -> int:
    from analytics.report import DAYS_MAX, gather, page  # noqa: PLC0415 - loads the client

    if not 1 <= given.days <= DAYS_MAX:
        raise Rejected(f"{given.days} days", field="days", limit=f"1 to {DAYS_MAX}")
    text = page(gather(ledger_address(settings), tenant=given.tenant, days=given.days))
    given.html.write_text(text, encoding="utf-8")
    say(f"{given.html}: {len(text)} characters")
    return 0
