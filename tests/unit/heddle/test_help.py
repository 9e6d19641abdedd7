"""What every command promises: an example to type, JSON for programs, one line of why not."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from heddle.__main__ import _parser, main
from schemas.errors import EXIT_UNUSABLE

FOR_PEOPLE = {
    "demo": "a show; its files are the result",
    "down": "its exit code is the answer",
    "report": "writes a page",
    "models apply": "its exit code is the answer",
    "models alias": "its exit code is the answer",
    "run": "its log is JSON lines",
}
"""Commands without --json, and why no program would read their words."""


def leaves(
    parser: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that does something, with its words."""
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not inner and name:
        yield name, parser
    for action in inner:
        for word, child in action.choices.items():
            yield from leaves(child, f"{name} {word}".strip())


LEAVES = dict(leaves(_parser()))


@pytest.mark.parametrize("name", LEAVES)
def test_the_example_can_be_typed(name: str) -> None:
    """It begins with the command's own words, and the parser takes it."""
    _, _, example = (LEAVES[name].epilog or "").partition("example:\n")
    line = example.strip().partition(" && ")[0]
    words = [word for word in shlex.split(line) if not word.startswith("HEDDLE_")]
    assert " ".join(words).startswith(f"heddle {name}")
    assert callable(_parser().parse_args(words[1:]).function)


@pytest.mark.parametrize("name", LEAVES)
def test_programs_are_answered_in_json(name: str) -> None:
    """Or there is a reason why none would ask."""
    options = {option for action in LEAVES[name]._actions for option in action.option_strings}
    assert ("--json" in options) != (name in FOR_PEOPLE)


def test_a_folder_that_may_not_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a person named and the system refuses is told by name, with an exit code."""
    monkeypatch.setenv("HEDDLE_STACK", str(tmp_path))
    (tmp_path / "file").touch()
    assert main(["ask", "dots", "--out", str(tmp_path / "file" / "out")]) == EXIT_UNUSABLE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(tmp_path / "file" / "out") in said
