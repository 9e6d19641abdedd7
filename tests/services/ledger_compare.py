"""Every documented view beside its model: which rows and columns differ, in words."""

from __future__ import annotations

from collections import Counter
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
    "patterns_by_day": {"copied_at"},
}
"""Words for people, the clock of the making, and columns of rows that there must not be."""
SHOWN_MAX = 5
"""Differences told of one view."""


def differences(ledger: Ledger, house: House, *views: str) -> list[str]:
    """What the views (all of them by default) say that the model does not, and the reverse."""
    found = []
    for view in views or VIEWS:
        told = faults(ledger, house, view)
        found += told[:SHOWN_MAX]
        found += [f"{view}: {len(told) - SHOWN_MAX} more"] if len(told) > SHOWN_MAX else []
    return found


def faults(ledger: Ledger, house: House, view: str) -> list[str]:
    """The same of one view, all of them."""
    ignored = NOT_COMPARED.get(view, set())
    columns = [row["name"] for row in ask(ledger, f"DESCRIBE TABLE {view}")]
    got = _by_grain(view, ask(ledger, f"SELECT * FROM {view}"))  # noqa: S608 - of the contract.
    wanted = _by_grain(view, ALL_MODELS[view](house))
    told = [f"{view}: no row {key}" for key in wanted.keys() - got.keys()]
    told += [f"{view}: row {key} that should not be" for key in got.keys() - wanted.keys()]
    for key in wanted.keys() & got.keys():
        assert set(columns) == wanted[key].keys() | ignored, f"{view} has a column without a model"
        told += [
            f"{view} {key}: {name} is {got[key][name]!r}, should be {value!r}"
            for name, value in wanted[key].items()
            if not _fits(value, got[key][name])
        ]
    return told


def _by_grain(view: str, rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by what they are about, and by which of several of the like they are."""
    nth: Counter[tuple[Any, ...]] = Counter()
    found = {}
    for row in rows:
        key = tuple(row[name] for name in GRAINS[view])
        nth[key] += 1
        found[*key, nth[key]] = row
    return found


def _fits(wanted: Any, got: Any) -> bool:
    return wanted.holds(got) if isinstance(wanted, Within) else bool(wanted == got)
