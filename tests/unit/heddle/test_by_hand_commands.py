"""`heddle finish` and `heddle check`, as a designer types them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heddle.__main__ import main


def picture(path: Path, *, seam: bool) -> Path:
    """Soft periodic blots on cream, or the same cut where it does not join."""
    across = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    if seam:
        across = across * 0.83
    field = np.cos(across * 3)[None, :] + np.cos(across * 2)[:, None]
    share = 1 / (1 + np.exp(-np.clip(field * 12, -50, 50)))[..., None]
    rgb = np.array([240, 230, 210]) * (1 - share) + np.array([30, 40, 90]) * share
    Image.fromarray(np.rint(rgb).astype(np.uint8)).save(path)
    return path


def test_finish_writes_files_and_a_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file opens, the manifest names them, the figures stand against their limits."""
    tile, out = picture(tmp_path / "blots.png", seam=False), tmp_path / "out"
    words = [
        "finish",
        str(tile),
        "--recipe",
        "web-preview",
        "--repeat-mm",
        "640x640",
        "--out",
        str(out),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "seam_p" in said
    assert "fine" in said
    manifest = json.loads((out / "manifest.json").read_text())
    for file in manifest["files"]:
        data = (out / file["display_name"]).read_bytes()
        assert len(data) == file["size_bytes"]
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()


def test_check_refuses_a_seam_and_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, where it is in words, and a picture with the worst join marked."""
    good, bad = picture(tmp_path / "good.png", seam=False), picture(tmp_path / "bad.png", seam=True)
    assert main(["check", str(good)]) == 0
    capsys.readouterr()
    assert main(["check", str(good), str(bad), "--marked", str(tmp_path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["passed"] for one in told] == [True, False]
    assert "join" in told[1]["worst"]
    with Image.open(tmp_path / "bad-marked.png") as marked:
        marked.load()


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, a file that is no picture, an unknown recipe: one line each."""
    assert main(["check", str(tmp_path / "none.png")]) == 2
    (tmp_path / "text.png").write_text("no picture")
    assert main(["check", str(tmp_path / "text.png")]) == 1
    tile = picture(tmp_path / "a.png", seam=False)
    words = ["finish", str(tile), "--recipe", "magic", "--repeat-mm", "64", "--out", str(tmp_path)]
    assert main(words) == 1
    assert capsys.readouterr().err.count("\n") == 3
