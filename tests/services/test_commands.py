"""The operator's commands against a real cluster, as typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from heddle.__main__ import main
from schemas.errors import EXIT_TOPICS
from tests.services.line import Line

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    broker: str,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command in this installation; exit code and everything it said."""
    line = Line(broker, prefix, tmp_path)
    for name, value in line.environment().items():
        monkeypatch.setenv(name, value)

    def typed(*words: str) -> tuple[int, str]:
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out + said.err

    return typed


def test_topics_are_planned_checked_and_applied(run: Run, prefix: str) -> None:
    """check differs before and agrees after; apply twice changes nothing; plan names every ACL."""
    code, said = run("topics", "check")
    assert code == 1
    assert f"topic {prefix}.patterns.requested is missing" in said
    assert run("topics", "apply")[0] == 0
    assert run("topics", "check") == (0, "the cluster is as planned\n")
    assert run("topics", "apply") == (0, "nothing was missing\n")
    plan = json.loads(run("topics", "plan", "--json")[1])
    names = {topic["name"] for topic in plan["topics"]}
    assert f"{prefix}.patterns.requested.route.dlq" in names
    finish = {(a["operation"], a["name"]) for a in plan["acls"] if a["stage"] == "finish"}
    assert ("Read", f"{prefix}.patterns.generated") in finish
    assert ("Write", f"{prefix}.patterns.published") in finish
    assert not any("requested" in name or "routed" in name for _, name in finish)


def test_tenants_and_models_are_kept_on_kafka(run: Run) -> None:
    """What is set is listed; unknown versions are refused; a canary gets an epoch."""
    assert run("topics", "apply")[0] == 0
    assert run("tenants", "set", "acme", "--tier", "draft", "--consent")[0] == 0
    assert run("tenants", "set", "acme", "nord", "--if-unknown")[0] == 0
    listed = {
        tenant["tenant"]: tenant for tenant in json.loads(run("tenants", "list", "--json")[1])
    }
    assert listed["acme"]["tiers"] == ["draft"]
    assert listed["acme"]["consent"]
    assert listed["nord"]["tiers"] == []
    code, said = run("tenants", "set", "No Such!")
    assert code == 1
    assert "tenant" in said
    assert run("models", "apply")[0] == 0
    assert run("models", "apply") == (0, "nothing was missing\n")
    assert run("models", "alias", "stand-in", "--stable", "9")[0] == 3
    assert (
        run("models", "alias", "stand-in", "--stable", "1", "--canary", "1", "--share", "2")[0] == 2
    )
    assert run("models", "alias", "stand-in", "--stable", "1", "--reason", "again")[0] == 0
    entries = json.loads(run("models", "list", "--json")[1])
    assert [entry["epoch"] for entry in entries] == [0, 1, 2]


def test_what_is_not_there_is_said_in_one_line(run: Run) -> None:
    """No letters, an impossible letter, no live view, a missing topic: a line and an exit code."""
    code, said = run("tenants", "list")
    assert code == EXIT_TOPICS
    assert "create it with `heddle topics apply`" in said
    assert run("topics", "apply")[0] == 0
    assert run("dlq", "list") == (0, "no dead letters\n")
    assert run("dlq", "show", "nonsense")[0] == 2
    code, said = run("status", "some-request")
    assert code == 6
    assert "live view" in said
    assert said.count("\n") == 1
