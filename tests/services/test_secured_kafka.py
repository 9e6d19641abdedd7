"""The line on a broker that trusts nobody: TLS, SCRAM-SHA-512, mutual TLS, ACLs as planned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from client import Heddle
from heddle.stack.ports import free_ports
from schemas.errors import (
    EXIT_CERTIFICATE,
    EXIT_CREDENTIALS,
    EXIT_FORBIDDEN,
    Unusable,
)
from schemas.records import PatternRequested, Prompt, Repeat
from streams.kafka import admin, plan
from streams.kafka.connection import Connection
from streams.kafka.consumer import Intake, Rebalance
from streams.kafka.message import Output
from streams.kafka.producer import Producer
from streams.kafka.replay import read_all
from tests.services import secured_broker
from tests.services.line import PARTITIONS, Line
from tests.services.secured_broker import ADMIN, Secured

pytestmark = pytest.mark.timeout(240)
SHOP = "shop"
"""An upstream system that orders and takes its results."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One secured broker for all tests of this file; its only super user is the admin."""
    with secured_broker.running(tmp_path_factory.mktemp("secured"), users=(SHOP,)) as broker:
        yield broker


def acls_of(prefix: str) -> list[plan.Acl]:
    """Exactly what `heddle topics plan` prints; the shop is producer and consumer in one."""
    planned = plan.acls(prefix)
    outside = [replace(a, stage=SHOP) for a in planned if a.stage in {"producer", "consumer"}]
    return [acl for acl in planned if acl.stage in plan.STAGES] + outside


@dataclass
class SecuredLine(Line):
    """A line whose every stage is a user of its own; generate shows a certificate instead."""

    broker: Secured | None = None

    @property
    def secured(self) -> Secured:
        """The broker, which there is."""
        assert self.broker is not None
        return self.broker

    @property
    def connection(self) -> Connection:
        """The admin's."""
        return self.secured.connection(ADMIN)

    def credentials(self, stage: str) -> dict[str, str]:
        """SCRAM over TLS, or mutual TLS."""
        if stage == "generate":
            bootstrap, given = self.secured.mutual, self.secured.certified("generate")
        else:
            bootstrap, given = self.bootstrap, self.secured.properties(stage)
        return {"HEDDLE_BOOTSTRAP": bootstrap, **as_settings(given)}

    def client(self) -> Heddle:
        """The shop's."""
        return Heddle(self.bootstrap, prefix=self.prefix, config=self.secured.properties(SHOP))


def as_settings(properties: dict[str, str]) -> dict[str, str]:
    """librdkafka properties as an operator sets them."""
    return {f"HEDDLE_KAFKA_{name.upper().replace('.', '_')}": v for name, v in properties.items()}


@pytest.fixture
def line(secured: Secured, prefix: str, tmp_path: Path) -> Iterator[SecuredLine]:
    """Topics and rights, as planned."""
    made = SecuredLine(
        secured.bootstrap,
        prefix,
        tmp_path,
        extra={
            "HEDDLE_FINISH_ON": "faust",
            **as_settings(secured.properties(ADMIN)),
        },
        broker=secured,
    )
    made.prepare("acme")
    secured.allow(acls_of(prefix))
    yield made
    made.close()


ORDER = PatternRequested(
    request_id="safe",
    tenant="acme",
    prompt=Prompt(text="dots"),
    repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
    variations=3,
)


def test_the_line_under_least_rights(line: SecuredLine) -> None:
    """Every stage, two of them on Faust and one by mutual TLS, does its work with exactly the
    planned ACLs; a right that is taken back ends the stage, which names it; no password is told."""
    line.start("ledger")
    line.start("route", "generate", "finish", "record", "live")
    with line.client() as house:
        house.request_many([ORDER])
        assert house.wait("safe", timeout_s=90).all_published
    line.until(lambda: line.messages("patterns.completed"), 30, "the request's completion")
    said = "".join(line.said(stage) for stage in line.running)
    assert "refuse" not in said
    assert "AuthorizationFailed" not in said
    assert not [user for user in plan.STAGES if secured_broker.password(user) in said]
    route = line.running.pop("route")
    name = f"{line.prefix}.patterns.requested"
    line.secured.take_back(
        [a for a in acls_of(line.prefix) if a.stage == "route" and a.name == name]
    )
    assert route.wait(60) == EXIT_FORBIDDEN
    assert name in line.said("route").strip().splitlines()[-1]
    assert set(line.stop().values()) == {0}


def _produce(reach: Connection, topic: str) -> None:
    Producer(reach, client_id="t").deliver([Output(topic, b"k", b"v")], timeout_s=20)


def _read(reach: Connection, topic: str) -> None:
    list(read_all(reach, [topic], timeout_s=20))


def _join(reach: Connection, group: str) -> None:
    intake = Intake(reach, group=group, client_id="t", topics=[f"{group}.no-topic"])
    intake.start(Rebalance(lambda _: None, lambda _: None, lambda _: None))
    try:
        for _ in range(100):
            intake.take(1, timeout_s=0.2)
    finally:
        intake.close()


def _create(reach: Connection, prefix: str) -> None:
    admin.create(reach, [plan.PlannedTopic(name=f"{prefix}.unasked", partitions=1)])


BEYOND = {
    "route": ("patterns.published", "patterns.generated", "heddle.finish"),
    "generate": ("patterns.published", "patterns.requested", "heddle.route"),
    "finish": ("patterns.generated", "patterns.requested", "heddle.record"),
    "record": ("patterns.published", "heddle.live-requests-changelog", "heddle.live"),
    "live": ("patterns.failed", "patterns.requested", "heddle.generate"),
}
"""By stage: a topic it may not write, one it may not read, a group that is another's."""


def test_no_stage_gets_beyond_its_rights(secured: Secured, line: SecuredLine) -> None:
    """Each stage's user tries to write, read, join and create what is not its own: refused."""
    for stage, (written, read, group) in BEYOND.items():
        reach = replace(secured.connection(stage), group=f"{line.prefix}.heddle.{stage}")
        tries: list[tuple[Callable[[Connection, str], None], str]] = [
            (_produce, written),
            (_read, read),
            (_join, group),
        ]
        for attempt, name in tries:
            with pytest.raises(Unusable) as refused:
                attempt(reach, f"{line.prefix}.{name}")
            assert refused.value.exit_code == EXIT_FORBIDDEN, (stage, name, str(refused.value))
        with pytest.raises(Unusable, match="uthoriz"):
            _create(reach, line.prefix)


def _stage(line: SecuredLine, stage: str, **settings: str) -> tuple[subprocess.Popen[bytes], int]:
    (port,) = free_ports(1)
    env = {**os.environ, **line.environment(), **line.credentials(stage), **settings}
    child = subprocess.Popen(
        [sys.executable, "-m", "heddle", "run", stage],
        env=env | {"HEDDLE_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return child, port


def test_every_refusal_is_one_clear_line(secured: Secured, line: SecuredLine) -> None:
    """A wrong password, an expired certificate on either side, a foreign authority and a missing
    ACL end a stage with a line that names it and an exit code of its own; it never was ready."""
    mine = [acl for acl in acls_of(line.prefix) if acl.stage == "record"]
    dropped = next(acl for acl in mine if acl.operation == "Write")
    secured.take_back([dropped])
    expired = secured.certified("generate-expired")
    cases: dict[str, tuple[str, dict[str, Any], int, str]] = {
        "password": (
            "route",
            {"HEDDLE_KAFKA_SASL_PASSWORD": "wrong"},
            EXIT_CREDENTIALS,
            "user route",
        ),
        "password on Faust": (
            "live",
            {"HEDDLE_KAFKA_SASL_PASSWORD": "wrong"},
            EXIT_CREDENTIALS,
            "user live",
        ),
        "expired broker": (
            "route",
            {"HEDDLE_BOOTSTRAP": secured.expired},
            EXIT_CERTIFICATE,
            "certificate has expired",
        ),
        "expired stage": (
            "generate",
            as_settings(expired),
            EXIT_CERTIFICATE,
            "has expired on 2021-01-01",
        ),
        "foreign authority": (
            "route",
            {"HEDDLE_KAFKA_SSL_CA_LOCATION": str(secured.folder / "broker.pem")},
            EXIT_CERTIFICATE,
            "check ssl.ca.location",
        ),
        "missing ACL": ("record", {}, EXIT_FORBIDDEN, f"Write on topic {dropped.name}"),
    }
    started = {name: _stage(line, case[0], **case[1]) for name, case in cases.items()}
    line.running |= {name: child for name, (child, _) in started.items()}
    for name, (child, port) in started.items():
        _, _, exit_code, words = cases[name]
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
        out, error = (said.decode() for said in child.communicate(timeout=90))
        assert child.returncode == exit_code, (name, out, error)
        assert error.count("\n") == 1, (name, error)
        assert words in error, (name, error)
        assert "wrong" not in error


def test_the_plan_is_kept_by_the_broker(secured: Secured, line: SecuredLine) -> None:
    """`heddle topics check` sees no difference, and each stage lacks nothing of the plan."""
    planned = plan.planned(line.prefix, partitions=PARTITIONS)
    assert admin.problems(line.connection, planned) == []
    for stage in plan.STAGES:
        mine = [acl for acl in plan.acls(line.prefix) if acl.stage == stage]
        assert admin.lacking(secured.connection(stage), mine) == []


def _rights(line: SecuredLine, *words: str) -> subprocess.CompletedProcess[str]:
    """`heddle topics rights` as the admin; nothing comes from the line's other tests."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HEDDLE_")}
    return subprocess.run(
        [sys.executable, "-m", "heddle", "topics", "rights", *words],
        env=ours | line.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_command_gives_users_and_rights(secured: Secured, line: SecuredLine) -> None:
    """`heddle topics rights` enters the users whose passwords lie in files, gives each what the
    plan says of its roles; --check tells what is missing or too much, and changes nothing."""
    secret = line.folder / "users" / "weaver" / "password"
    secret.parent.mkdir(parents=True)
    secret.write_text("short")
    weaver = ("--as", "record=weaver", "--as", "producer=weaver")
    wanted = [replace(a, stage="weaver") for a in plan.acls(line.prefix) if a.stage == "record"]

    refused = _rights(line, *weaver, "--users", str(secret.parents[1]))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "fewer than 12 characters" in refused.stderr
    before = _rights(line, *weaver, "--check", "--json")
    assert before.returncode == 1
    assert {"missing"} == {one["is"] for one in json.loads(before.stdout)}

    secret.write_text("a-password-of-the-weaver\n")
    done = _rights(line, *weaver, "--users", str(secret.parents[1]))
    assert done.returncode == 0, done.stderr
    assert "1 users entered" in done.stdout
    mine = secured.properties("weaver", secret="a-password-of-the-weaver")
    reach = replace(secured.connection("weaver"), properties=mine)
    assert admin.lacking(reach, wanted) == []
    assert _rights(line, *weaver, "--check").returncode == 0

    secured.allow([replace(wanted[0], operation="Alter")])
    more = _rights(line, *weaver, "--check")
    assert more.returncode == 1
    assert more.stdout.splitlines()[1].split()[:4] == ["not", "planned", "weaver", "Alter"]
    assert "password" not in done.stdout + more.stdout
