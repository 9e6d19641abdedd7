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
    assert sorted(told["files"]) == names
    assert sum("-night-" in name for name in names) == 8
    ase = read_swatches(next((desk / "out").glob("dots-original-*.ase")).read_bytes())
    assert {swatch.name for swatch in ase} <= {"Mill Navy", "Chalk", "Madder", "Sun"}
    moves = [figure for figure in told["figures"] if figure["name"] == "lock_delta_e_2000"]
    assert all(" to " in figure["where"] for figure in moves)
    tiff = next(path for path in (desk / "out").iterdir() if path.name.endswith("digital.tif"))
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
    out = capsys.readouterr().out
    assert "REFUSED by seam_p" in out
    assert "worst at the right join" in out
    assert (desk / "marked" / "dots-marked.png").exists()


def test_one_file_that_cannot_be_read_keeps_none_from_being_judged(desk: Path, capsys: Any) -> None:
    """Each file has its verdict; the exit code is that of the worst."""
    (desk / "text.png").write_text("no picture")
    files = [str(desk / name) for name in ("text.png", "dots.png", "none.png")]
    assert main(["check", *files, "--lattice", "half-drop"]) == 2
    said = capsys.readouterr()
    assert "dots.png: fine" in said.out
    assert "3 files, 2 refused" in said.out
    assert "text.png: the picture cannot be read" in said.err
    assert main(["check", *files[:2], "--lattice", "half-drop"]) == 1


def test_a_tile_with_a_seam_is_finished_for_looking_at(desk: Path, capsys: Any) -> None:
    """Exit 1, the gates that refused by name, and a picture of where beside the files."""
    told = ["finish", str(desk / "dots.png"), "--recipe", "web-preview", "--repeat-mm", "80x80"]
    assert main([*told, "--lattice", "straight", "--out", str(desk / "bad")]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert "REFUSED by seam_p" in last
    assert last.endswith("see seam-marked.png")
    assert (desk / "bad" / "seam-marked.png").exists()
    with Image.open(desk / "dots.png") as opened:
        opened.putalpha(128)
        opened.save(desk / "glass.png")
    told[1] = str(desk / "glass.png")
    told += ["--lattice", "half-drop", "--out", str(desk / "glass")]
    assert main(told) == 1
    assert "--ground" in capsys.readouterr().err
    assert main([*told, "--ground", "white"]) == 1
    assert "--ground: 'white' is no colour" in capsys.readouterr().err
    assert main([*told, "--ground", "#ffffff"]) == 0
    assert "note: transparent pixels laid on #ffffff" in capsys.readouterr().out
