"""The composed line on a Kafka that trusts nobody: who has which secret, and what each may do.

Run by setup/demo-docker.sh once the demo went through that line (HEDDLE_TEST_COMPOSED=tls); left
out otherwise. Each stage beyond its rights: tests/services/test_secured_kafka.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import EXIT_CREDENTIALS, EXIT_FORBIDDEN
from streams.kafka.plan import STAGES

PROJECT = "heddle-demo"
FILE = Path(__file__).parents[2] / "docker/compose.yaml"
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("HEDDLE_TEST_COMPOSED") != "tls", reason="setup/demo-docker.sh runs these"
    ),
    pytest.mark.timeout(200),
]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Whatever it exits with."""
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def compose(*words: str) -> subprocess.CompletedProcess[str]:
    """The plugin where there is one, else Debian's program."""
    plugin = run("docker", "compose", "version").returncode == 0
    program = ("docker", "compose") if plugin else (shutil.which("docker-compose") or "",)
    return run(*program, "-p", PROJECT, "-f", str(FILE), "--profile", "tls", *words)


def inspected(service: str) -> dict[str, Any]:
    """What the daemon knows of a service's container."""
    label = f"label=com.docker.compose.service={service}"
    found = run("docker", "ps", "-aq", "--filter", label).stdout.split()
    told: list[dict[str, Any]] = json.loads(run("docker", "inspect", *found).stdout)
    return next(
        one for one in told if one["Config"]["Labels"]["com.docker.compose.oneoff"] != "True"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_is_a_user_with_one_secret(stage: str) -> None:
    """It runs, was refused nothing, has its own password as a file and nowhere else."""
    found = inspected(f"{stage}-tls")
    assert found["State"]["Running"], found["State"]
    told = dict(one.partition("=")[::2] for one in found["Config"]["Env"])
    assert told["HEDDLE_KAFKA_SASL_USERNAME"] == stage
    assert not [name for name in told if name.startswith("HEDDLE_KAFKA") and "PASSWORD" in name
                and not name.endswith("_FILE")]  # fmt: skip
    mounts = {one["Destination"]: one for one in found["Mounts"]}
    assert set(mounts) == {"/trust", "/secret"}
    assert mounts["/secret"]["Name"] == f"{PROJECT}_secret-{stage}"
    assert not any(one["RW"] for one in mounts.values())
    logged = run("docker", "logs", found["Id"])
    said = logged.stdout + logged.stderr
    # Under load it may have begun twice: a broker that is slow to answer passes by itself.
    assert not [word for word in ("does not know us", "lacks the ACL", "refuses") if word in said]
    code = "print(open('/secret/password').read())"
    secret = run("docker", "exec", found["Id"], "python", "-c", code).stdout.strip()
    assert len(secret) == 64
    assert secret not in said


def test_the_broker_allows_what_is_planned_and_no_more() -> None:
    """`heddle topics rights --check` as the admin: nothing missing, nothing beyond the plan."""
    roles = ("--as", "producer=operator", "--as", "consumer=operator")
    done = compose("run", "--rm", "--no-deps", "rights-tls", "topics", "rights", "--check", *roles)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 are missing, 0 others are not planned" in done.stdout


@pytest.mark.parametrize(
    ("service", "user", "stage", "code", "words"),
    [
        ("route-tls", "finish", "route", EXIT_CREDENTIALS, "user finish"),
        ("record-tls", "record", "route", EXIT_FORBIDDEN, "user record lacks the ACL"),
    ],
)
def test_a_refusal_is_one_line_and_a_code(
    service: str, user: str, stage: str, code: int, words: str
) -> None:
    """Another's name with one's own password, and another's work with one's own rights."""
    done = compose(
        "run",
        "--rm",
        "--no-deps",
        "-e",
        f"HEDDLE_KAFKA_SASL_USERNAME={user}",
        service,
        "run",
        stage,
    )
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == code, said
    assert len([line for line in said if line.startswith("heddle: ") and words in line]) == 1, said


@pytest.mark.parametrize(
    ("address", "protocol"), [("kafka-tls:9094", "PLAINTEXT"), ("kafka-tls:9093", "SSL")]
)
def test_nobody_gets_in_without_a_name(address: str, protocol: str) -> None:
    """Plain text, and the users' listener without a user, are turned away by the broker."""
    given = {"HEDDLE_BOOTSTRAP": address, "HEDDLE_KAFKA_SECURITY_PROTOCOL": protocol}
    words = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    done = compose("run", "--rm", "--no-deps", *words, "topics-tls", "topics", "check")
    assert done.returncode not in {0, 1}, done.stdout
    assert "the cluster is as planned" not in done.stdout
