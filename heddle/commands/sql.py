"""`heddle sql QUESTION`: SQL, or the name of a question that is asked often."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from heddle.commands.shape import Commands, as_json, command, records, table, with_json

if TYPE_CHECKING:
    from analytics.ask import Answer
    from analytics.link import Address
    from heddle.settings import Settings


def add(commands: Commands) -> None:
    """Ask the ledger."""
    parser = command(
        commands,
        "sql",
        _sql,
        does="ask the ledger in SQL, or by the name of a known question",
        example="heddle sql 'SELECT tier, count() FROM patterns GROUP BY tier'",
    )
    parser.add_argument("question", help="SQL, or a name such as cost_per_pattern_by_tier")
    with_json(parser)


def _sql(given: argparse.Namespace, settings: Settings) -> int:
    found = ask_ledger(settings, given.question)
    if given.json:
        as_json(records(found.columns, found.rows))
    else:
        table(found.columns, found.rows)
    return 0


def ask_ledger(settings: Settings, question: str, **parameters: str) -> Answer:
    """The ledger's answer, as a reader; `parameters` fill `{name:Type}`.

    Raises Rejected, Transient, Unusable.
    """
    from analytics.ask import answer  # noqa: PLC0415 - loads the ClickHouse client

    return answer(ledger_address(settings), question, parameters or None)


def ledger_address(settings: Settings) -> Address:
    """Where the ledger is, as the reader that the settings name. Raises Unusable."""
    from analytics.link import Address  # noqa: PLC0415

    return Address(
        url=settings.required("LEDGER_URL"),
        user=settings.required("LEDGER_USER"),
        password=settings.required("LEDGER_READER_PASSWORD"),
    )
