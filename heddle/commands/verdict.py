"""`heddle verdict PATTERN accept|reject|order|withdraw`: a person's word."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from heddle.commands import counter
from heddle.commands.shape import Commands, as_json, command, say, with_json
from heddle.stack.processes import LOCAL_TENANT

if TYPE_CHECKING:
    from heddle.settings import Settings

KINDS: Final = {
    "accept": "accepted",
    "reject": "rejected",
    "order": "ordered",
    "withdraw": "withdrawn",
}


def add(commands: Commands) -> None:
    """Say what a person thinks of a pattern."""
    parser = command(
        commands,
        "verdict",
        _verdict,
        does="give a person's word on one pattern",
        example="heddle verdict 7f6d1c1e-0a5b-4c57-9d3e-0d1f7a9b2c34.1 reject --reason 'too busy'",
    )
    parser.add_argument("pattern", help="request_id.ordinal")
    parser.add_argument("word", choices=sorted(KINDS))
    parser.add_argument("--reason", action="append", default=[])
    parser.add_argument("--tenant", default=LOCAL_TENANT)
    parser.add_argument("--reviewer", help="a pseudonym")
    with_json(parser)


def _verdict(given: argparse.Namespace, settings: Settings) -> int:
    with counter.heddle(settings) as house:
        house.feedback(
            given.pattern,
            KINDS[given.word],
            tenant=given.tenant,
            reasons=given.reason,
            reviewer=given.reviewer,
        )
    if given.json:
        as_json({"pattern": given.pattern, "kind": KINDS[given.word], "reasons": given.reason})
    else:
        say(f"{given.pattern}: {KINDS[given.word]}")
    return 0
