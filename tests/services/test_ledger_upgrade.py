"""A ledger that an older Heddle wrote: its rows are in the new tables, every figure as it was."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from tests.services.ledger_child import running
from tests.services.ledger_lives import ask, hang_up, refresh

OLD = """
import sys
import chdb
from analytics.migrate import migrations
connection = chdb.connect(sys.argv[1])
run = connection.query
run("CREATE DATABASE heddle ENGINE = Atomic")
run("CREATE TABLE heddle.migrations (number UInt32, name String, sha256 String, applied_at "
    "DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree ORDER BY number")
for one in migrations()[:5]:
    for statement in one.statements:
        run(statement)
    run(f"INSERT INTO heddle.migrations (number, name, sha256) VALUES "
        f"({one.number}, '{one.name}', '{one.sha256}')")
for n in (1, 2):
    run("INSERT INTO heddle.raw_published (tenant, request_id, ordinal, event_id, _offset, tier,"
        " model, version, attempt, requested_at, generated_at, published_at, labels, files)"
        f" VALUES ('acme', 'old', 1, 'p', {n}, 'draft', 'swatch', '1', 2, '2026-11-02 10:00:00',"
        " '2026-11-02 10:00:05', '2026-11-02 10:00:09', {'season': 'ss26'}, 3)")
run("INSERT INTO heddle.raw_feedback (tenant, request_id, ordinal, event_id, kind, happened_at)"
    " VALUES ('acme', 'old', 1, 'f', 'accepted', '2026-11-02 11:00:00')")
for forward, attempt, us in ((1, 1, 75000000), (2, 2, 25000000), (3, 2, 50000000)):
    run("INSERT INTO heddle.usage_parts (event_id, forward, part, request_id, ordinal, attempt,"
        " duration_us, started_at, incarnation, stage, pool, device, price_id, price_per_hour,"
        f" currency) VALUES ('u', {forward}, 1, 'old', 1, {attempt}, {us}, '2026-11-02 10:00:01',"
        " 'i', 'generate', 'small', 'cpu', 'cpu-2026', 0.048, 'EUR')")
run("INSERT INTO heddle.raw_usage (event_id, incarnation, started_at, duration_us, state,"
    " forwards.kind, forwards.duration_us, forwards.parts, forwards.parts_us, price_id,"
    " price_per_hour, currency, stage, pool, device) VALUES ('u', 'i', '2026-11-02 10:00:01',"
    " 150000000, 'busy', ['denoise'], [150000000], [3], [150000000], 'cpu-2026', 0.048, 'EUR',"
    " 'generate', 'small', 'cpu')")
found = run("SELECT cost, waste_cost FROM heddle.patterns", "CSV").bytes().decode()
assert found == "0.002,0.001\\n", found
connection.close()
"""


def test_an_older_ledger_is_brought_up_to_date_with_every_figure(tmp_path: Path) -> None:
    """Patterns, costs, audits and facts of old rows; a second start changes nothing."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", OLD, str(folder)], capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    for _ in range(2):
        with running(folder) as ledger:
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
            hang_up()
