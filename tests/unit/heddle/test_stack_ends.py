"""Lives that ended without a goodbye are noted for the next one, and forgotten once it has told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from heddle import parts, settings
from heddle.stack.ends import LIVES_MAX, TOLD_MS, Life, note, read
from heddle.stack.kept import Kept, Process
from heddle.stack.restarts import RestartPolicy


def life(name: str, *, lived_ms: int = 1_000) -> Life:
    return Life(incarnation=name, started_ms=5_000, stopped_ms=5_000 + lived_ms)


def test_a_killed_life_is_noted_and_a_clean_one_is_not(tmp_path: Path) -> None:
    """Of those that end soon after each other, none is lost."""
    path = tmp_path / "ends.jsonl"
    note(path, life("a"), clean=False)
    note(path, life("b"), clean=True)
    note(path, life("c"), clean=False)
    assert [one.incarnation for one in read(path)] == ["a", "c"]


def test_a_life_that_lived_on_has_told_of_those_before(tmp_path: Path) -> None:
    """Its own end is what remains, if it was killed too."""
    path = tmp_path / "ends.jsonl"
    note(path, life("a"), clean=False)
    note(path, life("b", lived_ms=TOLD_MS), clean=False)
    assert [one.incarnation for one in read(path)] == ["b"]
    note(path, life("c", lived_ms=TOLD_MS), clean=True)
    assert read(path) == ()


def test_the_file_is_bounded_and_nonsense_in_it_is_passed_over(tmp_path: Path) -> None:
    """A worker that dies again and again fills no disk; a torn line ends nobody."""
    path = tmp_path / "ends.jsonl"
    for number in range(LIVES_MAX + 5):
        note(path, life(str(number)), clean=False)
    assert [one.incarnation for one in read(path)] == [str(n) for n in range(5, LIVES_MAX + 5)]
    path.write_text('{"incarnation": "x"\n{"else": 1}\n[]\n', encoding="ascii")
    assert read(path) == ()
    assert read(tmp_path / "nowhere") == ()


def test_the_next_life_tells_what_was_noted(tmp_path: Path) -> None:
    """As the same worker, of the same machine; without a supervisor there is nothing to tell."""
    path = tmp_path / "ends.jsonl"
    note(path, life("a"), clean=False)
    given = {"HEDDLE_ENDS": str(path), "HEDDLE_INCARNATION": "now", "HEDDLE_WORKER": "w"}
    read_settings = settings.read(given)
    worker = parts.worker(read_settings, "generate")
    assert worker.incarnation == "now"
    told = parts.earlier_lives(read_settings, worker)
    assert [(one.incarnation, one.worker, one.duration_us) for one in told] == [("a", "w", 10**6)]
    assert parts.earlier_lives(settings.read({}), worker) == []


def test_the_supervisor_names_each_life_and_notes_how_it_ended(tmp_path: Path) -> None:
    """What the process was told to call itself is what stands in the file after its death."""
    path, log = tmp_path / "w.ends.jsonl", tmp_path / "w.log"
    code = "import os; print(os.environ['HEDDLE_INCARNATION'], flush=True); os._exit(3)"
    process = Process(name="w", argv=(sys.executable, "-c", code), env={}, log=log, ends=path)
    kept = Kept(process, RestartPolicy())
    for _ in range(2):
        kept.start(now_ms=0)
        assert kept.child is not None
        os.waitid(os.P_PID, kept.child.pid, os.WEXITED | os.WNOWAIT)
        kept.look(now_ms=1)
    noted = read(path)
    assert [one.incarnation for one in noted] == log.read_text(encoding="utf-8").split()
    assert len({one.incarnation for one in noted}) == 2
    assert all(one.stopped_ms >= one.started_ms > 0 for one in noted)
