"""A cluster that is not what the settings say: one line and an exit code of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heddle.stack import kafka
from schemas.errors import EXIT_BROKER_OLD, EXIT_TOPICS
from tests.services.line import PARTITIONS, Line

OLD = kafka.Security(format_options=("--feature", "group.version=0"))
"""As a broker before 4.0 answers: the new group protocol is an API that it does not have."""


@pytest.mark.timeout(180)
def test_what_a_stage_says_of_a_cluster_it_cannot_use(tmp_path: Path, prefix: str) -> None:
    """A broker without the new group protocol, and a topic with too few partitions: each named,
    with what to do; with classic the same broker is fine."""
    with kafka.running(tmp_path / "kafka", security=OLD) as bootstrap:
        line = Line(bootstrap, prefix, tmp_path / "line")
        line.prepare("acme")
        short = _start(line, "route", HEDDLE_PARTITIONS=str(PARTITIONS + 1))
        old = _start(line, "route")
        assert old == (EXIT_BROKER_OLD, "HEDDLE_GROUP_PROTOCOL=classic")
        assert short == (EXIT_TOPICS, "HEDDLE_PARTITIONS says 3")
        try:
            line.start("route", HEDDLE_GROUP_PROTOCOL="classic")
            assert line.stop("route") == {"route": 0}
        finally:
            line.close()


def _start(line: Line, stage: str, **settings: str) -> tuple[int, str]:
    """Exit code, and which of the words it should say are in its one line."""
    ended = subprocess.run(
        [sys.executable, "-m", "heddle", "run", stage],
        env={**os.environ, **line.environment(), **settings},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.stderr.count("\n") == 1, ended.stderr
    words = ("HEDDLE_GROUP_PROTOCOL=classic", "HEDDLE_PARTITIONS says 3")
    return ended.returncode, next((each for each in words if each in ended.stderr), ended.stderr)
