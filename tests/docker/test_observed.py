"""Prometheus in compose: it reaches every stage, its alerts are ours, our panels have figures.

Run by setup/demo-docker.sh once the demo went through the composed line
(HEDDLE_TEST_COMPOSED=core); else left out. Grafana itself is not run: each query that its
dashboards would put is put here, those to the ledger in tests/services/test_ledger_answers.py.
"""

from __future__ import annotations

import importlib
import json
import os
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

yaml: Any = importlib.import_module("yaml")  # It ships no types.
DOCKER = Path(__file__).parents[2] / "docker"
RULES = DOCKER / "prometheus/alerts.yml"
PANELS = json.loads((DOCKER / "grafana/dashboards/heddle.json").read_text())["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]
MAY_BE_EMPTY = (
    "heddle_dead_letters_total",
    "heddle_tiles_made_again_total",
    "heddle_retries_total",
)
"""Counters that a demo without trouble never begins."""
UP_S_MAX = 90
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("HEDDLE_TEST_COMPOSED") != "core", reason="setup/demo-docker.sh runs these"
    ),
    pytest.mark.timeout(200),
]


def asked(path: str) -> Any:
    """What Prometheus answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}", timeout=5) as answer:
        return json.loads(answer.read())["data"]


def test_every_target_is_up() -> None:
    """Each stage and the ledger answer /metrics over compose's network."""
    began_s = time.monotonic()
    down = {"everything"}
    while down and time.monotonic() - began_s < UP_S_MAX:
        try:
            found = asked("targets")["activeTargets"]
            down = {one["labels"]["instance"] for one in found if one["health"] != "up"}
        except OSError as error:
            down = {str(error)}
        time.sleep(0.5)
    assert not down


def test_the_alerts_are_loaded() -> None:
    """All of them, evaluated without an error, none of them firing."""
    rules = [rule for group in asked("rules")["groups"] for rule in group["rules"]]
    told = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in told}
    assert all(rule["health"] != "err" and rule["state"] != "firing" for rule in rules), rules


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_has_figures(query: str) -> None:
    """Each query of the dashboard is understood and, after a demo, answered with series."""
    began_s = time.monotonic()
    found: list[Any] = []
    # A rate needs two scrapes.
    while not found and time.monotonic() - began_s < UP_S_MAX:
        answer = asked(f"query?query={urllib.parse.quote(query)}")
        assert answer["resultType"] == "vector"
        found = answer["result"]
        if any(name in query for name in MAY_BE_EMPTY):
            return
        time.sleep(0.5)
    assert found, query
