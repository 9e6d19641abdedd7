"""Runs a supervisor over stack_child.py: `stack_keeper.py FOLDER POLICY NAME=WAY[,ARG][<AFTER]...`.

POLICY is `first,max,healthy,deaths`, the fields of RestartPolicy. Exit 0: it stopped on request.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from heddle.stack.kept import Process
from heddle.stack.restarts import RestartPolicy
from heddle.stack.supervisor import StackFacts, Supervisor


def _process(folder: Path, spec: str) -> Process:
    name, _, rest = spec.partition("=")
    way, _, after = rest.partition("<")
    child = str(Path(__file__).with_name("stack_child.py"))
    return Process(
        name=name,
        argv=(sys.executable, child, *way.split(",")),
        env=dict(os.environ),
        log=folder / f"{name}.log",
        after=tuple(after.split("+")) if after else (),
        one_shot=way == "done",
        # Without a check, running is ready, however briefly: these must never have been.
        ready=(lambda: False) if way in {"crash", "refuse"} else None,
    )


def main() -> int:
    folder = Path(sys.argv[1])
    first, most, healthy, deaths = (int(one) for one in sys.argv[2].split(","))
    keeper = Supervisor(
        [_process(folder, spec) for spec in sys.argv[3:]],
        StackFacts(run_id=folder.name + "-run"),
        state_path=folder / "stack.json",
        policy=RestartPolicy(
            delay_ms_first=first, delay_ms_max=most, healthy_ms=healthy, quick_deaths_max=deaths
        ),
    )
    return 0 if keeper.run().condition == "stopped" else 1


if __name__ == "__main__":
    sys.exit(main())
