"""finish as `HEDDLE_FINISH_ON` says, in the line: the same assets whichever runner carries it."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.records import PatternRequested, Prompt, Repeat
from tests.services.line import Line


@pytest.mark.timeout(240)
@pytest.mark.parametrize("runner", ["faust", "loop"])
def test_finish_killed_on_either_runner_loses_nothing(
    broker: str, prefix: str, tmp_path: Path, runner: str
) -> None:
    """SIGKILL in the middle, started again: every pattern is published, once by event id."""
    line = Line(broker, prefix, tmp_path, extra={"HEDDLE_FINISH_ON": runner})
    line.prepare("acme")
    order = PatternRequested(
        request_id="f",
        tenant="acme",
        prompt=Prompt(text="dots"),
        repeat=Repeat(lattice="brick", width_um=64_000, height_um=64_000),
        variations=12,
    )
    try:
        line.start("route", "generate", "finish")
        with line.client() as house:
            house.request_many([order])
            line.until(lambda: line.messages("patterns.published"), 90, "a first asset")
            line.kill("finish")
            line.start("finish")
            assert house.wait("f", timeout_s=120).all_published
        assert len({event.event_id for event in line.events("patterns.published")}) == 12
        assert line.stop("finish") == {"finish": 0}
    finally:
        line.close()
