"""`heddle finish` and `heddle check` as people type them: options, files, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from heddle.__main__ import main
from postproc.lattice import HALF_DROP
from postproc.swatches import read_swatches

CLIENT = "name;L;a;b\nMill Navy;20,5;4,25;-30\nChalk;95;0;5\nMadder;40;55;30\nSun;85;2;75\n"
NIGHT = "name,hex\nink,#101018\nmoon,#e8e4d0\nrust,#a04020\nmoss,#40502c\n"


@pytest.fixture
def desk(periodic: Any, tmp_path: Path) -> Path:
    """A folder with a tile and two palettes."""
    Image.fromarray(periodic(HALF_DROP, seed=3)).save(tmp_path / "dots.png")
    (tmp_path / "client.csv").write_text(CLIENT)
    (tmp_path / "night.csv").write_text(NIGHT)
    return tmp_path


def finish(desk: Path, *more: str) -> int:
    told = ["finish", str(desk / "dots.png"), "--recipe", "textile-digital", "--repeat-mm", "80x80"]
    return main([*told, "--lattice", "half-drop", "--out", str(desk / "out"), *more])


def test_client_colours_and_a_colourway_from_files(desk: Path, capsys: Any) -> None:
    """Two palettes in, two sets of files out, the client's names in ASE, the moves in the table."""
    colours = ["--locked", str(desk / "client.csv"), "--colourway", f"night={desk}/night.csv"]
    assert finish(desk, *colours, "--creator", "Ada", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"]
    names = sorted(path.name for path in (desk / "out").iterdir())
    assert sorted([*told["files"], "manifest.json"]) == names
    assert sum("-night-" in name for name in names) == 5
    ase = read_swatches((desk / "out" / "dots-palette.ase").read_bytes())
    assert {swatch.name for swatch in ase} <= {"Mill Navy", "Chalk", "Madder", "Sun"}
    moves = [figure for figure in told["figures"] if figure["name"] == "lock_delta_e_2000"]
    assert all(" to " in figure["where"] for figure in moves)
    tiff = next(path for path in (desk / "out").iterdir() if path.suffix == ".tif")
    assert b"Ada" in tiff.read_bytes()


def test_a_lock_that_is_too_far_exits_with_one(desk: Path, capsys: Any) -> None:
    """The files are written for looking at, and the verdict is REFUSED."""
    (desk / "green.csv").write_text("name,hex\nonly,#00c000\npaper,#ffffff\n")
    assert finish(desk, "--locked", str(desk / "green.csv"), "--lock-delta-e", "3") == 1
    out = capsys.readouterr().out
    assert "REFUSED" in out
    assert "lock_delta_e_2000" in out


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--colourway", "night", "--colourway: 'night' is no colourway (limit: NAME=FILE)"),
        ("--lab", "D93/10", "--lab: viewing 'D93/10' is not known"),
        ("--sign-key", "client.csv", "--sign-key: half a signer"),
    ],
)
def test_options_that_cannot_be_read_are_named(
    desk: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, option: str, value: str, said: str
) -> None:
    """One line says which option, what was wrong with it and what would be right."""
    monkeypatch.chdir(desk)
    assert finish(desk, "--locked", "client.csv", option, value) == 1
    assert said in capsys.readouterr().err


def test_checked_files_say_where(desk: Path, capsys: Any) -> None:
    """A good tile exits with 0; under another lattice with 1 and the worst join in words."""
    assert main(["check", str(desk / "dots.png"), "--lattice", "half-drop"]) == 0
    marked = ["--marked", str(desk / "marked")]
    assert main(["check", str(desk / "dots.png"), "--lattice", "straight", *marked]) == 1
    assert "REFUSED, worst at the right join" in capsys.readouterr().out
    assert (desk / "marked" / "dots-marked.png").exists()
