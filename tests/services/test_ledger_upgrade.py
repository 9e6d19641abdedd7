"""A ledger that an older Heddle wrote: its rows are in the new tables, every figure as it was."""

from __future__ import annotations

import signal
from decimal import Decimal
from pathlib import Path

import pytest

from analytics.migrate import migrations
from tests.services.ledger_child import Ledger, running
from tests.services.ledger_lives import ask, hang_up, refresh
from tests.services.ledger_older import child

DEATHS = (
    # Of 0006, while rows go once more through the new views, and when half of them have.
    ("INSERT INTO heddle.raw_published SELECT", "during"),
    ("INSERT INTO heddle.raw_published SELECT", "after"),
    # Of 0009, with everything done and nothing noted.
    ("DROP TABLE IF EXISTS heddle.usage_parts", "after"),
    # Of 0016, when the old facts are gone and the new ones not yet made.
    ("CREATE TABLE IF NOT EXISTS heddle.days_costs", "after"),
    # Of 0019, before its only view is made again.
    ("DROP TABLE IF EXISTS heddle.facts_lives", "after"),
)


def require_whole(ledger: Ledger) -> None:
    """Patterns, costs, audits and facts of the old rows, each once; every migration noted."""
    refresh(ledger)
    sql = "SELECT verdict, files, cost, waste_cost, labels['season'] AS s FROM patterns"
    assert ask(ledger, sql) == [
        {"verdict": "accepted", "files": 3, "cost": Decimal("0.002"),
         "waste_cost": Decimal("0.001"), "s": "ss26"}
    ]  # fmt: skip
    sql = "SELECT kind, duration_us FROM costs ORDER BY kind"
    told = [(row["kind"], row["duration_us"]) for row in ask(ledger, sql)]
    assert told == [("direct", 75_000_000), ("waste", 75_000_000)]
    assert ask(ledger, "SELECT * FROM audit_forwards") == []
    assert ask(ledger, "SELECT cost FROM daily_patterns") == [{"cost": Decimal("0.002")}]
    sql = "SELECT kind, duration_us FROM daily_costs ORDER BY kind"
    told = [(row["kind"], row["duration_us"]) for row in ask(ledger, sql)]
    assert told == [("direct", 75_000_000), ("waste", 75_000_000)]
    hang_up()
    client = ledger.client("writer")
    noted = client.query("SELECT number, name FROM heddle.migrations FINAL ORDER BY number")
    client.close()
    assert noted.result_rows == [(one.number, one.name) for one in migrations()]


@pytest.mark.parametrize(("until", "starts"), [(5, 2), (12, 1), (15, 1), (18, 1)])
def test_an_older_ledger_is_brought_up_to_date_with_every_figure(
    tmp_path: Path, until: int, starts: int
) -> None:
    """Of four ages, rows and facts in them; a second start changes nothing."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    assert child("write", str(folder), str(until)) == 0
    for _ in range(starts):
        with running(folder) as ledger:
            require_whole(ledger)


def test_a_migrator_that_is_killed_half_way_begins_again(tmp_path: Path) -> None:
    """Five times on one ledger, by SIGKILL, each a little further on; then a start brings it up to
    date with every row, and none twice."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    assert child("write", str(folder), "5") == 0
    for statement, moment in DEATHS:
        assert child("migrate", str(folder), statement, moment) == -signal.SIGKILL
    with running(folder) as ledger:
        require_whole(ledger)
