"""`heddle topics rights`: users and ACLs of the plan, on a Kafka broker that keeps both itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heddle import parts
from heddle.commands.shape import Commands, as_json, command, say, table, with_json
from schemas.errors import EXIT_USAGE, Unusable
from streams.kafka import plan, rights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heddle.settings import Settings

ROLES: Final = (*plan.STAGES, *plan.OTHERS)
SECRET_CHARACTERS_MIN: Final = 12
"""As for the ledger's passwords, where others than this machine can try them."""
SECRET_BYTES_MAX: Final = 4_096


def add(commands: Commands) -> None:
    """Beside plan, check and apply."""
    parser = with_json(
        command(
            commands,
            "rights",
            _rights,
            does="give each principal the planned ACLs, as somebody who may alter the cluster",
            example="heddle topics rights --as producer=shop --as consumer=shop --users /secrets",
        )
    )
    parser.add_argument(
        "--as",
        dest="principals",
        metavar="ROLE=PRINCIPAL",
        action="append",
        default=[],
        help="who has a role, where it is not one of its own name; repeat for more. Roles: "
        + ", ".join(ROLES),
    )
    parser.add_argument(
        "--users",
        type=Path,
        metavar="FOLDER",
        help="first enter a SCRAM-SHA-512 user for each FOLDER/NAME/password",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 where it is not as planned"
    )


def _rights(given: argparse.Namespace, settings: Settings) -> int:
    reach = parts.connection(settings)
    planned = plan.acls(settings["PREFIX"], intakes=list(parts.intakes(settings).tenants))
    wanted = rights.named(planned, _principals(given.principals))
    passwords = _passwords(given.users) if given.users else {}
    if given.check:
        found = rights.standing(reach, wanted, prefix=settings["PREFIX"])
    else:
        rights.enter_users(reach, passwords)
        found = rights.grant(reach, wanted, prefix=settings["PREFIX"])
    _tell(given, found, users=len(passwords))
    return 1 if given.check and (found.missing or found.beyond) else 0


def _principals(told: Sequence[str]) -> dict[str, list[str]]:
    """By role: who has it. Raises Unusable, naming what is wrong."""
    found: dict[str, list[str]] = {}
    for each in told:
        role, _, name = each.partition("=")
        if role not in ROLES or not name:
            line = f"--as {each}: ROLE=PRINCIPAL, where ROLE is one of {', '.join(ROLES)}"
            raise Unusable(line, exit_code=EXIT_USAGE)
        found.setdefault(role, []).append(name)
    return found


def _passwords(folder: Path) -> dict[str, str]:
    """By user. Raises Unusable for one that is short, or none at all."""
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*/password")):
        try:
            with file.open(encoding="utf-8") as opened:
                secret = opened.read(SECRET_BYTES_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(f"{file} cannot be read ({error})", exit_code=EXIT_USAGE) from error
        if len(secret) < SECRET_CHARACTERS_MIN:
            line = f"{file} holds fewer than {SECRET_CHARACTERS_MIN} characters"
            raise Unusable(line, exit_code=EXIT_USAGE)
        found[file.parent.name] = secret
    if not found:
        raise Unusable(f"--users: no {folder}/NAME/password is there", exit_code=EXIT_USAGE)
    return found


def _tell(given: argparse.Namespace, found: rights.Standing, *, users: int) -> None:
    rows = [
        (said, acl.stage, acl.operation, acl.resource, acl.name)
        for said, acls in (
            ("missing" if given.check else "made", found.missing),
            ("not planned", found.beyond),
        )
        for acl in acls
        # All that was made is what `heddle topics plan` prints: for people its number is enough.
        if given.check or given.json or said != "made"
    ]
    columns = ("is", "principal", "operation", "resource", "name")
    if given.json:
        as_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    if rows:
        table(columns, rows)
        say()
    counts = f"{len(found.there)} ACLs of the plan were there, {len(found.missing)} "
    say(
        (f"{users} users entered; " if users and not given.check else "")
        + counts
        + ("are missing" if given.check else "made")
        + f", {len(found.beyond)} others are not planned"
    )
