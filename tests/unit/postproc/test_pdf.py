"""The spot-colour PDF separates into exactly the named plates, as Ghostscript and qpdf see it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from postproc.lattice import HALF_DROP
from postproc.pdf import RESERVED_NAMES, write_spot_pdf
from postproc.plates import separate
from postproc.svg import Sheet
from postproc.trace import trace

pikepdf = pytest.importorskip("pikepdf")

SHEET = Sheet(width_px=128, height_px=128, width_um=641_350, height_um=320_000, bleed_px=2)
BLEED_UM = 3_000


@pytest.fixture(scope="module")
def made(periodic: Any, tmp_path_factory: Any) -> tuple[Path, list[str]]:
    """A PDF of five inks on disk, and the inks' names."""
    tile = periodic(HALF_DROP, seed=3, side_px=128, colours=5)
    separation = separate(tile, HALF_DROP, colours_max=8)
    plates = trace(separation.index_map, separation.palette, HALF_DROP, bleed_px=2)
    data = write_spot_pdf(plates, SHEET, bleed_um=BLEED_UM, title="Dots (and) stripes")
    assert data == write_spot_pdf(plates, SHEET, bleed_um=BLEED_UM, title="Dots (and) stripes")
    path = tmp_path_factory.mktemp("pdf") / "spot.pdf"
    path.write_bytes(data)
    with pikepdf.open(path) as pdf:
        spaces = pdf.pages[0].Resources.ColorSpace
        names = [str(spaces[f"/Ink{n}"][1])[1:] for n in range(len(spaces))]
    return path, names


def test_inks_are_named_in_printing_order_and_never_reserved(made: Any) -> None:
    """Separation spaces called 01- and up, none of which a RIP takes for something else."""
    names = made[1]
    assert [name[:3] for name in names] == [f"{n:02d}-" for n in range(1, len(names) + 1)]
    assert not RESERVED_NAMES & set(names)


def test_boxes_are_the_repeat_and_its_bleed(made: Any) -> None:
    """The trim is the ordered size within 0.04 um, strictly inside the bleed."""
    with pikepdf.open(made[0]) as pdf:
        page = pdf.pages[0]
        trim = [float(value) for value in page.TrimBox]
        media = [float(value) for value in page.MediaBox]
    width_um, height_um = ((trim[k + 2] - trim[k]) * 25_400 / 72 for k in (0, 1))
    assert width_um == pytest.approx(641_350, abs=0.06)
    assert height_um == pytest.approx(320_000, abs=0.06)
    assert media[0] < trim[0] < trim[2] < media[2]
    assert media[1] < trim[1] < trim[3] < media[3]


def test_each_ink_is_a_layer(made: Any) -> None:
    """A reader can switch every plate on and off by name."""
    with pikepdf.open(made[0]) as pdf:
        layers = [str(group.Name) for group in pdf.Root.OCProperties.OCGs]
        assert pdf.pdf_version >= "1.5"
    assert layers == made[1]


@pytest.mark.skipif(shutil.which("gs") is None, reason="Ghostscript is not installed")
def test_ghostscript_separates_exactly_the_named_plates(made: Any, tmp_path: Path) -> None:
    """Plates with our names, empty process plates, and one ink on every pixel."""
    path, names = made
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffsep", "-r36"]
    subprocess.run([*command, f"-sOutputFile={tmp_path}/s.tif", str(path)], check=True)
    inked = {}
    for plate in tmp_path.glob("s(*).tif"):
        with Image.open(plate) as picture:
            inked[plate.name[2:-5]] = 1 - np.asarray(picture.convert("L"), dtype=float) / 255
    process = {"Cyan", "Magenta", "Yellow", "Black"}
    assert set(inked) - process == set(names)
    assert all(inked[name].max() == 0 for name in process)
    total = sum(inked[name] for name in names)
    assert total.mean() == pytest.approx(1.0, abs=0.002)


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
def test_qpdf_finds_nothing_wrong(made: Any) -> None:
    """An independent checker accepts the file's structure."""
    done = subprocess.run(["qpdf", "--check", str(made[0])], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
