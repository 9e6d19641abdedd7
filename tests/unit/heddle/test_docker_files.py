"""Dockerfile, locks and compose as text: what can be known without a daemon."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from heddle.commands.run import STAGES
from heddle.settings import SETTINGS
from schemas.metrics import METRICS

yaml: Any = importlib.import_module("yaml")  # It ships no types.
HOUSE = Path(__file__).parents[3]
DOCKER = HOUSE / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("name", ["river", "ledger", "gpu"])
def test_an_images_lock_is_part_of_the_house_lock(name: str) -> None:
    """Every version in an image is the one that the tests ran with; every package has hashes."""
    house = dict(PIN.findall((HOUSE / "requirements.lock").read_text()))
    text = (DOCKER / "locks" / f"{name}.lock").read_text()
    found = PIN.findall(text)
    assert found
    assert [pin for pin in found if house.get(pin[0]) != pin[1]] == []
    assert len(re.findall(r"^\S+==.*\\$", text, re.MULTILINE)) == len(found)
    assert "://" not in text


def test_torch_and_the_engine_are_where_they_belong() -> None:
    """river has neither torch nor ClickHouse, ledger no torch, gpu no ClickHouse."""
    names = {
        name: {pin[0] for pin in PIN.findall((DOCKER / "locks" / f"{name}.lock").read_text())}
        for name in ("river", "ledger", "gpu")
    }
    assert not {"torch", "chdb"} & names["river"]
    assert not {"torch", "diffusers"} & names["ledger"]
    assert "chdb" not in names["gpu"]
    assert all("pytest" not in each for each in names.values())


def test_the_dockerfile_stays_within_what_debians_builder_knows() -> None:
    """No heredoc, no COPY --link, no syntax line, ordinary tags, never root at the end."""
    text = (DOCKER / "Dockerfile").read_text()
    assert "# syntax" not in text
    assert "<<" not in text
    assert "--link" not in text
    assert "@sha256" not in text
    assert [line for line in text.splitlines() if line.startswith("USER")][-1] == "USER 10001:10001"


def test_compose_runs_every_stage_hardened() -> None:
    """Each stage is `heddle run STAGE` in core; all of ours are read-only, without capabilities."""
    services = COMPOSE["services"]
    assert "name" not in COMPOSE
    carried = {
        service["command"][1]
        for service in services.values()
        if service.get("command", [""])[0] == "run" and "core" in service["profiles"]
    }
    assert carried == set(STAGES)
    for name, service in services.items():
        if not service["image"].startswith(("heddle/river", "heddle/ledger", "heddle/gpu")):
            continue
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"] == "10001:10001", name
        assert not service.get("ports"), name
        assert "ulimits" not in service, name


def test_compose_sets_what_there_is() -> None:
    """Every HEDDLE_* in compose is a setting."""
    known = {f"HEDDLE_{setting.name}" for setting in SETTINGS}
    for service in COMPOSE["services"].values():
        told = {name for name in service.get("environment", {}) if name.startswith("HEDDLE_")}
        assert told <= known


def test_alerts_and_dashboards_ask_for_metrics_that_there_are() -> None:
    """Every heddle_* name in alerts and dashboards is one of schemas/metrics.py."""
    known = {metric.name for metric in METRICS}
    texts = [DOCKER / "prometheus/alerts.yml", *(DOCKER / "grafana/dashboards").glob("*.json")]
    for path in texts:
        names = set(re.findall(r"heddle_[a-z_]+", path.read_text()))
        asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
        assert asked
        assert asked <= known, path
    rules = yaml.safe_load((DOCKER / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    assert all({"alert", "expr", "labels", "annotations"} <= set(rule) for rule in rules)
