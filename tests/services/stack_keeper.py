"""Runs a supervisor over stack_child.py: `stack_keeper.py FOLDER POLICY NAME=WAY[,ARG][<AFTER]...`.

POLICY is the fields of RestartPolicy in order, those left out at their defaults. The way
`run,PORT` answers there and is asked whether it is alive; `stage,PORT` is `heddle run NAME`, whose
killed lives are noted in FOLDER/NAME.ends.jsonl. Exit 0: it stopped on request.
"""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path

from heddle.stack.kept import Process
from heddle.stack.processes import http_ready
from heddle.stack.restarts import RestartPolicy
from heddle.stack.supervisor import StackFacts, Supervisor


def _process(folder: Path, spec: str) -> Process:
    name, _, rest = spec.partition("=")
    way, _, after = rest.partition("<")
    child = str(Path(__file__).with_name("stack_child.py"))
    kind, _, detail = way.partition(",")
    if kind == "stage":
        return _stage(folder, name, int(detail))
    answers = partial(http_ready, int(detail)) if kind == "run" else None
    return Process(
        name=name,
        argv=(sys.executable, child, *way.split(",")),
        env={**os.environ, "HEDDLE_PORT": detail},
        log=folder / f"{name}.log",
        after=tuple(after.split("+")) if after else (),
        one_shot=way == "done",
        # Without a check, running is ready, however briefly: these must never have been.
        ready=(lambda: False) if way in {"crash", "refuse"} else answers,
        alive=answers,
    )


def _stage(folder: Path, name: str, port: int) -> Process:
    """A real one, as `heddle up` keeps it; its settings are this process's."""
    ends = folder / f"{name}.ends.jsonl"
    return Process(
        name=name,
        argv=(sys.executable, "-m", "heddle", "run", name),
        env={**os.environ, "HEDDLE_PORT": str(port), "HEDDLE_ENDS": str(ends)},
        log=folder / f"{name}.log",
        ready=partial(http_ready, port),
        alive=partial(http_ready, port, path="/livez"),
        ends=ends,
    )


def main() -> int:
    folder = Path(sys.argv[1])
    given = [int(one) for one in sys.argv[2].split(",")]
    names = [one.name for one in fields(RestartPolicy)]
    keeper = Supervisor(
        [_process(folder, spec) for spec in sys.argv[3:]],
        StackFacts(run_id=folder.name + "-run"),
        state_path=folder / "stack.json",
        policy=RestartPolicy(**dict(zip(names, given, strict=False))),
    )
    return 0 if keeper.run().condition == "stopped" else 1


if __name__ == "__main__":
    sys.exit(main())
