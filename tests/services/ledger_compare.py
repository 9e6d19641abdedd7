"""Every documented view beside its model: which rows and columns differ, in words."""

from __future__ import annotations

from typing import Any

from analytics.contract import VIEWS
from tests.services.ledger_child import Ledger
from tests.services.ledger_lives import ask
from tests.services.ledger_model import House, Within
from tests.services.ledger_model_days import DAILY, GRAINS
from tests.services.ledger_model_views import MODELS

ALL_MODELS = MODELS | DAILY
NOT_COMPARED = {
    "quarantine": {"reason"},
    "audit_forwards": {"worker", "started_at", "duration_us", "parts_us"},
    "daily_patterns": {"refreshed_at"},
    "daily_costs": {"refreshed_at"},
    "daily_machines": {"refreshed_at"},
    "daily_latency": {"refreshed_at"},
}
"""Words for people, the clock of the making, and columns of rows that there must not be."""
TOO_MANY = "rows that should not be"
WAITING = {
    "daily_patterns": {"judged", "accepted", "ordered", "turned_down"},
    "audit_states": {"provisioned_us", TOO_MANY},
}
"""Columns that are known to be wrong, and views with rows too many: each has a test in
`test_ledger_waiting` that fails for as long as it is, and must go from here with that."""
SHOWN_MAX = 5
"""Differences told of one view."""


def differences(ledger: Ledger, house: House, *views: str) -> list[str]:
    """What the views (all of them by default) say that the model does not, and the reverse."""
    found = []
    for view in views or VIEWS:
        told = _differences(ledger, house, view, WAITING.get(view, set()))
        found += told[:SHOWN_MAX]
        found += [f"{view}: {len(told) - SHOWN_MAX} more"] if len(told) > SHOWN_MAX else []
    return found


def faults(ledger: Ledger, house: House, view: str) -> list[str]:
    """The same of one view, those included that are waiting to be mended."""
    return _differences(ledger, house, view, set())


def _differences(ledger: Ledger, house: House, view: str, waiting: set[str]) -> list[str]:
    grain, ignored = GRAINS[view], NOT_COMPARED.get(view, set())
    columns = [row["name"] for row in ask(ledger, f"DESCRIBE TABLE {view}")]
    rows = ask(ledger, f"SELECT * FROM {view}")  # noqa: S608 - names of the contract.
    got = {tuple(row[name] for name in grain): row for row in rows}
    wanted = {tuple(row[name] for name in grain): row for row in ALL_MODELS[view](house)}
    told = [f"{view}: {len(rows) - len(got)} rows of one grain"] if len(rows) != len(got) else []
    told += [f"{view}: no row {key}" for key in wanted.keys() - got.keys()]
    if TOO_MANY not in waiting:
        told += [f"{view}: row {key} that should not be" for key in got.keys() - wanted.keys()]
    for key in wanted.keys() & got.keys():
        assert set(columns) == wanted[key].keys() | ignored, f"{view} has a column without a model"
        told += [
            f"{view} {key}: {name} is {got[key][name]!r}, should be {value!r}"
            for name, value in wanted[key].items()
            if name not in waiting and not _fits(value, got[key][name])
        ]
    return told


def _fits(wanted: Any, got: Any) -> bool:
    return wanted.holds(got) if isinstance(wanted, Within) else bool(wanted == got)
