"""A ledger as an older Heddle left it: `python -m tests.services.ledger_older write FOLDER UNTIL`.

`... migrate FOLDER STATEMENT during|after` brings one up to date and dies on the way: by SIGKILL,
in the midst of the first statement that begins with STATEMENT, or right after it.
"""

# ruff: noqa: S608 - its SQL is put together from its own constants.

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from analytics.contract import FACTS
from analytics.endpoint.engine import Engine, Handle
from analytics.endpoint.limits import Limits
from analytics.migrate import migrate, script

PARTS_UNTIL = 8
"""The last migration that has machine time by parts of forwards; shares of patterns came after."""
DURING_S = 0.005
_MACHINE = (
    "event_id, incarnation, started_at, stage, pool, device, price_id, price_per_hour, currency"
)
_OF_MACHINE = (
    "'u', 'i', '2026-11-02 10:00:01', 'generate', 'small', 'cpu', 'cpu-2026', 0.048, 'EUR'"
)


def child(*words: str) -> int:
    """Run this module; its exit status, minus a signal's number."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.services.ledger_older", *words],
        cwd=Path(__file__).parents[2], capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def until(number: int) -> list[str]:
    """Statements that make the ledger of that migration, its notes included."""
    statements: list[str] = []
    for statement in script():
        statements.append(statement)
        if statement.startswith(
            f"INSERT INTO heddle.migrations (number, name, sha256) VALUES ({number},"
        ):
            return statements
    raise AssertionError(f"no migration {number}")


def rows(number: int) -> list[str]:
    """One pattern, published at its second attempt and accepted, with the machine time of both."""
    published = [
        "INSERT INTO heddle.raw_published (tenant, request_id, ordinal, event_id, _offset, tier,"
        " model, version, attempt, requested_at, generated_at, published_at, labels, files)"
        f" VALUES ('acme', 'old', 1, 'p', {offset}, 'draft', 'swatch', '1', 2,"
        " '2026-11-02 10:00:00', '2026-11-02 10:00:05', '2026-11-02 10:00:09',"
        " {'season': 'ss26'}, 3)"
        for offset in (1, 2)
    ]
    of_pattern = f"({_MACHINE}, request_id, ordinal, attempt, duration_us"
    if number <= PARTS_UNTIL:
        spent = [
            f"INSERT INTO heddle.usage_parts {of_pattern}, forward, part)"
            f" VALUES ({_OF_MACHINE}, 'old', 1, {attempt}, {us}, {forward}, 1)"
            for forward, attempt, us in ((1, 1, 75_000_000), (2, 2, 25_000_000), (3, 2, 50_000_000))
        ]
    else:
        spent = [
            f"INSERT INTO heddle.usage_shares {of_pattern})"
            f" VALUES ({_OF_MACHINE}, 'old', 1, {attempt}, 75000000)"
            for attempt in (1, 2)
        ]
    return [
        *published,
        "INSERT INTO heddle.raw_feedback (tenant, request_id, ordinal, event_id, kind, happened_at)"
        " VALUES ('acme', 'old', 1, 'f', 'accepted', '2026-11-02 11:00:00')",
        *spent,
        f"INSERT INTO heddle.raw_usage ({_MACHINE}, duration_us, state, forwards.kind,"
        " forwards.duration_us, forwards.parts, forwards.parts_us)"
        f" VALUES ({_OF_MACHINE}, 150000000, 'busy', ['denoise'], [150000000], [3], [150000000])",
    ]


def write(handle: Handle, number: int) -> None:
    """The older ledger, its rows, its facts; what it said of them itself."""
    for statement in [*until(number), *rows(number)]:
        handle.texts(statement)
    found = handle.texts("SELECT cost, waste_cost FROM heddle.patterns")
    assert found == [["0.002", "0.001"]], found
    there = handle.texts("SELECT name FROM system.tables WHERE database = 'heddle'")
    for name in FACTS:
        if [name] in there:
            handle.texts(f"SYSTEM REFRESH VIEW heddle.{name}")
            handle.texts(f"SYSTEM WAIT VIEW heddle.{name}")


def migrate_and_die(handle: Handle, start: str, moment: str) -> None:
    """Nothing comes after this."""

    def run(sql: str) -> Sequence[Sequence[object]]:
        is_here = sql.startswith(start)
        if is_here and moment == "during":
            threading.Timer(DURING_S, os.kill, (os.getpid(), signal.SIGKILL)).start()
        answer = handle.texts(sql)
        if is_here and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    migrate(run)
    raise AssertionError(f"no statement begins with {start}")


def main() -> None:
    what, folder, *words = sys.argv[1:]
    engine = Engine(Path(folder), Limits())
    with engine.handle() as handle:
        if what == "write":
            write(handle, int(words[0]))
        else:
            migrate_and_die(handle, *words)
    engine.close()


if __name__ == "__main__":
    main()
