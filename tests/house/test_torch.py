"""Only generate loads torch: asked of real interpreters, not of import lines."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "chdb")


@pytest.mark.parametrize(
    "modules",
    [
        "heddle.__main__",
        "heddle.run, streams.stages.route, streams.stages.standing",
        "heddle.run, streams.stages.finish, streams.stages.pool",
        "heddle.run, streams.stages.record, analytics.sink",
        "streams.stages.generate, inference.build, inference.stand_in",
        "client",
    ],
)
def test_processes_stay_light(modules: str) -> None:
    """Importing what a process runs loads neither torch nor the embedded engine."""
    asked = f"import sys, {modules}; print([m for m in {HEAVY} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=100
    )
    assert answer.stdout.strip() == "[]"
