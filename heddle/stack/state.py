"""`stack.json`: what runs, where it listens, how it goes. One writer, the supervisor."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from schemas.errors import Unusable

VERSION: Final = 1
_SIZE_BYTES_MAX: Final = 1024 * 1024

Phase = Literal["waiting", "starting", "ready", "done", "backing off", "gave up", "stopped"]
"""Of one process. `waiting`: for another to be ready. `done`: a one-shot that succeeded."""

Condition = Literal["starting", "ready", "degraded", "stopping", "stopped", "failed", "killed"]
"""Of the stack. `degraded`: was ready, now a part is not. `killed`: its supervisor is gone
without having stopped it; never written, only concluded by a reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """One process as last seen by the supervisor."""

    name: str
    phase: Phase
    pid: int | None = None
    port: int | None = None
    """Where it answers /livez, /readyz and /metrics (the broker: where it takes clients)."""

    started_at: str | None = None
    """UTC, ISO 8601, of the latest start."""

    restarts: int = 0
    log: str = ""
    reason: str = ""
    """Why it is not ready, for people. Empty when there is nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """The stack as a whole."""

    condition: Condition
    run_id: str = ""
    """Also in the environment of every process of this run, as HEDDLE_STACK_RUN."""

    supervisor_pid: int = 0
    started_at: str = ""
    reason: str = ""
    exit_code: int = 0
    """Of the supervisor: 0, or one of schemas.errors when the stack failed."""

    note: str = ""
    """What a person should know though all is well: leftovers of a killed run were cleared."""

    ports: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    """What clients need, by setting name: HEDDLE_BOOTSTRAP and so on. No passwords."""

    processes: tuple[ProcessState, ...] = ()
    version: int = VERSION

    def process(self, name: str) -> ProcessState | None:
        """The process called `name`, None when the stack has none."""
        return next((one for one in self.processes if one.name == name), None)

    def as_killed(self) -> StackState:
        """The same stack, its supervisor found gone."""
        return replace(
            self,
            condition="killed",
            reason=f"its supervisor (process {self.supervisor_pid}) was killed:"
            " `heddle down` clears what it left, `heddle up` starts anew",
        )


def write(path: Path, state: StackState) -> None:
    """Replace `path` in one step: a reader sees the old state or the new one."""
    text = json.dumps(asdict(state), indent=1) + "\n"
    fresh = path.with_suffix(".json.new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def read(path: Path) -> StackState | None:
    """The state at `path`, None when there is none; Unusable when it is not ours to read."""
    try:
        with path.open(encoding="utf-8") as opened:
            told = json.loads(opened.read(_SIZE_BYTES_MAX))
        if told["version"] != VERSION:
            raise Unusable(
                f"{path} was written by another version of heddle (format {told['version']},"
                f" wanted {VERSION}): remove it once that stack is stopped"
            )
        processes = tuple(ProcessState(**one) for one in told.pop("processes"))
        return StackState(**told, processes=processes)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as reason:
        raise Unusable(f"{path} is damaged ({reason}): remove it") from reason
