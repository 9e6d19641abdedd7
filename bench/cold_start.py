"""Cold start of each stage in its container: seconds to /livez and to /readyz.

    setup/demo-docker.sh cold-start        # images, compose up, this table, down
    .venv/bin/python -m bench.cold_start --project heddle-demo [--stages route,finish]

Each container of a composed line that is up is stopped and started again, one after the other, and
asked on its own address from outside. Counted from the word to the daemon; Kafka, the shelf and the
ledger are there already, and the image's files are in the machine's cache. Ready means: assigned by
the group, dependencies there, weights loaded. The processor's time of the container until then says
what a busy machine hides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from heddle.commands.run import STAGES

READY_S_MAX = 180.0
ANSWER_S_MAX = 2.0
POLL_S = 0.05
GROUPS = Path("/sys/fs/cgroup")


def docker(*words: str) -> str:
    """What the client says."""
    return subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=120, check=True
    ).stdout.strip()


def container(project: str, stage: str) -> str:
    """Id of a stage's container, or nothing."""
    labels = {"project": project, "service": stage}
    filters = [
        word
        for name, value in labels.items()
        for word in ("--filter", f"label=com.docker.compose.{name}={value}")
    ]
    return docker("ps", "-q", *filters).partition("\n")[0]


def address(found: str, stage: str) -> str:
    """Where it answers; known once it runs."""
    networks = json.loads(docker("inspect", found))[0]["NetworkSettings"]["Networks"]
    (network,) = networks.values()
    return f"http://{network['IPAddress']}:{8123 if stage == 'ledger' else 9100}"


def answers_after_s(url: str, began_s: float) -> float:
    """Seconds from `began_s` to the first 200. Raises TimeoutError."""
    while time.monotonic() - began_s < READY_S_MAX:
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_S_MAX) as answer:  # noqa: S310
                if answer.status == 200:
                    return time.monotonic() - began_s
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(POLL_S)
    raise TimeoutError(f"{url} said no for {READY_S_MAX:.0f} s")


def processor_s(found: str) -> float | None:
    """What a container's processes have taken, of either kind of control group; None if untold."""
    whole = docker("inspect", "-f", "{{.Id}}", found)
    old = GROUPS / "cpuacct" / "docker" / whole / "cpuacct.usage"
    if old.exists():
        return int(old.read_text()) / 1e9
    for place in (f"docker/{whole}", f"system.slice/docker-{whole}.scope"):
        new = GROUPS / place / "cpu.stat"
        if new.exists():
            told = dict(line.split() for line in new.read_text().splitlines())
            return int(told["usage_usec"]) / 1e6
    return None


def cold_start(project: str, stage: str) -> tuple[float, float, float | None] | None:
    """Seconds to alive, to ready, and of processor; None where the stage has no container."""
    found = container(project, stage)
    if not found:
        return None
    docker("stop", "-t", "40", found)
    began_s = time.monotonic()
    docker("start", found)
    base = address(found, stage)
    alive_s = answers_after_s(f"{base}/livez", began_s)
    ready_s = answers_after_s(f"{base}/readyz", began_s)
    return alive_s, ready_s, processor_s(found)


def _figure(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def main() -> int:
    """Print the table; 1 where a stage did not become ready or is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--project", default="heddle-demo")
    parser.add_argument("--stages", default=",".join(STAGES))
    given = parser.parse_args()
    missed = 0
    print(f"load average {os.getloadavg()[0]:.1f}\n")
    print("| stage | alive after, s | ready after, s | processor, s |\n|---|---|---|---|")
    for stage in given.stages.split(","):
        try:
            took = cold_start(given.project, stage)
        except TimeoutError as late:
            print(f"| {stage} | {late} | | |", flush=True)
            missed += 1
            continue
        missed += took is None
        figures = ("not up", "", "") if took is None else tuple(map(_figure, took))
        print(f"| {stage} | {' | '.join(figures)} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
