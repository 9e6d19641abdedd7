"""The stack's folder, its state file, its lock, and the sentences about logs and disks."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from heddle.stack import diagnosis, lock, state
from heddle.stack.layout import StackFolder
from heddle.stack.state import ProcessState, StackState
from schemas.errors import Unusable


def test_the_folder_is_chosen_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option wins over the setting, the setting over `.heddle` in the current folder."""
    monkeypatch.chdir(tmp_path)
    setting = {"HEDDLE_STACK": str(tmp_path / "set")}
    assert StackFolder.choose("given", setting).root == tmp_path / "given"
    assert StackFolder.choose(None, setting).root == tmp_path / "set"
    assert StackFolder.choose(None, {}).root == tmp_path / ".heddle"


def test_passwords_are_made_once_for_the_owner_only(tmp_path: Path) -> None:
    """A second call keeps the password; nobody else may read it or the folder it lies in."""
    folder = StackFolder(root=tmp_path)
    folder.make()
    first = folder.secret_file("one").read_text(encoding="ascii")
    assert folder.secret_file("one").read_text(encoding="ascii") == first
    assert folder.secret_file("two").read_text(encoding="ascii") != first
    assert len(first.strip()) >= 32
    assert stat.S_IMODE((folder.run / "one").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.run.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the way is answered with the folder and the option."""
    (tmp_path / "file").touch()
    folder = StackFolder(root=tmp_path / "file" / "stack")
    with pytest.raises(Unusable, match=r"file/stack cannot be made .*--stack DIR"):
        folder.make()


def test_only_what_a_stack_laid_there_is_cleared(tmp_path: Path) -> None:
    """A folder that never was a stack's loses nothing; of a stack's, what somebody put beside it
    stays."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "holiday.jpg").touch()
    folder = StackFolder(root=tmp_path)
    with pytest.raises(Unusable, match="no stack's"):
        folder.clear()
    assert (tmp_path / "assets" / "holiday.jpg").exists()
    stack = StackFolder(root=tmp_path / "stack")
    stack.make()
    state.write(stack.state, StackState(condition="stopped"))
    (stack.root / "notes.txt").touch()
    stack.clear()
    assert [path.name for path in stack.root.iterdir()] == ["notes.txt"]
    (stack.root / "notes.txt").unlink()
    state.write(stack.state, StackState(condition="stopped"))
    stack.clear()
    assert not stack.root.exists()


def test_state_comes_back_as_written(tmp_path: Path) -> None:
    """Every field survives the file; no temporary file is left beside it."""
    told = StackState(
        condition="ready",
        run_id="r",
        supervisor_pid=7,
        started_at="2026-11-01T00:00:00.000+00:00",
        note="n",
        ports={"kafka": 9092},
        addresses={"HEDDLE_BOOTSTRAP": "127.0.0.1:9092"},
        processes=(ProcessState(name="kafka", phase="ready", pid=8, port=9092, restarts=2),),
    )
    state.write(tmp_path / "stack.json", told)
    assert state.read(tmp_path / "stack.json") == told
    assert [one.name for one in tmp_path.iterdir()] == ["stack.json"]


def test_no_state_is_no_error(tmp_path: Path) -> None:
    """A folder without a stack has no state."""
    assert state.read(tmp_path / "stack.json") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "processes": 3}']
)
def test_a_damaged_state_is_named(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with the file, the answer says which one to remove."""
    path = tmp_path / "stack.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unusable, match=r"stack\.json is damaged .*: remove it"):
        state.read(path)


def test_another_versions_state_is_not_guessed_at(tmp_path: Path) -> None:
    """A file of another format is refused with both numbers."""
    path = tmp_path / "stack.json"
    path.write_text(json.dumps({"version": 99, "processes": []}), encoding="utf-8")
    with pytest.raises(Unusable, match=r"format 99, wanted 1"):
        state.read(path)


def test_the_lock_has_one_holder_and_names_it(tmp_path: Path) -> None:
    """While held, a second taker is refused with the id; afterwards nobody holds it."""
    path = tmp_path / "run" / "lock"
    assert lock.holder(path) is None
    with lock.held(path):
        assert lock.holder(path) == os.getpid()
        second = lock.held(path)
        with pytest.raises(Unusable, match=rf"already runs in .* \(process {os.getpid()}\)"):
            second.__enter__()
    assert lock.holder(path) is None


@pytest.mark.parametrize("sign", [sign for sign, _ in diagnosis.KNOWN])
def test_known_causes_come_with_advice(tmp_path: Path, sign: str) -> None:
    """A known sign anywhere in the end of a log becomes its advice, with the log's name."""
    log = tmp_path / "x.log"
    log.write_text(f"java.io.IOException: {sign}\n\tat somewhere\nlast line\n", encoding="utf-8")
    advice = dict(diagnosis.KNOWN)[sign]
    assert diagnosis.from_log(log) == f"{advice} (log: {log})"


def test_an_unknown_cause_is_the_last_line(tmp_path: Path) -> None:
    """Blank lines at the end do not hide what was said last; long lines are cut."""
    log = tmp_path / "x.log"
    log.write_text("first\n" + "y" * 1_000 + "\n\n \n", encoding="utf-8")
    assert diagnosis.from_log(log) == f"{'y' * 300} (log: {log})"


def test_yesterdays_cause_is_not_todays(tmp_path: Path) -> None:
    """What the log held before the start is not read; after a cut, all of it is."""
    log = tmp_path / "x.log"
    log.write_text("No space left on device\nnew\n", encoding="utf-8")
    assert diagnosis.from_log(log, since_bytes=24) == f"new (log: {log})"
    assert diagnosis.from_log(log, since_bytes=10_000).startswith("the disk is full")


def test_a_log_that_says_nothing(tmp_path: Path) -> None:
    """An empty log and a missing one each get a sentence."""
    log = tmp_path / "x.log"
    assert "cannot be read" in diagnosis.from_log(log)
    log.touch()
    assert diagnosis.from_log(log) == f"it said nothing (log: {log})"


def test_a_full_disk_is_said_with_both_figures(tmp_path: Path) -> None:
    """What is left, what is needed, and the two ways out; enough room says nothing."""
    said = diagnosis.full_disk(tmp_path, free_bytes=3 << 20, need_bytes=256 << 20, what="the shelf")
    assert said == (
        f"the disk under {tmp_path} has 3 MB left and the shelf needs 256 MB:"
        " free some space, or keep the stack on another disk with `--stack DIR`"
    )
    diagnosis.require_room(tmp_path, free_bytes_min=1, what="a test")
    with pytest.raises(Unusable, match="a test needs"):
        diagnosis.require_room(tmp_path, free_bytes_min=1 << 60, what="a test")
