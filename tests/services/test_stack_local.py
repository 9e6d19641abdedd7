"""Whole stacks: the real broker, stages that only answer /readyz."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heddle.stack import local, lock, marks
from heddle.stack.layout import StackFolder
from heddle.stack.processes import READER_PASSWORD, SERVICES, STAGES, StackOptions
from heddle.stack.state import StackState
from heddle.stack.supervisor import STOP_S_MAX
from schemas.errors import EXIT_MISSING_PART, EXIT_PORT_TAKEN, Unusable
from streams.kafka.admin import broker_answers

_CHILD = str(Path(__file__).with_name("stack_child.py"))
_OPTIONS = StackOptions(command=(sys.executable, _CHILD))
_WAIT_S = 90.0
# Each starts a broker several times, which takes a minute where others hold the processors.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor is started by module name, also from a checkout that is not installed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StackFolder]:
    """A stack's folder; whatever runs there is stopped at the end."""
    chosen = StackFolder(root=tmp_path / "a stack")
    yield chosen
    local.down(chosen)


def test_two_stacks_beside_each_other(folder: StackFolder, tmp_path: Path) -> None:
    """Both become ready, share no port, and the end of one leaves the other alone."""
    other = StackFolder(root=tmp_path / "b")
    first = local.up(folder, detach=True, wait_s=_WAIT_S, options=_OPTIONS)
    with local.running(other, wait_s=_WAIT_S, options=_OPTIONS) as second:
        assert not set(first.ports.values()) & set(second.ports.values())
        assert broker_answers(second.addresses["HEDDLE_BOOTSTRAP"], timeout_s=5)
    assert not marks.marked(second.run_id)
    assert broker_answers(first.addresses["HEDDLE_BOOTSTRAP"], timeout_s=5)

    begun_s = time.monotonic()
    last = local.down(folder)
    assert time.monotonic() - begun_s <= STOP_S_MAX
    assert last is not None
    assert last.condition == "stopped"
    assert not marks.marked(first.run_id)


def test_a_stack_through_its_misfortunes(folder: StackFolder) -> None:
    """A killed broker comes back where it was; a killed supervisor is noticed and cleared."""
    first = local.up(folder, detach=True, wait_s=_WAIT_S, options=_OPTIONS)
    assert {one.phase for one in first.processes} == {"ready", "done"}
    names = [one.name for one in first.processes]
    assert [one for one in names if one in {"kafka", *SERVICES, "topics", *STAGES}] == [
        "kafka",
        *SERVICES,
        "topics",
        *STAGES,
    ]
    with pytest.raises(Unusable, match=r"already runs in .* `heddle down`"):
        local.up(folder, detach=True, wait_s=1, options=_OPTIONS)

    os.kill(_pid(first, "kafka"), signal.SIGKILL)
    _until(lambda: _now(folder).condition == "degraded")
    _until(lambda: _now(folder).condition == "ready")
    assert broker_answers(first.addresses["HEDDLE_BOOTSTRAP"], timeout_s=5)

    os.kill(first.supervisor_pid, signal.SIGKILL)
    _until(lambda: _now(folder).condition == "killed")
    _until(lambda: not marks.marked(first.run_id))

    second = local.up(folder, detach=True, wait_s=_WAIT_S, options=_OPTIONS)
    assert "its lock was stale" in second.note
    assert second.ports == first.ports
    assert second.run_id != first.run_id


def test_down_clears_what_a_killed_supervisor_left(folder: StackFolder) -> None:
    """The last state of a killed run becomes `stopped`, and its leftovers are gone."""
    ready = local.up(folder, detach=True, wait_s=_WAIT_S, options=_OPTIONS)
    os.kill(ready.supervisor_pid, signal.SIGKILL)
    last = local.down(folder)
    assert last is not None
    assert last.condition == "stopped"
    assert lock.holder(folder.lock) is None
    assert not marks.marked(ready.run_id)


def test_stages_are_told_where_the_others_are(folder: StackFolder) -> None:
    """Every stage gets addresses and password files, never a password; its own port differs."""
    told = local.up(folder, detach=True, wait_s=_WAIT_S, options=_OPTIONS)
    environment = _environment(_pid(told, "record"))
    for name, address in told.addresses.items():
        assert environment[name] == address
    assert environment["HEDDLE_PORT"] == str(told.ports["record"])
    secret = folder.run / READER_PASSWORD
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text(encoding="ascii").strip() not in json.dumps(environment)


def test_chosen_port_that_is_taken(folder: StackFolder) -> None:
    """Said at once, with the setting's name and the exit code, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        chosen = StackOptions(command=_OPTIONS.command, ports={"kafka": port})
        with pytest.raises(Unusable, match=rf"{port} .* is taken: .*HEDDLE_KAFKA_PORT") as refused:
            local.up(folder, detach=True, wait_s=_WAIT_S, options=chosen)
    assert refused.value.exit_code == EXIT_PORT_TAKEN
    assert lock.holder(folder.lock) is None


def test_missing_jars(folder: StackFolder, tmp_path: Path) -> None:
    """A machine that was not set up is told the command for it."""
    chosen = StackOptions(command=_OPTIONS.command, libs=str(tmp_path / "none"))
    with pytest.raises(Unusable, match="make setup") as refused:
        local.up(folder, detach=True, wait_s=_WAIT_S, options=chosen)
    assert refused.value.exit_code == EXIT_MISSING_PART


def _now(folder: StackFolder) -> StackState:
    told = local.status(folder)
    assert told is not None
    return told


def _pid(told: StackState, name: str) -> int:
    found = told.process(name)
    assert found is not None
    assert found.pid is not None
    return found.pid


def _environment(pid: int) -> dict[str, str]:
    raw = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8").strip("\0")
    return dict(one.split("=", 1) for one in raw.split("\0"))


def _until(wanted: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _WAIT_S
    while not wanted():
        assert time.monotonic() < deadline_s, "did not come about in time"
        time.sleep(0.05)
