"""`heddle run STAGE`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from heddle.commands.shape import Commands, command

if TYPE_CHECKING:
    from heddle.settings import Settings

STAGES = ("schema", "ledger", "route", "generate", "finish", "record", "live")


def add(commands: Commands) -> None:
    """One stage in the foreground."""
    parser = command(
        commands,
        "run",
        _run,
        does="run one stage in the foreground, as a container's first process",
        example="HEDDLE_BOOTSTRAP=broker:9092 HEDDLE_PORT=9100 heddle run route",
    )
    parser.add_argument("stage", choices=STAGES)


def _run(given: argparse.Namespace, settings: Settings) -> int:
    from heddle.run import run  # noqa: PLC0415 - the river's libraries load only here

    return run(given.stage, settings)
