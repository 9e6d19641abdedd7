"""What others may rely on: the database, its two users and the documented views.

Everything else in the database is hidden from readers and may change between versions.
"""

from __future__ import annotations

from typing import Final

DATABASE: Final = "heddle"
WRITER: Final = "heddle_writer"
"""May define tables and insert; `record` and migrations."""
READER: Final = "heddle_reader"
"""May select from `VIEWS`, nothing else; people, dashboards, `heddle sql`."""

VIEWS: Final = (
    "patterns",
    "patterns_by_day",
    "stage_latency",
    "costs",
    "acceptance",
    "requests",
    "refusals",
    "verdicts",
    "machine_time",
    "prices",
    "offsets",
    "quarantine",
    "audit_forwards",
    "audit_states",
    "daily_patterns",
    "daily_costs",
    "daily_machines",
    "daily_latency",
    "daily_storage",
    "model_book",
)
TENANT_VIEWS: Final = (
    "patterns",
    "patterns_by_day",
    "stage_latency",
    "costs",
    "acceptance",
    "requests",
    "refusals",
    "verdicts",
    "quarantine",
    "daily_patterns",
    "daily_costs",
    "daily_latency",
    "daily_storage",
)
"""Those with a column `tenant`, which is what a tenant's own reader sees, cut to that tenant."""
FACTS: Final = (
    "facts_machines",
    "facts_lives",
    "facts_costs",
    "facts_patterns",
    "facts_latency",
)
"""What the engine brings up to date on a timer, in the order in which one needs the other."""


def tenant_reader(tenant: str) -> str:
    """The user that sees one tenant's rows of `TENANT_VIEWS`, nothing else."""
    return f"{READER}_{tenant}"


SYSTEM_TABLES: Final = ("one", "settings", "databases", "tables", "columns")
"""What drivers read of `system` when they connect; the last three are cut to `VIEWS`."""
