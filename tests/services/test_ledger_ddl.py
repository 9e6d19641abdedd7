"""`python -m analytics ddl`: what it prints makes a whole ledger, nothing is left to do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from analytics.migrate import migrations, split

CHILD = """
import json, sys
from pathlib import Path
from analytics.endpoint.engine import Engine
from analytics.endpoint.limits import Limits
from analytics.migrate import migrate, split

engine = Engine(Path(sys.argv[1]), Limits())
with engine.handle() as handle:
    for statement in split(sys.stdin.read()):
        handle.texts(statement)
    applied = migrate(handle.texts)
    schema = {
        "tables": handle.texts(
            "SELECT name, engine, create_table_query FROM system.tables"
            " WHERE database = 'heddle' ORDER BY name"),
        "columns": handle.texts(
            "SELECT table, position, name, type, default_kind, default_expression, comment"
            " FROM system.columns WHERE database = 'heddle' ORDER BY table, position"),
        "notes": handle.texts(
            "SELECT number, name, sha256 FROM heddle.migrations ORDER BY number"),
    }
engine.close()
print(json.dumps({"applied": applied, "schema": schema}))
"""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def printed(*words: str) -> str:
    """What an administrator gets."""
    done = subprocess.run(
        [sys.executable, "-m", "analytics", "ddl", *words],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def ledger_of(folder: Path, text: str) -> dict[str, Any]:
    """Run the text on a new embedded engine, migrate it, and look at what is there."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        input=text, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    # Tables behind a view have its id for a name and come and go as it is made anew.
    found["schema"] = {
        kind: [[_UUID.sub("id", cell) for cell in row] for row in rows if not _UUID.search(row[0])]
        for kind, rows in found["schema"].items()
    }
    return found


def test_the_printed_text_makes_a_ledger_on_which_nothing_is_left_to_do(tmp_path: Path) -> None:
    """On an empty engine, in the order printed: migrate applies nothing afterwards, and tables,
    views, columns and notes are those of a ledger that was migrated the usual way."""
    by_hand = ledger_of(tmp_path / "by hand", printed())
    usual = ledger_of(tmp_path / "usual", "")
    assert by_hand["applied"] == []
    assert usual["applied"] == [one.name for one in migrations()]
    assert len(usual["schema"]["tables"]) > 30
    assert by_hand["schema"] == usual["schema"]


def test_the_printed_text_for_a_cluster_is_the_same_work() -> None:
    """As many statements; each on the cluster but for the notes and other data."""
    plain, clustered = split(printed()), split(printed("--cluster", "main"))
    assert len(plain) == len(clustered)
    for one, other in zip(plain, clustered, strict=True):
        assert (one == other) == one.startswith("INSERT INTO")
        assert other.count(" ON CLUSTER 'main'") == (not one.startswith("INSERT INTO"))
