"""The Helm chart: what it renders is valid, and keeps the promises of docs/deploy.md.

Needs helm and the Kubernetes schemas (`setup/helm.sh`); left out, with the reason, where they are
not to be had.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from heddle.settings import SETTINGS

yaml: Any = importlib.import_module("yaml")  # It ships no types.
HOUSE = Path(__file__).parents[2]
CHART = HOUSE / "deploy" / "helm" / "heddle"
HELM = shutil.which("helm") or str(HOUSE / ".parts" / "bin" / "helm")
SCHEMAS = HOUSE / ".parts" / "chart-tests"
KUBERNETES = "1.33"
FOREIGN = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
"""By API version: where its models are, made from the vendors' own definitions."""
STAGES = {"route", "generate", "finish", "record", "live", "schema"}
VARIANTS: dict[str, tuple[str, ...]] = {
    "as it comes": (),
    "a ClickHouse server": ("ledger.url=https://clickhouse:8443", "ledger.cluster=main"),
    "mutual TLS": (
        "kafka.securityProtocol=SSL",
        "kafka.clientCertificateSecret=heddle-{stage}-tls",
    ),
    "an open broker, a prefix": (
        "kafka.securityProtocol=PLAINTEXT",
        "kafka.bootstrap=kafka:9092",
        "prefix=eu",
        "keda.enabled=false",
        "podMonitor.enabled=true",
    ),
}

pytestmark = pytest.mark.skipif(
    not Path(HELM).exists(), reason="no helm here: setup/helm.sh builds one where Go is"
)


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    return subprocess.run([HELM, *words], capture_output=True, text=True, timeout=60, check=False)


@cache
def rendered(settings: Sequence[str]) -> list[dict[str, Any]]:
    """Every object of the chart."""
    given = [word for each in settings for word in ("--set", each)]
    done = helm("template", "t", str(CHART), "--kube-version", f"{KUBERNETES}.0", *given)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of(kind: str, settings: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Objects of one kind by name without the release."""
    found = (one for one in rendered(tuple(settings)) if one["kind"] == kind)
    return {one["metadata"]["name"].removeprefix("t-"): one for one in found}


def pods(settings: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Pod specs by name."""
    made = of("Deployment", settings) | of("StatefulSet", settings)
    return {name: one["spec"]["template"]["spec"] for name, one in made.items()}


def test_the_chart_passes_lint() -> None:
    """`helm lint --strict` has nothing to say."""
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_every_object_is_what_kubernetes_expects(settings: tuple[str, ...]) -> None:
    """Each rendered object passes the schema of its kind, unknown fields refused: those of
    Kubernetes, of KEDA 2.16 and of the Prometheus operator."""
    if not (SCHEMAS / "cloudcoil").exists():
        pytest.skip("no Kubernetes schemas here: setup/helm.sh installs them")
    sys.path.append(str(SCHEMAS))
    try:
        check = importlib.import_module("kubernetes_validate")
        counts = {"own": 0, "foreign": 0}
        for one in rendered(settings):
            model = FOREIGN.get(one["apiVersion"])
            counts["foreign" if model else "own"] += 1
            if model:
                _require_valid(one, getattr(importlib.import_module(model), one["kind"]))
            else:
                check.validate(one, KUBERNETES, strict=True)
        assert counts["own"] >= 20
        assert counts["foreign"] >= 1
    finally:
        sys.path.remove(str(SCHEMAS))


def _require_valid(one: dict[str, Any], model: Any) -> None:
    """The model refuses wrong types and passes over unknown fields: those do not come back."""
    read = model.model_validate(one)
    assert read.model_dump(by_alias=True, exclude_unset=True, mode="json") == one


def test_a_wrong_scaled_object_would_be_found() -> None:
    """The check of foreign kinds sees a missing field, a wrong type and an unknown field."""
    if not (SCHEMAS / "cloudcoil").exists():
        pytest.skip("no Kubernetes schemas here: setup/helm.sh installs them")
    sys.path.append(str(SCHEMAS))
    try:
        model = importlib.import_module(FOREIGN["keda.sh/v1alpha1"]).ScaledObject
        good = next(iter(of("ScaledObject").values()))
        _require_valid(good, model)
        for change in ({"triggers": None}, {"maxReplicaCount": "many"}, {"coolDown": 3}):
            with pytest.raises((ValueError, AssertionError)):
                _require_valid(good | {"spec": good["spec"] | change}, model)
    finally:
        sys.path.remove(str(SCHEMAS))


def test_keda_scales_each_stage_on_its_own_lag() -> None:
    """route, generate and finish: one trigger a topic, the stage's group, bounds, credentials by
    reference; live and schema are not scaled."""
    scaled = of("ScaledObject")
    assert set(scaled) == {"route", "generate", "finish"}
    assert set(of("ScaledObject", VARIANTS["a ClickHouse server"])) == {*scaled, "record"}
    for stage, one in scaled.items():
        spec = one["spec"]
        assert set(spec) <= {
            "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval",
            "cooldownPeriod", "advanced", "triggers",
        }  # fmt: skip
        assert spec["scaleTargetRef"]["name"] == f"t-{stage}"
        assert 0 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
        for trigger in spec["triggers"]:
            assert trigger["type"] == "kafka"
            assert trigger["authenticationRef"]["name"] in {
                f"t-{n}" for n in of("TriggerAuthentication")
            }
            told = trigger["metadata"]
            assert all(isinstance(value, str) for value in told.values())
            assert told["consumerGroup"] == f"heddle.{stage}"
            assert told["offsetResetPolicy"] == "earliest"
    assert len(scaled["generate"]["spec"]["triggers"]) == 3


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_pods_drain_and_may_do_nothing_else(settings: tuple[str, ...]) -> None:
    """Grace is longer than the drain budget; nobody is root, writes the root file system, keeps a
    capability or a token of the cluster; each has a disruption budget."""
    budgets = of("PodDisruptionBudget", settings)
    for name, spec in pods(settings).items():
        assert name in budgets
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            env = {each["name"]: each.get("value", "") for each in container["env"]}
            if container["name"] != "ledger":
                drain_s = int(env["HEDDLE_DRAIN_MS"]) / 1000
                assert spec["terminationGracePeriodSeconds"] > drain_s
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"livenessProbe", "readinessProbe", "startupProbe"} <= set(container)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_secrets_are_named_and_never_written(settings: tuple[str, ...]) -> None:
    """The chart makes no Secret; no setting that is a secret has a value in any pod; every HEDDLE_*
    is a setting that there is."""
    assert of("Secret", settings) == {}
    known = {f"HEDDLE_{setting.name}" for setting in SETTINGS}
    secret = {f"HEDDLE_{setting.name}" for setting in SETTINGS if setting.secret}
    for spec in pods(settings).values():
        for container in spec["containers"]:
            for each in container["env"]:
                name = each["name"].removesuffix("_FILE")
                assert name in known or name.startswith("HEDDLE_KAFKA_"), each
                plain = each["name"] in secret or each["name"].endswith(("PASSWORD", "USERNAME"))
                assert not (plain and "value" in each), each


def test_each_stage_reaches_what_it_uses_and_no_more() -> None:
    """Default deny, then: schema goes nowhere, live to Kafka alone, record not to the shelf."""
    policies = of("NetworkPolicy", VARIANTS["a ClickHouse server"])
    assert policies["nothing"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = {
        name: {port["port"] for rule in policy["spec"].get("egress", []) for port in rule["ports"]}
        for name, policy in policies.items()
    }
    assert ports == {
        "nothing": set(),
        "schema": set(),
        "live": {53, 9093},
        "record": {53, 9093, 8443},
        "route": {53, 9093, 443},
        "generate": {53, 9093, 443},
        "finish": {53, 9093, 443},
    }
    assert set(of("NetworkPolicy")) == STAGES - {"record"} | {"nothing", "ledger"}


def test_the_cluster_of_a_server_is_told_to_its_writer_alone() -> None:
    """Where ledger.url names a server; the embedded ledger has none, whatever the values say."""
    server = VARIANTS["a ClickHouse server"]
    for settings, told in ((server, "main"), (("ledger.cluster=main",), None)):
        found = {
            (name, each["value"])
            for name, pod in pods(settings).items()
            for container in pod["containers"]
            for each in container.get("env", [])
            if each["name"] == "HEDDLE_LEDGER_CLUSTER"
        }
        assert found == ({("record", told)} if told else set())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("partitions=0", "partitions"),
        ("shelf.url=file:///tmp", "shelf"),
        ("kafka.securityProtocol=TLS", "securityProtocol"),
        ("stages.paint.image=river", "paint"),
        ("ledger.cluster=a'b", "cluster"),
    ],
)
def test_wrong_values_are_refused_by_name(wrong: str, named: str) -> None:
    """values.schema.json refuses what cannot work, and the message names it."""
    done = helm("template", "t", str(CHART), "--kube-version", "1.33.0", "--set", wrong)
    assert done.returncode != 0
    assert named in done.stderr
