"""Up, down, status: a whole stack in one folder. Several stacks may run beside each other."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from heddle.stack import children, diagnosis, lock, marks, processes, state
from heddle.stack.kept import Process
from heddle.stack.layout import StackFolder
from heddle.stack.processes import StackOptions
from heddle.stack.state import StackState
from heddle.stack.supervisor import STOP_S_MAX, StackFacts, Supervisor
from schemas.errors import Unusable

_POLL_S: Final = 0.05
_KILL_S_MAX: Final = 5.0
_LATE_S_MAX: Final = 3.0
"""A supervisor on a busy machine may say late that it is done; a broker cut short recovers long."""
_RUNNING: Final = frozenset({"starting", "ready", "degraded", "stopping"})

OnChange = Callable[[StackState], None]


def up(
    folder: StackFolder,
    *,
    detach: bool,
    wait_s: float = 180.0,
    options: StackOptions | None = None,
    on_change: OnChange | None = None,
) -> StackState:
    """Start the stack.

    `detach`: return once all is ready, the stack goes on by itself; Unusable when it is not ready
    within `wait_s` (it goes on trying) or failed (everything stopped). Otherwise: stay until
    SIGTERM, SIGINT or SIGHUP, then return how it ended; Unusable when it failed; `wait_s` is not
    looked at. `on_change` hears every new state. Leave with the exit code of the Unusable.
    """
    chosen = options or StackOptions.from_environ(os.environ)
    if not detach:
        return supervise(folder, chosen, environ=os.environ, on_change=on_change)
    keeper = _start_apart(folder, chosen, bound=False)
    return _wait_ready(folder, keeper, wait_s=wait_s, on_change=on_change)


@contextmanager
def running(
    folder: StackFolder,
    *,
    wait_s: float = 180.0,
    options: StackOptions | None = None,
    on_change: OnChange | None = None,
) -> Iterator[StackState]:
    """A stack for the block: ready at its start, gone at its end, also when the caller is killed.

    Enter it from a thread that lives as long as the block. Raises as `up` does.
    """
    chosen = options or StackOptions.from_environ(os.environ)
    keeper = _start_apart(folder, chosen, bound=True)
    try:
        yield _wait_ready(folder, keeper, wait_s=wait_s, on_change=on_change)
    finally:
        down(folder)
        keeper.wait()


def down(folder: StackFolder) -> StackState | None:
    """Stop the stack and everything it started, within STOP_S_MAX and a little.

    Also clears what a killed supervisor left. The last state; None when there never was one.
    """
    told = state.read(folder.state)
    deadline_s = time.monotonic() + STOP_S_MAX + _LATE_S_MAX
    asked = False
    while (pid := lock.holder(folder.lock)) is not None and time.monotonic() < deadline_s:
        if pid and not asked:
            _send(pid, signal.SIGTERM)
            asked = True
        time.sleep(_POLL_S)
    if pid:
        # Its guard ends the rest, and so does the sweep below.
        _send(pid, signal.SIGKILL)
    return _settle(folder, told)


def status(folder: StackFolder) -> StackState | None:
    """How the stack goes; condition `killed` when its supervisor is gone. None: never started."""
    told = state.read(folder.state)
    if told is None or told.condition not in _RUNNING or lock.holder(folder.lock) is not None:
        return told
    return told.as_killed()


def supervise(
    folder: StackFolder,
    options: StackOptions,
    *,
    environ: Mapping[str, str],
    on_change: OnChange | None = None,
) -> StackState:
    """Be the supervisor: hold the lock, clear a killed run, start all, stay until the end."""
    folder.make()
    with lock.held(folder.lock):
        previous = state.read(folder.state)
        note = _clear_killed(previous)
        try:
            facts, kept = _plan(folder, options, environ, previous=previous, note=note)
        except Unusable as reason:
            # Whoever waits in another process reads the reason there.
            failed = StackState(
                condition="failed",
                supervisor_pid=os.getpid(),
                reason=str(reason),
                exit_code=reason.exit_code,
            )
            state.write(folder.state, failed)
            raise
        keeper = Supervisor(kept, facts, state_path=folder.state, on_change=on_change)
        final = keeper.run()
    _require_success(final)
    return final


def _plan(
    folder: StackFolder,
    options: StackOptions,
    environ: Mapping[str, str],
    *,
    previous: StackState | None,
    note: str,
) -> tuple[StackFacts, tuple[Process, ...]]:
    ports_by_name = processes.choose_ports(options, previous.ports if previous else {})
    facts = StackFacts(
        run_id=uuid.uuid4().hex,
        ports=ports_by_name,
        addresses=processes.addresses(ports_by_name, folder, partitions=options.partitions),
        note=note,
    )
    return facts, processes.local_processes(folder, options, ports_by_name, base=environ)


def _clear_killed(previous: StackState | None) -> str:
    """End what a killed run left; what to tell a person about it, empty when there was none."""
    if previous is None or previous.condition not in _RUNNING:
        return ""
    left = marks.sweep(previous.run_id)
    return (
        f"the run started at {previous.started_at} had been killed (supervisor process"
        f" {previous.supervisor_pid}): its lock was stale, {len(left)} of its processes were ended"
    )


def _start_apart(
    folder: StackFolder, options: StackOptions, *, bound: bool
) -> subprocess.Popen[bytes]:
    """The supervisor as a process of its own; `bound`: asked to stop when the caller ends."""
    folder.make()
    holder = lock.holder(folder.lock)
    if holder is not None:
        raise Unusable(lock.already_running(folder.lock, holder))
    argv = (*children.PYTHON, "-m", "heddle.stack", str(folder.root), options.to_json())
    log = folder.log("supervisor")
    return children.spawn_apart(
        argv, env=os.environ, log=log, parent_death=signal.SIGTERM if bound else None
    )


def _wait_ready(
    folder: StackFolder,
    keeper: subprocess.Popen[bytes],
    *,
    wait_s: float,
    on_change: OnChange | None,
) -> StackState:
    deadline_s = time.monotonic() + wait_s
    seen: StackState | None = None
    while time.monotonic() < deadline_s:
        ended = keeper.poll() is not None
        told = state.read(folder.state)
        if told is not None and told.supervisor_pid == keeper.pid:
            if told != seen and on_change is not None:
                on_change(told)
            seen = told
            if told.condition == "ready":
                return told
            _require_success(told, final=ended)
        if ended:
            said = diagnosis.from_log(folder.log("supervisor"))
            raise Unusable(f"the supervisor ended: {said}", exit_code=max(keeper.returncode, 1))
        time.sleep(_POLL_S)
    raise Unusable(_not_ready(seen, wait_s=wait_s))


def _require_success(told: StackState, *, final: bool = True) -> None:
    """Unusable when the stack failed, once its supervisor has cleared up."""
    if told.condition == "failed" and final:
        raise Unusable(told.reason, exit_code=told.exit_code if told.exit_code > 0 else 1)


def _not_ready(seen: StackState | None, *, wait_s: float) -> str:
    late = [one for one in seen.processes if one.phase not in {"ready", "done"}] if seen else []
    named = "; ".join(f"{one.name} is {one.phase} {one.reason} (log: {one.log})" for one in late)
    return (
        f"not ready after {wait_s:g} s: {named or 'the supervisor has not started'}."
        " It goes on trying: look with `heddle status`, end it with `heddle down`"
    )


def _settle(folder: StackFolder, told: StackState | None) -> StackState | None:
    """After the supervisor's end: nothing of the run is left, and `stack.json` says so."""
    deadline_s = time.monotonic() + _KILL_S_MAX
    while lock.holder(folder.lock) is not None and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    last = state.read(folder.state) or told
    if last is None or last.condition not in _RUNNING:
        return last
    marks.sweep(last.run_id)
    stopped = replace(last, condition="stopped", reason="stopped after its supervisor was killed")
    state.write(folder.state, stopped)
    return stopped


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
