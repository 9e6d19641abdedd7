"""The supervisor over real processes: restarts, giving up, stopping, and leaving nobody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from heddle.stack import marks, state
from heddle.stack.ports import free_ports
from heddle.stack.state import ProcessState, StackState
from heddle.stack.supervisor import STOP_S_MAX

_KEEPER = Path(__file__).with_name("stack_keeper.py")
_POLICY = "20,80,60000,4"
_WAIT_S_MAX = 20.0


class Keeper:
    """One supervisor in a process of its own."""

    def __init__(self, folder: Path, *specs: str, policy: str = _POLICY) -> None:
        self.folder = folder
        checkout = str(Path(__file__).parents[2])
        self.child = subprocess.Popen(
            [sys.executable, str(_KEEPER), str(folder), policy, *specs],
            env={**os.environ, "PYTHONPATH": checkout},
        )

    def state(self) -> StackState:
        """As last written."""
        return state.read(self.folder / "stack.json") or StackState(condition="starting")

    def process(self, name: str) -> ProcessState:
        """The one called `name`, as last written."""
        found = self.state().process(name)
        assert found is not None
        return found

    def pid(self, name: str) -> int:
        """Of a process that runs."""
        pid = self.process(name).pid
        assert pid is not None
        return pid

    def until(self, wanted: Callable[[StackState], bool]) -> StackState:
        """The first state that is as wanted."""
        until(lambda: wanted(self.state()))
        return self.state()

    def alive(self) -> tuple[int, ...]:
        """Everything of this run, the supervisor apart."""
        return marks.marked(self.folder.name + "-run")


def until(wanted: Callable[[], object]) -> None:
    """Return once `wanted` holds; fail when it does not in time."""
    deadline_s = time.monotonic() + _WAIT_S_MAX
    while not wanted():
        assert time.monotonic() < deadline_s, "did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Keeper]]:
    """Starts a supervisor; the test's end kills it and looks for leftovers."""
    keepers: list[Keeper] = []

    def start(*specs: str, policy: str = _POLICY) -> Keeper:
        keepers.append(Keeper(tmp_path, *specs, policy=policy))
        return keepers[-1]

    yield start
    for one in keepers:
        one.child.kill()
        one.child.wait()
        until(lambda: not marks.marked(tmp_path.name + "-run"))


def test_starts_in_order_and_stops_on_request(keep: Callable[..., Keeper]) -> None:
    """All come up, those that wait for others too; SIGTERM ends all and the state says so."""
    keeper = keep("first=stay", "once=done<first", "last=stay<once")
    told = keeper.until(lambda seen: seen.condition == "ready")
    assert [one.phase for one in told.processes] == ["ready", "done", "ready"]
    keeper.child.terminate()
    assert keeper.child.wait(STOP_S_MAX) == 0
    assert keeper.state().condition == "stopped"
    assert not keeper.alive()


def test_a_dead_process_is_started_again(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    """A death by signal is noticed at once, counted, and followed by another start."""
    keeper = keep(f"one=flaky,{tmp_path / 'marker'}", "two=stay")
    keeper.until(lambda seen: _restarts(seen) == 1 and seen.condition == "ready")
    assert keeper.process("two").restarts == 0


def test_a_process_that_hangs_is_ended_and_started_again(keep: Callable[..., Keeper]) -> None:
    """It runs and answers nobody: after so many looks it is killed, the state says why, and the
    next one answers. One that answers is left alone."""
    port, other_port = free_ports(2)
    looks = "2000,2000,60000,4,100,3"
    keeper = keep(f"one=run,{port}", f"two=run,{other_port}", policy=looks)
    keeper.until(lambda seen: seen.condition == "ready")
    neighbour_pid, pid = keeper.pid("two"), keeper.pid("one")
    os.kill(pid, signal.SIGSTOP)
    told = keeper.until(lambda seen: any("hung" in one.reason for one in seen.processes))
    assert "silent at 3 looks" in next(one.reason for one in told.processes if one.reason)
    after = keeper.until(lambda seen: seen.condition == "ready" and _restarts(seen) == 1)
    assert "silent at 3 looks" in next(one.reason for one in after.processes if one.reason)
    assert keeper.pid("one") != pid
    assert keeper.pid("two") == neighbour_pid


def test_gives_up_and_names_the_log(keep: Callable[..., Keeper], tmp_path: Path) -> None:
    """After the bounded number of quick deaths the stack fails, with the reason and the log."""
    keeper = keep("good=stay", "bad=crash")
    assert keeper.child.wait(_WAIT_S_MAX) == 1
    told = keeper.state()
    assert told.condition == "failed"
    assert "bad died (exit code 1): it went wrong in a known way" in told.reason
    assert str(tmp_path / "bad.log") in told.reason
    assert keeper.process("bad").restarts == 3
    assert not keeper.alive()


def test_what_a_person_must_mend_is_not_tried_again(keep: Callable[..., Keeper]) -> None:
    """An exit code that asks for a person fails the stack at the first death, with that code."""
    keeper = keep("needy=refuse")
    assert keeper.child.wait(_WAIT_S_MAX) == 1
    told = keeper.state()
    assert (told.exit_code, keeper.process("needy").restarts) == (4, 0)
    assert "potrace is missing" in told.reason


def test_stop_is_bounded(keep: Callable[..., Keeper]) -> None:
    """A process that ignores SIGTERM is killed; all is over within the promised time."""
    keeper = keep("kafka=stay", "deaf=stubborn<kafka")
    keeper.until(lambda seen: seen.condition == "ready")
    # Ready means started here: give it the moment to turn its ear away.
    until(lambda: _ignores_sigterm(keeper.pid("deaf")))
    begun_s = time.monotonic()
    keeper.child.terminate()
    assert keeper.child.wait(STOP_S_MAX + 1) == 0
    assert time.monotonic() - begun_s <= STOP_S_MAX
    assert keeper.process("deaf").reason == "did not stop in time: killed"
    assert not keeper.alive()


def test_second_wish_to_stop_ends_the_grace(keep: Callable[..., Keeper]) -> None:
    """Ctrl-C twice does not wait for those that will not leave."""
    keeper = keep("deaf=stubborn")
    keeper.until(lambda seen: seen.condition == "ready")
    until(lambda: _ignores_sigterm(keeper.pid("deaf")))
    keeper.child.send_signal(signal.SIGINT)
    keeper.until(lambda seen: seen.condition == "stopping")
    begun_s = time.monotonic()
    keeper.child.send_signal(signal.SIGINT)
    assert keeper.child.wait(STOP_S_MAX) == 0
    assert time.monotonic() - begun_s < STOP_S_MAX / 2


def test_nobody_outlives_a_killed_supervisor(keep: Callable[..., Keeper]) -> None:
    """SIGKILL to the supervisor ends its children and theirs, even in a session of their own."""
    keeper = keep("one=stay", "parent=brood")
    keeper.until(lambda seen: seen.condition == "ready")
    until(lambda: len(keeper.alive()) == 3)
    keeper.child.kill()
    keeper.child.wait()
    until(lambda: not keeper.alive())


def test_a_stopped_stack_leaves_no_grandchild(keep: Callable[..., Keeper]) -> None:
    """An ordinary stop finds what a child had started apart."""
    keeper = keep("parent=brood")
    until(lambda: len(keeper.alive()) == 2)
    keeper.child.terminate()
    assert keeper.child.wait(STOP_S_MAX) == 0
    assert not keeper.alive()


def test_a_late_giving_up_leaves_the_rest_running(keep: Callable[..., Keeper]) -> None:
    """A process given up after the stack was ready degrades it; its neighbour goes on."""
    keeper = keep("one=stay", "two=stay", policy="20,80,60000,2")
    keeper.until(lambda seen: seen.condition == "ready")
    neighbour_pid = keeper.pid("two")
    for _ in range(2):
        until(lambda: keeper.process("one").phase == "ready")
        pid = keeper.pid("one")
        os.kill(pid, signal.SIGKILL)
        until(partial(_is_another, keeper, pid))
    until(lambda: keeper.process("one").phase == "gave up")
    assert keeper.state().condition == "degraded"
    assert keeper.pid("two") == neighbour_pid


def _restarts(seen: StackState) -> int:
    return sum(one.restarts for one in seen.processes)


def _ignores_sigterm(pid: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def _is_another(keeper: Any, pid: int) -> bool:
    """Whether process `one` has been started again since it had this id."""
    return bool(keeper.process("one").pid != pid)
