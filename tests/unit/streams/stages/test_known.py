"""Fingerprints of a tenant's work outlive the process, bounded; damage costs no pattern."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from assets import keys
from assets.folder import FolderStore
from postproc.likeness import CELLS
from schemas.records import Pattern
from streams.stages.known import AGAIN_S, KNOWN_MAX, PAGE_MAX, PAGES, Neighbours

HOUSE = Path(__file__).parents[4]
PATTERN = Pattern(
    request_id="r", ordinal=1, count=1, tenant="mill", lattice="straight",
    repeat_width_um=64_000, repeat_height_um=64_000,
)  # fmt: skip
ONE, OTHER = "a" * CELLS, "b" * CELLS


def killed(shelf: Path, request_id: str, tenant: str = "mill") -> str:
    """What a stage in a process of its own says of one pattern, before it is killed."""
    module = "tests.unit.streams.stages.finishing_child"
    command = [sys.executable, "-m", module, str(shelf), request_id, tenant]
    with subprocess.Popen(
        command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said = child.stdout.readline().strip()
        child.kill()
    assert child.returncode == -signal.SIGKILL
    return said


def test_a_stage_that_was_killed_is_remembered(tmp_path: Path) -> None:
    """The same art of a later request, in a process begun after a SIGKILL, finds the earlier one;
    another tenant's does not."""
    assert killed(tmp_path, "first") == "tile 1.0"
    assert killed(tmp_path, "second") == "tile:first.1 0.0"
    assert killed(tmp_path, "third", "shop") == "tile 1.0"


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    """However many patterns a tenant has, its pages hold PAGE_MAX each, and the latest stay."""
    store = FolderStore(tmp_path)
    neighbours = Neighbours(store)
    for number in range(2 * PAGE_MAX * PAGES):
        neighbours.add(replace(PATTERN, request_id=f"r{number}"), ONE)
    kept = Neighbours(store).others(PATTERN)
    assert len(kept) == KNOWN_MAX
    assert f"r{2 * PAGE_MAX * PAGES - 1}.1" in dict(kept)
    assert "r0.1" not in dict(kept)
    assert len(list(store.keys("mill/likeness/"))) == PAGES


def test_two_workers_keep_each_others_entries(tmp_path: Path) -> None:
    """A page is merged, not replaced: what another worker wrote meanwhile stays."""
    one, other = Neighbours(FolderStore(tmp_path)), Neighbours(FolderStore(tmp_path))
    for number in range(2 * PAGES):
        worker = one if number % 2 else other
        worker.add(replace(PATTERN, request_id=f"r{number}"), ONE)
    assert len(Neighbours(FolderStore(tmp_path)).others(PATTERN)) == 2 * PAGES


def test_what_another_worker_finished_is_known_a_minute_later(tmp_path: Path) -> None:
    """Pages are read again when they are old, and not at every pattern."""
    now_s = 0.0
    mine = Neighbours(FolderStore(tmp_path), clock_s=lambda: now_s)
    assert mine.others(PATTERN) == ()
    Neighbours(FolderStore(tmp_path)).add(replace(PATTERN, request_id="theirs"), ONE)
    now_s = AGAIN_S - 1
    assert mine.others(PATTERN) == ()
    now_s = AGAIN_S
    assert mine.others(PATTERN) == (("theirs.1", ONE),)


def test_damaged_pages_are_written_anew(tmp_path: Path) -> None:
    """A page that holds something else counts as empty and keeps no pattern from its asset."""
    store = FolderStore(tmp_path)
    texts = (b"{", b'{"a": 1}', b'[["x"], 3, ["y", "zz"], [1, 2]]')
    for page in range(PAGES):
        key = keys.likeness_key("mill", page)
        store.put(key, texts[page % len(texts)], media_type="application/json")
    neighbours = Neighbours(store)
    assert neighbours.others(PATTERN) == ()
    neighbours.add(PATTERN, OTHER)
    neighbours.add(replace(PATTERN, request_id="s"), "no fingerprint")
    again = Neighbours(store).others(replace(PATTERN, request_id="t"))
    assert again == (("r.1", OTHER),)
