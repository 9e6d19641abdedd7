"""What is outside fails and comes back: the broker, the disk under the shelf. Nothing is lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heddle.stack import kafka, ports
from schemas.records import PatternRequested, Prompt, Repeat
from tests.services.line import Line

AWAY_S = 30.0


def order(name: str, variations: int = 8) -> PatternRequested:
    """A request of some patterns."""
    return PatternRequested(
        request_id=name,
        tenant="acme",
        prompt=Prompt(text="dots"),
        repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
        variations=variations,
    )


@pytest.mark.timeout(240)
def test_a_broker_that_goes_away_for_half_a_minute(tmp_path: Path) -> None:
    """In the middle of the work the broker dies and stays away: the same processes wait, say so in
    one clear line, and go on when it is back; every pattern comes out once."""
    (port,) = ports.free_ports(1)
    data = tmp_path / "kafka"
    line = Line(f"127.0.0.1:{port}", "away", tmp_path / "line", extra={"HEDDLE_STEP_MS": "100"})
    try:
        with kafka.running(data, port=port):
            line.prepare("acme")
            line.start("route", "generate", "finish")
            with line.client() as house:
                house.request_many([order("before", 24)])
            line.until(lambda: line.messages("patterns.generated"), 60, "a first tile")
        time.sleep(AWAY_S)
        for stage, process in line.running.items():
            assert process.poll() is None, line.said(stage)[-2000:]
            assert "no broker answers; still trying, nothing is lost" in line.said(stage)
        with kafka.running(data, port=port), line.client() as house:
            assert house.wait("before", timeout_s=90).all_published
            house.request_many([order("after")])
            assert house.wait("after", timeout_s=60).all_published
            assert len({event.event_id for event in line.events("patterns.published")}) == 32
            assert line.events("patterns.failed") == []
            assert set(line.stop().values()) == {0}
    finally:
        line.close()


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[None]:
    """A disk of its own under `folder`. Needs root, as the rest of the set-up does."""
    folder.mkdir(parents=True)
    options = f"size={size_kib}k,mode=0777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.timeout(240)
def test_a_full_disk_under_the_shelf(broker: str, prefix: str, tmp_path: Path) -> None:
    """The shelf is full: the stage says what to do, tries again with backoff, ends no pattern; once
    there is room every pattern comes out."""
    line = Line(broker, prefix, tmp_path / "line")
    line.prepare("acme")
    with small_disk(line.assets, 20_000):
        try:
            line.start("route", "generate", "finish")
            filler = line.assets / "filler"
            with filler.open("wb") as full:
                while True:
                    try:
                        full.write(b"x" * 65_536)
                        full.flush()
                    except OSError:
                        break
            with line.client() as house:
                house.request_many([order("full", 2)])
                line.until(lambda: "no space left" in line.said("route"), 60, "a clear line")
                assert "free" in line.said("route")
                filler.unlink()
                assert house.wait("full", timeout_s=90).all_published
            assert line.events("patterns.failed") == []
        finally:
            line.close()
