"""Prometheus in compose: it reaches every stage, and its alerts are ours.

Run by setup/demo-docker.sh while the composed line is up (HEDDLE_TEST_COMPOSED=1); else left out.
"""

from __future__ import annotations

import importlib
import json
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

yaml: Any = importlib.import_module("yaml")  # It ships no types.
RULES = Path(__file__).parents[2] / "docker/prometheus/alerts.yml"
UP_S_MAX = 90
pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("HEDDLE_TEST_COMPOSED"), reason="setup/demo-docker.sh runs these"
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
