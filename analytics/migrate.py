"""Forward-only migrations: numbered SQL files, each applied once, in order.

A file holds statements separated by lines that are `;` at their end; a statement must be safe to
run again (IF NOT EXISTS, OR REPLACE), because ClickHouse has no transactions around DDL: a runner
that dies between a statement and its note runs the file again. Two runners at once do the same work
twice and end in the same place. A file that was changed after it was applied is refused.
`script` is the same work as text, for an administrator who runs it on an empty server.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from schemas.errors import Unusable

from .contract import DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAME: Final = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
_NOTES: Final = f"{DATABASE}.migrations"
CLUSTER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CREATED: Final = re.compile(
    r"^(?:CREATE (?:(?:DATABASE|TABLE|MATERIALIZED VIEW) IF NOT EXISTS|OR REPLACE VIEW)"
    r"|ALTER TABLE|DROP TABLE IF EXISTS) [\w.]+"
)
_ENGINE: Final = re.compile(r"ENGINE = (\w*MergeTree)")
_REFRESHED: Final = re.compile(r"^REFRESH (?:AFTER|EVERY) ", re.MULTILINE)
_PREPARE: Final = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic",
    f"CREATE TABLE IF NOT EXISTS {_NOTES} (number UInt32, name String, sha256 String, "
    "applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) "
    "ENGINE = ReplacingMergeTree ORDER BY number SETTINGS fsync_after_insert = 1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file."""

    number: int
    name: str
    sha256: str
    statements: tuple[str, ...]


def migrations() -> tuple[Migration, ...]:
    """All files of `ddl/`, ascending."""
    found = []
    for entry in files(__package__).joinpath("ddl").iterdir():
        if match := _NAME.fullmatch(entry.name):
            text = entry.read_text(encoding="utf-8")
            found.append(
                Migration(
                    number=int(match["number"]),
                    name=entry.name,
                    sha256=hashlib.sha256(text.encode()).hexdigest(),
                    statements=split(text),
                )
            )
    return tuple(sorted(found, key=lambda one: one.number))


def split(text: str) -> tuple[str, ...]:
    """Statements of a file: a line that ends with `;` ends one. Whole-line comments are dropped."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    parts = (part.strip() for part in re.split(r";[ \t]*$", kept, flags=re.MULTILINE))
    return tuple(part for part in parts if part)


def rendered(statement: str, *, cluster: str = "") -> str:
    """The statement for a cluster of servers: replicated tables, everything ON CLUSTER.

    Without a cluster the statement is as it stands, for the embedded engine and for one server.
    Two kinds stay as they are: data are inserted once and replicate by themselves, and what is made
    anew on a timer is made by every replica from its own copy (the engine allows no other way).
    """
    if not cluster:
        return statement
    if not CLUSTER.fullmatch(cluster):
        raise Unusable(f"cluster {cluster!r} is no name: letters, digits, _ and - only")
    placed = _CREATED.sub(rf"\g<0> ON CLUSTER '{cluster}'", statement, count=1)
    if _REFRESHED.search(statement):
        return placed
    return _ENGINE.sub(r"ENGINE = Replicated\g<1>", placed, count=1)


def migrate(
    execute: Callable[[str], Sequence[Sequence[object]]], *, cluster: str = ""
) -> tuple[str, ...]:
    """Bring the database up to date; the names of the files applied now.

    `execute` runs one statement and returns rows. Raises Unusable where the database is newer than
    this code, a file is not what was applied, or replicated tables would be changed on one server
    alone.
    """
    for statement in _prepared(cluster):
        execute(statement)
    if cluster:
        # Another replica may have noted a migration that this one has not heard of yet.
        execute(f"SYSTEM SYNC REPLICA {_NOTES}")
    known = migrations()
    applied = _applied(execute)
    _check(known, applied)
    due = [migration for migration in known if migration.number not in applied]
    if due and not cluster and _is_replicated(execute):
        raise Unusable(
            f"the ledger's tables are replicated and {due[0].name} is due: HEDDLE_LEDGER_CLUSTER "
            "must name their cluster, or one server alone would change"
        )
    for migration in due:
        for statement in _steps(migration, cluster):
            execute(statement)
    return tuple(migration.name for migration in due)


def script(*, cluster: str = "") -> tuple[str, ...]:
    """All that `migrate` runs on an empty server, in its order and with its notes: a `migrate`
    with the same cluster afterwards finds nothing to do."""
    steps = (statement for one in migrations() for statement in _steps(one, cluster))
    return (*_prepared(cluster), *steps)


def _prepared(cluster: str) -> tuple[str, ...]:
    return tuple(rendered(statement, cluster=cluster) for statement in _PREPARE)


def _steps(migration: Migration, cluster: str) -> tuple[str, ...]:
    """Its statements, and last the note that it was applied."""
    note = (
        f"INSERT INTO {_NOTES} (number, name, sha256) VALUES "  # noqa: S608 - own names.
        f"({migration.number}, '{migration.name}', '{migration.sha256}')"
    )
    return (*(rendered(one, cluster=cluster) for one in migration.statements), note)


def _applied(execute: Callable[[str], Sequence[Sequence[object]]]) -> dict[int, str]:
    rows = execute(f"SELECT number, sha256 FROM {_NOTES} FINAL ORDER BY number")  # noqa: S608
    return {int(str(number)): str(sha256) for number, sha256 in rows}


def _is_replicated(execute: Callable[[str], Sequence[Sequence[object]]]) -> bool:
    database, name = _NOTES.split(".")
    rows = execute(
        f"SELECT engine FROM system.tables WHERE database = '{database}' AND name = '{name}'"  # noqa: S608
    )
    return any(str(engine).startswith("Replicated") for (engine,) in rows)


def _check(known: Sequence[Migration], applied: dict[int, str]) -> None:
    newest = max((one.number for one in known), default=0)
    if applied and max(applied) > newest:
        raise Unusable(
            f"the ledger was written by a newer Heddle (migration {max(applied)}; this one knows "
            f"{newest}); run that one, or move the ledger's folder away and replay the topics"
        )
    for migration in known:
        if migration.number in applied and applied[migration.number] != migration.sha256:
            raise Unusable(
                f"{migration.name} is not the file that was applied to this ledger; applied files "
                "never change: restore it and write a new one"
            )
