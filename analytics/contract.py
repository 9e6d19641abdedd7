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
)
SYSTEM_TABLES: Final = ("one", "settings", "databases", "tables", "columns")
"""What drivers read of `system` when they connect; the last three are cut to `VIEWS`."""
