"""What files say of themselves, as readers find it that have nothing to do with us."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from postproc.describe import DIGITAL_SOURCES, NAMESPACE, SOURCE_BASE, with_parameters, with_xmp
from postproc.files import read_back
from postproc.finish import Finished, Order, finish, repeat_of
from postproc.lattice import HALF_DROP
from postproc.order import Words
from postproc.recipe import parse_recipe
from schemas.errors import Rejected

RECIPE = """
name = "all"
version = 1
[[step]]
do = "enlarge"
scale_max = 1
[[step]]
do = "ink"
[[step]]
do = "trace"
bleed_mm = 2
[[step]]
do = "describe"
[[step]]
do = "plates"
"""
KINDS = {
    "tiff": "print",
    "png": "image",
    "indexed-tiff": "indexed",
    "cmyk-tiff": "press",
    "separated-tiff": "separations",
    "layered-tiff": "layers",
    "svg": "vector",
    "pdf": "spot",
    "ai": "illustrator",
}
WRITES = "".join(f'[[step]]\ndo = "write"\nfile = "{f}"\nrole = "{r}"\n' for f, r in KINDS.items())
WORDS = Words(creator="Ada & Co", rights="© 2026 Ada", parameters="Steps: 20, Seed: 7")
RASTERS = ("print", "image", "indexed", "press", "separations", "layers")


@pytest.fixture(scope="module")
def done(periodic: Any) -> Finished:
    """Every kind of file, described."""
    order = Order(repeat=repeat_of("half-drop", 80_000, 40_000), design="Sea <Dots>", words=WORDS)
    tile = periodic(HALF_DROP, seed=3, side_px=64)
    return finish(tile, parse_recipe(RECIPE + WRITES, source="all.toml"), order)


def data_of(done: Finished, role: str) -> bytes:
    return next(artefact.data for artefact in done.artefacts if artefact.role == role)


def packet(role: str, data: bytes, folder: Path) -> bytes:
    """The XMP, by a reader of that kind of file."""
    if role in {"spot", "illustrator"}:
        path = folder / "page.pdf"
        path.write_bytes(data)
        command = ["pdfinfo", "-meta", str(path)]
        return subprocess.run(command, capture_output=True, check=True).stdout
    if role == "vector":
        node = ET.fromstring(data).find("{http://www.w3.org/2000/svg}metadata")  # noqa: S314
        assert node is not None
        return ET.tostring(node[0])
    if role == "image":
        return bytes(pyvips.Image.new_from_buffer(data, "").get("xmp-data"))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return bytes(tiff.pages.first.tags[700].value)


@pytest.mark.parametrize(
    "role",
    [
        *(r for r in KINDS.values() if r not in {"spot", "illustrator"}),
        *(
            pytest.param(
                role,
                marks=pytest.mark.skipif(
                    shutil.which("pdfinfo") is None, reason="poppler's tools are not installed"
                ),
            )
            for role in ("spot", "illustrator")
        ),
    ],
)
def test_each_kind_says_its_repeat_and_its_origin(
    done: Finished, role: str, tmp_path: Path
) -> None:
    """Lattice, micrometres, plates and IPTC's digital source type are in every file."""
    text = packet(role, data_of(done, role), tmp_path).decode()
    root = ET.fromstring(re.sub(r"<\?xpacket[^>]*>", "", text).strip("\ufeff \n"))  # noqa: S314
    said = {
        node.tag.rsplit("}", 1)[1]: (node.text or "") for node in root.iter() if "}" in node.tag
    }
    assert said["DigitalSourceType"] == SOURCE_BASE + DIGITAL_SOURCES[0]
    assert (said["lattice"], said["unit"]) == ("half-drop", "repeat")
    assert (said["widthUm"], said["heightUm"]) == ("80000", "40000")
    assert (said["w"], said["h"]) == ("80.000", "40.000")
    assert said["recipeSha256"] == done.recipe_hash
    values = [node.text for node in root.iter() if node.tag.endswith("}li")]
    assert {"Sea <Dots>", "Ada & Co", "© 2026 Ada"} <= set(values)
    assert "01-" in "".join(value or "" for value in values)
    assert NAMESPACE in {node.tag[1:].split("}")[0] for node in root.iter()}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize(("role", "ending"), [*zip(KINDS.values(), KINDS, strict=True)])
def test_exiftool_reads_the_same_words(
    done: Finished, role: str, ending: str, tmp_path: Path
) -> None:
    """Title, origin, plates and page size under the names that picture libraries show."""
    path = tmp_path / ("file.tif" if ending.endswith("tiff") else f"file.{ending}")
    path.write_bytes(data_of(done, role))
    command = ["exiftool", "-json", "-G1", "-struct", "-n", str(path)]
    told = subprocess.run(command, capture_output=True, check=True, text=True)
    (said,) = json.loads(told.stdout)
    assert said["XMP-dc:Title"] == "Sea <Dots>"
    assert said["XMP-dc:Rights"] == "© 2026 Ada"
    assert said["XMP-iptcExt:DigitalSourceType"] == SOURCE_BASE + DIGITAL_SOURCES[0]
    assert said["XMP-xmpTPg:PlateNames"][0].startswith("01-")
    size = said["XMP-xmpTPg:MaxPageSize"]
    assert (float(size["W"]), float(size["H"]), size["Unit"]) == (80, 40, "mm")
    if path.suffix == ".tif":
        per_cm = said["IFD0:XResolution"]
        assert said["IFD0:ResolutionUnit"] == 3
        assert said["IFD0:ImageWidth"] / per_cm == pytest.approx(8, abs=1e-6)
    if path.suffix == ".png":
        assert said["PNG-pHYs:PixelUnits"] == 1
        assert said["PNG:Parameters"] == "Steps: 20, Seed: 7"


@pytest.mark.parametrize("role", ["image", "print"])
def test_pillow_still_reads_the_pixels(done: Finished, role: str) -> None:
    """Words were put in; not a pixel, profile or size was touched."""
    data = data_of(done, role)
    with Image.open(io.BytesIO(data)) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), read_back(data))
        assert picture.info["icc_profile"]


def test_a_png_keeps_parameters_where_tools_look(done: Finished) -> None:
    """Pillow finds the text under `parameters`, Latin or not; it is what the caller gave."""
    data = data_of(done, "image")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info["parameters"] == "Steps: 20, Seed: 7"
    with Image.open(io.BytesIO(with_parameters(data, "花"))) as picture:
        picture.load()
        assert "花" in str(picture.info["parameters"])
    assert with_parameters(b"%PDF-1.6", "x") == b"%PDF-1.6"


def test_plates_are_described_and_stay_one_bit(done: Finished) -> None:
    """A film setter still finds one bit in Group 4, and beside it the words."""
    plate = next(a.data for a in done.artefacts if a.role.startswith("plate-01"))
    with tifffile.TiffFile(io.BytesIO(plate)) as tiff:
        tags = tiff.pages.first.tags
        assert (tags["Compression"].value, tags["BitsPerSample"].value) == (4, 1)
        assert b"half-drop" in bytes(tags[700].value)


def test_nothing_is_said_unasked(periodic: Any) -> None:
    """Without the step and without words there is no packet and no prompt anywhere."""
    text = RECIPE.replace('[[step]]\ndo = "describe"\n', "")
    order = Order(repeat=repeat_of("half-drop", 80_000, 40_000))
    done = finish(periodic(HALF_DROP, seed=3), parse_recipe(text + WRITES, source="a.toml"), order)
    assert all(b"xmpmeta" not in a.data and b"parameters" not in a.data for a in done.artefacts)


def test_described_files_are_the_same_every_time(done: Finished, periodic: Any) -> None:
    """No time and no tool is in the packet: the same picture gives the same bytes."""
    order = Order(repeat=repeat_of("half-drop", 80_000, 40_000), design="Sea <Dots>", words=WORDS)
    tile = periodic(HALF_DROP, seed=3, side_px=64)
    again = finish(tile, parse_recipe(RECIPE + WRITES, source="all.toml"), order)
    assert [a.data for a in again.artefacts] == [a.data for a in done.artefacts]


def test_what_holds_no_words_comes_back_as_it_was() -> None:
    """Palettes and other kinds are left alone; a PNG without pixels is refused."""
    assert with_xmp(b'{"inks": []}', b"<x/>") == b'{"inks": []}'
    with pytest.raises(Rejected, match="holds no pixels"):
        with_xmp(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IEND\xaeB`\x82", b"<x/>")
