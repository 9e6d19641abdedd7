"""Dockerfile, locks and compose as text: what can be known without a daemon."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from analytics.endpoint import gauges
from heddle.commands.run import STAGES
from heddle.settings import SETTINGS
from schemas.metrics import METRICS
from streams.kafka import plan

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
    for profile in ("core", "tls"):
        carried = {
            service["command"][1]
            for service in services.values()
            if service.get("command", [""])[0] == "run" and profile in service["profiles"]
        }
        assert carried == set(STAGES), profile
    for name, service in services.items():
        if not service["image"].startswith(("heddle/river", "heddle/ledger", "heddle/gpu")):
            continue
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"] == "10001:10001", name
        assert not service.get("ports"), name
        assert "ulimits" not in service, name


def test_compose_up_without_a_profile_is_core() -> None:
    """Every service has a profile, and .env beside the file names the one that is meant."""
    assert "COMPOSE_PROFILES=core\n" in (DOCKER / ".env").read_text()
    assert all(service["profiles"] for service in COMPOSE["services"].values())


def test_compose_sets_what_there_is() -> None:
    """Every HEDDLE_* in compose is a setting."""
    known = {f"HEDDLE_{setting.name}" for setting in SETTINGS}
    ours = [one for one in COMPOSE["services"].values() if one["image"].startswith("heddle/")]
    for service in ours:
        told = {name for name in service.get("environment", {}) if name.startswith("HEDDLE_")}
        assert {name for name in told if not name.startswith("HEDDLE_KAFKA_")} <= known


def test_in_tls_each_stage_is_a_user_who_sees_its_own_secret_alone() -> None:
    """One user a stage, its own volume read-only; secrets come from files, and whoever makes them
    makes one for each user; whoever enters them gets all."""
    services = COMPOSE["services"]
    users = (*plan.STAGES, "operator")
    for stage in plan.STAGES:
        service = services[f"{stage}-tls"]
        told = service["environment"]
        assert told["HEDDLE_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
        assert told["HEDDLE_KAFKA_SASL_MECHANISM"] == "SCRAM-SHA-512"
        assert told["HEDDLE_KAFKA_SASL_USERNAME"] == stage
        assert set(service["volumes"]) == {"trust:/trust:ro", f"secret-{stage}:/secret:ro"}
        assert set(service["depends_on"]) >= {"rights-tls"}
    made = set(services["secrets-tls"]["volumes"])
    assert {f"secret-{user}:/made/users/{user}" for user in users} == {
        one for one in made if "/made/users/" in one
    }
    entered = set(services["rights-tls"]["volumes"])
    assert {f"secret-{user}:/users/{user}:ro" for user in users} <= entered
    plain = re.compile(r"SASL_PASSWORD|KEYSTORE_PASSWORD|JAAS")
    for name, service in services.items():
        for setting in service.get("environment", {}):
            assert not plain.search(setting) or setting.endswith("_FILE"), (name, setting)


def test_every_volume_that_is_named_is_declared_and_used() -> None:
    """A typo here would be an empty folder there."""
    named = {
        volume.partition(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
        if volume[0] not in "./$"
    }
    assert named == set(COMPOSE["volumes"])


def test_images_and_chart_have_the_version_of_the_house() -> None:
    """One number: pyproject.toml, the Dockerfile's label, the chart and the tag it takes."""
    version = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in (DOCKER / "Dockerfile").read_text()
    chart = HOUSE / "deploy" / "helm" / "heddle"
    assert yaml.safe_load((chart / "Chart.yaml").read_text())["appVersion"] == version
    assert yaml.safe_load((chart / "values.yaml").read_text())["image"]["tag"] == version


def test_alerts_and_dashboards_ask_for_metrics_that_there_are() -> None:
    """Every heddle_* name in alerts and dashboards is a metric of the stages or of the ledger."""
    known = {metric.name for metric in (*METRICS, *gauges.METRICS)}
    texts = [DOCKER / "prometheus/alerts.yml", *(DOCKER / "grafana/dashboards").glob("*.json")]
    for path in texts:
        names = set(re.findall(r"heddle_[a-z_]+", path.read_text()))
        asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
        assert asked
        assert asked <= known, path
    rules = yaml.safe_load((DOCKER / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    assert all({"alert", "expr", "labels", "annotations"} <= set(rule) for rule in rules)


def test_prometheus_asks_every_stage_and_the_ledger() -> None:
    """Its targets are services of compose, each on the port on which it answers."""
    config = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text())
    targets = set(config["scrape_configs"][0]["static_configs"][0]["targets"])
    assert targets == {f"{stage}:{8123 if stage == 'ledger' else 9100}" for stage in STAGES}
    assert set(config["rule_files"]) <= {path.name for path in (DOCKER / "prometheus").iterdir()}


def mounted(service: str) -> dict[str, Path]:
    """Places in a container, and what lies there."""
    words = [volume.split(":") for volume in COMPOSE["services"][service]["volumes"]]
    return {inside: (DOCKER / outside).resolve() for outside, inside, _ in words}


def test_grafana_is_given_every_dashboard_and_every_source_they_name() -> None:
    """What compose mounts is there; each panel's datasource is provisioned; no two are alike."""
    given = mounted("grafana")
    assert all(path.exists() for path in given.values())
    sources, boards, providers = set(), [], []
    for inside, path in given.items():
        if "/provisioning/datasources/" in inside:
            sources |= {each["uid"] for each in yaml.safe_load(path.read_text())["datasources"]}
        elif "/provisioning/dashboards/" in inside:
            providers += yaml.safe_load(path.read_text())["providers"]
        else:
            assert inside.startswith(providers[0]["options"]["path"] + "/")
            boards += [json.loads(file.read_text()) for file in path.glob("*.json")]
    assert len(providers) == 1
    assert len({board["uid"] for board in boards}) == len(boards) == 2
    named = {
        target["datasource"]["uid"]
        for board in boards
        for panel in board["panels"]
        for target in (panel, *panel.get("targets", []))
        if "datasource" in target
    }
    assert named == sources == {"prometheus", "heddle-ledger"}
    told = COMPOSE["services"]["grafana"]["environment"]
    ledger = given["/etc/grafana/provisioning/datasources/heddle.yaml"].read_text()
    assert set(re.findall(r"\$\{(\w+)\}", ledger)) <= set(told)
