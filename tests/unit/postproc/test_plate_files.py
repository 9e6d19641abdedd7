"""Plates in every kind of file: one trap, one ground, and the PDF judged by what it draws."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pytest
import tifffile
from PIL import Image

from postproc.files import read_plate
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.lattice import HALF_DROP
from postproc.pdf_read import read_page
from postproc.plate_files import DRAWING_ERROR_MAX, off_share
from postproc.recipe import parse_recipe
from schemas.errors import Rejected

HEAD = """
name = "mine"
version = 1
[[step]]
do = "check-tile"
[[step]]
do = "enlarge"
[[step]]
do = "ink"
colours_max = 6
[[step]]
do = "trace"
bleed_mm = 2
"""
PLATES = """
[[step]]
do = "plates"
trap_mm = {trap}
ground = "{ground}"
[[step]]
do = "write"
file = "separated-tiff"
role = "separations"
trap_mm = {trap}
ground = "{ground}"
[[step]]
do = "write"
file = "pdf"
role = "spot"
trap_mm = {trap}
ground = "{ground}"
"""
needs_gs = pytest.mark.skipif(shutil.which("gs") is None, reason="Ghostscript is not installed")


def made(
    periodic: Any, *, trap: float = 0.4, ground: str = "print", side_um: int = 32_000
) -> Finished:
    """A 32 mm half-drop at 254 DPI: 320 px."""
    tile = periodic(HALF_DROP, seed=3, side_px=80, colours=5)
    recipe = parse_recipe(HEAD + PLATES.format(trap=trap, ground=ground), source="mine.toml")
    order = Order(repeat=repeat_of("half-drop", side_um, side_um), refuse=False)
    return finish(tile, recipe, order)


def data_of(done: Finished, role: str) -> bytes:
    return next(artefact.data for artefact in done.artefacts if artefact.role == role)


def plates_of(done: Finished) -> dict[str, Any]:
    """Where each 1-bit plate prints, by its name."""
    found = [one for one in done.artefacts if one.role.startswith("plate-")]
    return {one.role.removeprefix("plate-"): read_plate(one.data) for one in found}


def separated_by_ghostscript(pdf: bytes, folder: Path) -> dict[str, Any]:
    """Ink 0 to 1 of every spot plate that `tiffsep` finds in the trim box, at 254 DPI.

    Drawn at four times that: Ghostscript inks every pixel that a shape touches.
    """
    (folder / "page.pdf").write_bytes(pdf)
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffsep", "-r1016"]
    command += ["-dUseTrimBox", f"-sOutputFile={folder}/s.tif", f"{folder}/page.pdf"]
    subprocess.run(command, check=True)
    found = {}
    for plate in folder.glob("s(*).tif"):
        with Image.open(plate) as picture:
            found[plate.name[2:-5]] = 1 - np.asarray(picture.convert("L").reduce(4)) / 255
    return {name: ink for name, ink in found.items() if name[:2].isdigit()}


def failed(done: Finished) -> set[str]:
    return {f"{figure.artefact} {figure.name}" for figure in done.figures if not figure.passed}


@needs_gs
def test_the_trapped_pdf_separates_into_the_trapped_plates(periodic: Any, tmp_path: Path) -> None:
    """Ghostscript finds each 1-bit plate again, its trap included: within a point of coverage.

    The trap is ink on ink: all plates together lay down more than the one of knocked-out plates.
    """
    done = made(periodic)
    wanted, found = plates_of(done), separated_by_ghostscript(data_of(done, "spot"), tmp_path)
    assert found.keys() == wanted.keys()
    for name, plate in wanted.items():
        assert found[name].shape == plate.shape
        assert found[name].mean() == pytest.approx(plate.mean(), abs=0.01)
        assert ((found[name] > 0.5) != plate).mean() < 0.02
    assert sum(ink.mean() for ink in found.values()) > 1.02
    total = sum(found.values())
    assert total.min() > 0.9, "no paper shows between two plates"
    plain = separated_by_ghostscript(data_of(made(periodic, trap=0), "spot"), tmp_path)
    assert sum(ink.mean() for ink in plain.values()) == pytest.approx(1, abs=0.005)


def test_every_file_of_plates_holds_the_same_trap(periodic: Any) -> None:
    """The n-ink TIFF is the 1-bit plates; the PDF says that it is trapped and overprints."""
    done = made(periodic)
    samples = tifffile.imread(io.BytesIO(data_of(done, "separations")))
    for number, plate in enumerate(plates_of(done).values()):
        assert np.array_equal(samples[..., number] == 255, plate)
    with pikepdf.open(io.BytesIO(data_of(done, "spot"))) as pdf:
        assert str(pdf.docinfo["/Trapped"]) == "/True"
        over = pdf.pages[0].Resources.ExtGState["/Over"]
        assert (over.OP, over.op, int(over.OPM)) == (True, True, 1)
    traps = {f.artefact: f.figure for f in done.figures if f.name == "trap"}
    assert traps == {"plates": 0.4, "separations": 0.4, "spot": 0.4}
    assert failed(done) == set()


def test_a_ground_of_cloth_is_in_no_file(periodic: Any) -> None:
    """Neither plates nor TIFF nor PDF hold the first ink, and the PDF's picture is right on it."""
    done = made(periodic, ground="cloth")
    names = list(plates_of(done))
    assert [name[:3] for name in names] == ["02-", "03-", "04-", "05-"]
    with tifffile.TiffFile(io.BytesIO(data_of(done, "separations"))) as tiff:
        listed = tiff.pages.first.tags[333].value.rstrip("\0").split("\0")
    assert listed == names
    with pikepdf.open(io.BytesIO(data_of(done, "spot"))) as pdf:
        spaces = pdf.pages[0].Resources.ColorSpace
        assert [str(space[1])[1:] for space in spaces.values()] == names
    assert failed(done) == set()


def test_a_trap_finer_than_a_pixel_is_no_trap(periodic: Any) -> None:
    """0.05 mm at 10 px/mm would be nothing at all: refused by figure and limit."""
    done = made(periodic, trap=0.05)
    assert failed(done) == {"plates trap", "separations trap", "spot trap"}


def test_a_trap_of_nearly_whole_pixels_is_whole(periodic: Any) -> None:
    """32.04 mm are 320 px of 0.100125 mm: a trap of 0.2 mm is still two pixels, not one."""
    done = made(periodic, trap=0.2, side_um=32_040)
    assert all(artefact.width_px == 320 for artefact in done.artefacts if artefact.width_px > 0)
    traps = [figure.figure for figure in done.figures if figure.name == "trap"]
    assert traps == pytest.approx([0.20025] * 3)


def test_a_pdf_is_judged_by_what_it_holds(periodic: Any) -> None:
    """A plate moved by a millimetre inside the file shows: the file is read, not the intention."""
    data = data_of(made(periodic, trap=0), "spot")
    whole = read_page(data)
    assert whole.width_um == pytest.approx(32_000, abs=0.1)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        content = pdf.pages[0].Contents.read_bytes()
        matrix = next(line for line in content.splitlines() if line.endswith(b" cm"))
        numbers = matrix.split()
        moved = b" ".join([*numbers[:4], b"%.4f" % (float(numbers[4]) + 2.8346), *numbers[5:]])
        pdf.pages[0].Contents = pdf.make_stream(content.replace(matrix, moved, 1))
        buffer = io.BytesIO()
        pdf.save(buffer)
    one, other = (
        page.drawn(width_px=320, height_px=320) for page in (whole, read_page(buffer.getvalue()))
    )
    assert off_share(one, one) == 0
    assert off_share(other, one) > 5 * DRAWING_ERROR_MAX


def test_foreign_operators_are_refused_by_name(periodic: Any) -> None:
    """The reader knows what our writer writes, and says what it does not know."""
    data = data_of(made(periodic, trap=0), "spot")
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.pages[0].Contents = pdf.make_stream(b"q 0.5 g 0 0 9 9 re f Q")
        buffer = io.BytesIO()
        pdf.save(buffer)
    with pytest.raises(Rejected, match="paints with g"):
        read_page(buffer.getvalue())


@pytest.mark.parametrize("key", ["trap_mm = 0.2", 'ground = "cloth"'])
def test_only_plates_are_trapped(key: str) -> None:
    """A recipe that traps a flat picture is refused at its line."""
    step = f'[[step]]\ndo = "write"\nfile = "png"\n{key}\n'
    with pytest.raises(Rejected, match=r"mine.toml line 17: png has no plates"):
        parse_recipe(HEAD + step, source="mine.toml")
