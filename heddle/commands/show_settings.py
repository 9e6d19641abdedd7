"""`heddle settings`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from heddle.commands.shape import Commands, as_json, command, records, table, with_json

if TYPE_CHECKING:
    from heddle.settings import Settings

COLUMNS = ("setting", "value", "source")


def add(commands: Commands) -> None:
    """Every setting, secrets hidden."""
    parser = command(
        commands,
        "settings",
        _settings,
        does="print every setting with its source; secrets are hidden",
        example="heddle settings --json",
    )
    with_json(parser)


def _settings(given: argparse.Namespace, settings: Settings) -> int:
    rows = settings.shown()
    if given.json:
        as_json(records(COLUMNS, rows))
    else:
        table(COLUMNS, rows)
    return 0
