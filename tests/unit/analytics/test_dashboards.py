"""The dashboard's file is what the code says, and names nothing but the contract."""

from __future__ import annotations

import json
import re
from pathlib import Path

from analytics.contract import VIEWS
from analytics.dashboards import COLUMNS, GROUPS, SOURCE, dashboard

FOLDER = Path("analytics/grafana")


def test_the_file_is_what_the_code_writes() -> None:
    """`python -m analytics dashboard > analytics/grafana/dashboards/heddle.json` after a change."""
    assert (FOLDER / "dashboards/heddle.json").read_text(encoding="utf-8") == dashboard()


def test_there_are_seven_groups_of_panels_side_by_side() -> None:
    """Ids are unique, panels do not overlap, every one asks the provisioned source."""
    panels = json.loads(dashboard())["panels"]
    assert len(GROUPS) == 7
    assert [one["title"] for one in panels if one["type"] == "row"] == [name for name, _ in GROUPS]
    assert len({one["id"] for one in panels}) == len(panels)
    taken = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len(set(taken)) == len(taken)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= COLUMNS for p in panels)
    assert all(p["datasource"] == SOURCE for p in panels if p["type"] != "row")
    source = (FOLDER / "provisioning/datasources/heddle.yaml").read_text(encoding="utf-8")
    assert f"uid: {SOURCE['uid']}" in source
    assert f"type: {SOURCE['type']}" in source


def test_queries_read_documented_views_alone() -> None:
    """What is promised to others is promised to the dashboard."""
    for _, group in GROUPS:
        for panel in group:
            read = set(re.findall(r"\bFROM (\w+)", panel.sql))
            assert read
            assert read <= set(VIEWS)
