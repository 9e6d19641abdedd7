"""Finished files of shipped recipes, read and drawn by programs that share no code with us.

SVG by resvg (Rust) against libvips' renderer; PDF and .ai by Ghostscript and qpdf; TIFF by
libtiff's own tools and Pillow. Bounds are stated beside each comparison.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resvg_py
import tifffile
from PIL import Image

from postproc.files import read_plate
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.lattice import HALF_DROP, step_and_repeat
from postproc.recipe import shipped_recipe
from postproc.svg import rasterise

SIDE_UM = 80_000
needs_gs = pytest.mark.skipif(shutil.which("gs") is None, reason="Ghostscript is not installed")
needs_qpdf = pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
needs_tiff = pytest.mark.skipif(shutil.which("tiffinfo") is None, reason="no libtiff tools")
needs_pdfinfo = pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="no poppler tools")


def finished(periodic: Any, recipe: str) -> Finished:
    tile = periodic(HALF_DROP, seed=3, side_px=96, colours=5)
    order = Order(repeat=repeat_of("half-drop", SIDE_UM, SIDE_UM), design="dots")
    return finish(tile, shipped_recipe(recipe), order)


@pytest.fixture(scope="module")
def vector(periodic: Any) -> Finished:
    """SVG, spot PDF, .ai and layers."""
    return finished(periodic, "vector")


@pytest.fixture(scope="module")
def rotary(periodic: Any) -> Finished:
    """Plates, separations and spot PDF, trapped."""
    return finished(periodic, "rotary-screen")


def data_of(done: Finished, role: str) -> bytes:
    return next(artefact.data for artefact in done.artefacts if artefact.role == role)


def resvg(svg: str, width_px: int) -> Any:
    drawn = resvg_py.svg_to_bytes(svg_string=svg, width=width_px, dpi=96, skip_system_fonts=True)
    with Image.open(io.BytesIO(drawn)) as picture:
        rgba = np.asarray(picture.convert("RGBA"))
    assert rgba[..., 3].min() == 255, "a hole, or a hairline of paper"
    return rgba[..., :3].astype(int)


def test_a_second_renderer_draws_the_same_svg(vector: Finished) -> None:
    """Resvg and libvips differ by 2 levels on average and on 2 % of pixels by more than 64."""
    svg = data_of(vector, "vector")
    ours = rasterise(svg, width_px=512, height_px=512).astype(int)
    theirs = resvg(svg.decode(), 512)
    off = np.abs(ours - theirs).max(axis=2)
    assert off.mean() < 2
    assert (off > 64).mean() < 0.02


def test_the_pattern_cell_lays_the_cloth_without_hairlines(vector: Finished) -> None:
    """A sheet filled with `repeat` at a crooked scale is opaque and is the cloth by the drop."""
    svg = data_of(vector, "vector").decode()
    body = svg[svg.index("<title>") : svg.rindex("</svg>")]
    root = svg[svg.index("<svg ") : svg.index(">", svg.index("<svg ")) + 1]
    side = int(root.split('viewBox="0 0 ')[1].split()[0])
    # The tile itself moves into the definitions; the sheet shows the pattern alone.
    cut = body.index('<g id="tile"')
    defs = body[:cut].replace("</defs>", "") + body[cut:] + "</defs>"
    head = root.replace(f'viewBox="0 0 {side} {side}"', f'viewBox="0 0 {2 * side} {2 * side}"')
    sheet = f'{head}{defs}<rect width="{2 * side}" height="{2 * side}" fill="url(#repeat)"/></svg>'
    theirs = resvg(sheet, 700)
    unit = rasterise(svg.encode(), width_px=350, height_px=350)
    cloth = step_and_repeat(unit, HALF_DROP, columns=2, rows=2).astype(int)
    off = np.abs(theirs - cloth).max(axis=2)
    # resvg draws a cell once and resamples it, so edges are softer than those drawn in place.
    assert off.mean() < 6


@needs_gs
@pytest.mark.parametrize("role", ["spot", "illustrator"])
def test_ghostscript_finds_the_plates_and_their_coverage(
    vector: Finished, tmp_path: Path, role: str
) -> None:
    """Plates exactly as the palette names them, each within a point of its coverage."""
    path = tmp_path / "page.pdf"
    path.write_bytes(data_of(vector, role))
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffsep", "-r360"]
    command += ["-dUseTrimBox", f"-sOutputFile={tmp_path}/s.tif", str(path)]
    subprocess.run(command, check=True)
    found = {}
    for plate in tmp_path.glob("s(*).tif"):
        with Image.open(plate) as picture:
            found[plate.name[2:-5]] = 1 - np.asarray(picture.convert("L"), dtype=float) / 255
    inks = json.loads(data_of(vector, "palette"))["inks"]
    process = {"Cyan", "Magenta", "Yellow", "Black"}
    assert set(found) - process == {ink["plate"] for ink in inks}
    assert all(found[name].max() == 0 for name in process)
    for ink in inks:
        assert found[ink["plate"]].mean() == pytest.approx(ink["coverage"], abs=0.01)


@needs_gs
def test_the_pdf_shows_the_picture_of_the_svg(vector: Finished, tmp_path: Path) -> None:
    """On a screen the trim box holds the repeat; 6 levels on average (Lab against sRGB)."""
    path = tmp_path / "page.pdf"
    path.write_bytes(data_of(vector, "spot"))
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=png16m", "-dUseTrimBox"]
    command += ["-g256x256", f"-r{256 * 25.4 / 80:.6f}", "-dGraphicsAlphaBits=4"]
    subprocess.run([*command, f"-sOutputFile={tmp_path}/page.png", str(path)], check=True)
    with Image.open(tmp_path / "page.png") as picture:
        theirs = np.asarray(picture.convert("RGB")).astype(int)
    ours = rasterise(data_of(vector, "vector"), width_px=256, height_px=256).astype(int)
    assert np.abs(theirs - ours).mean() < 6


@needs_qpdf
@pytest.mark.parametrize("role", ["spot", "illustrator"])
def test_qpdf_agrees_on_structure_and_boxes(vector: Finished, tmp_path: Path, role: str) -> None:
    """Nothing to complain about; the trim is 80 mm, 3 mm inside bleed and media."""
    path = tmp_path / "page.pdf"
    path.write_bytes(data_of(vector, role))
    subprocess.run(["qpdf", "--check", str(path)], check=True, capture_output=True)
    told = subprocess.run(["qpdf", "--json", str(path)], check=True, capture_output=True, text=True)
    objects = json.loads(told.stdout)["qpdf"][1]
    page = next(
        entry["value"]
        for entry in objects.values()
        if isinstance(entry.get("value"), dict) and entry["value"].get("/Type") == "/Page"
    )
    trim = [float(value) * 25.4 / 72 for value in page["/TrimBox"]]
    assert trim == pytest.approx([3, 3, 83, 83], abs=0.001)
    bleed = [float(value) * 25.4 / 72 for value in page["/BleedBox"]]
    assert bleed == pytest.approx([0, 0, 86, 86], abs=0.001)


@needs_pdfinfo
def test_poppler_agrees_on_the_size(vector: Finished, tmp_path: Path) -> None:
    """One page of the ordered size, titled, not a prompt in sight."""
    path = tmp_path / "page.pdf"
    path.write_bytes(data_of(vector, "spot"))
    command = ["pdfinfo", "-box", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = dict(line.split(":", 1) for line in told.stdout.splitlines() if ":" in line)
    assert lines["Pages"].strip() == "1"
    assert lines["Title"].strip() == "dots"
    trim = [float(value) * 25.4 / 72 for value in lines["TrimBox"].split()]
    assert trim == pytest.approx([3, 3, 83, 83], abs=0.01)


def test_plates_and_separations_are_the_same_print(rotary: Finished) -> None:
    """The one-bit files and the many-ink file agree pixel for pixel, trap included."""
    samples = tifffile.imread(io.BytesIO(data_of(rotary, "separations")))
    plates = [a for a in rotary.artefacts if a.role.startswith("plate-")]
    assert samples.shape[2] == len(plates)
    for ink, plate in enumerate(plates):
        assert np.array_equal(read_plate(plate.data), samples[..., ink] == 255)


@needs_tiff
def test_libtiff_decodes_every_tiff(rotary: Finished, vector: Finished, tmp_path: Path) -> None:
    """Every strip of every TIFF decodes, and the resolution is the one that carries the size."""
    files = [a for done in (rotary, vector) for a in done.artefacts if a.media_type == "image/tiff"]
    assert len(files) >= 7
    for artefact in files:
        path = tmp_path / "file.tif"
        path.write_bytes(artefact.data)
        command = ["tiffinfo", "-D", str(path)]
        info = subprocess.run(command, capture_output=True, text=True, check=True)
        per_cm = float(info.stdout.split("Resolution: ")[1].split(",")[0])
        assert artefact.width_px / per_cm * 10 == pytest.approx(SIDE_UM / 1000, rel=1e-5)
