"""Files that hold every plate at once say exactly what the single plates say."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psdtags
import pytest
import tifffile
from PIL import Image

from postproc.by_hand import check_file
from postproc.files import PrintSize, tiff_size_um
from postproc.finish import Order, finish, repeat_of
from postproc.lattice import HALF_DROP, STRAIGHT
from postproc.plates import Separation, separate
from postproc.plates_read import INKS_MAX, plate_colours
from postproc.recipe import shipped_recipe
from postproc.seams import seam_figures
from postproc.separations import (
    LAYERED_PIXELS_MAX,
    pack,
    separations_kept,
    write_layered_tiff,
    write_separated_tiff,
)
from schemas.errors import Rejected

SIZE = PrintSize(width_px=96, height_px=96, width_um=641_350, height_um=320_000)


@pytest.fixture(scope="module")
def separation(periodic: Any) -> Separation:
    """Six inks, so that there are more than a reader may take for CMYK."""
    tile = periodic(HALF_DROP, seed=4, side_px=96, colours=6)
    return separate(tile, HALF_DROP, colours_max=8)


@pytest.fixture(scope="module")
def names(separation: Separation) -> list[str]:
    """Plate names in printing order."""
    return [ink.plate(rank) for rank, ink in enumerate(separation.palette.inks, start=1)]


def masks(separation: Separation) -> list[np.ndarray]:
    return [separation.index_map == ink for ink in range(len(separation.palette.inks))]


@pytest.mark.parametrize("inks", [1, 2, 4, 5, 6])
def test_as_many_inks_as_plates(separation: Separation, names: list[str], inks: int) -> None:
    """tifffile finds one sample per ink, our names, full ink where the plate prints, exact size."""
    own = masks(separation)[:inks]
    data = write_separated_tiff(pack(own), names[:inks], SIZE)
    assert data == write_separated_tiff(pack(own), names[:inks], SIZE)
    assert tiff_size_um(data) == (641_350, 320_000)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        tags = page.tags
        assert (int(page.photometric), tags["InkSet"].value) == (5, 2)
        assert (tags["NumberOfInks"].value, page.samplesperpixel) == (inks, inks)
        assert tags["InkNames"].value.rstrip("\0").split("\0") == names[:inks]
        assert "ExtraSamples" not in tags
        samples = page.asarray().reshape(96, 96, inks)
    assert np.array_equal(samples, np.stack(own, axis=-1) * np.uint8(255))


@pytest.mark.skipif(shutil.which("tiffinfo") is None, reason="libtiff's tools are not installed")
def test_libtiff_reads_the_separations(
    separation: Separation, names: list[str], tmp_path: Path
) -> None:
    """libtiff decodes every strip and names the inks."""
    path = tmp_path / "separations.tif"
    path.write_bytes(write_separated_tiff(pack(masks(separation)), names, SIZE))
    done = subprocess.run(["tiffinfo", "-d", str(path)], capture_output=True, text=True, check=True)
    assert f"Ink Names: {', '.join(names)}" in done.stdout
    assert f"NumberOfInks: {len(names)}" in done.stdout
    assert "Photometric Interpretation: separated" in done.stdout


def test_a_changed_plate_is_noticed(separation: Separation, names: list[str]) -> None:
    """The read-back compares pixels, not only sizes."""
    plates = masks(separation)
    data = write_separated_tiff(pack(plates), names, SIZE)
    assert separations_kept(data, pack(plates))
    plates[2] = plates[2].copy()
    plates[2][95, 95] ^= True
    assert not separations_kept(data, pack(plates))
    assert not separations_kept(data, pack(plates[:-1]))


def test_layers_stack_up_to_the_picture(
    separation: Separation, names: list[str], tmp_path: Path
) -> None:
    """A layer per ink by its name; laid over each other they are the flat picture of the file."""
    data = write_layered_tiff(separation.index_map, separation.palette, SIZE, names=names)
    assert data == write_layered_tiff(separation.index_map, separation.palette, SIZE, names=names)
    assert tiff_size_um(data) == (641_350, 320_000)
    flat = separation.palette.paint(separation.index_map)
    with Image.open(io.BytesIO(data)) as picture:
        assert np.array_equal(np.asarray(picture), flat)
    path = tmp_path / "layers.tif"
    path.write_bytes(data)
    layers = psdtags.TiffImageSourceData.fromtiff(path).layers
    assert [layer.name for layer in layers] == names
    stacked = np.zeros_like(flat)
    for layer in layers:
        box = layer.rectangle
        part = stacked[box.top : box.bottom, box.left : box.right]
        pixels = layer.asarray()
        part[pixels[..., 3] == 255] = pixels[pixels[..., 3] == 255][..., :3]
    assert np.array_equal(stacked, flat)


def test_layers_have_a_bound(separation: Separation, names: list[str]) -> None:
    """Every layer is held whole, so a large file is refused and not tried."""
    side = int(LAYERED_PIXELS_MAX**0.5) + 1
    large = np.broadcast_to(np.uint8(0), (side, side))
    with pytest.raises(Rejected) as caught:
        write_layered_tiff(large, separation.palette, SIZE, names=names)
    assert caught.value.limit == f"{LAYERED_PIXELS_MAX} px"


@pytest.mark.parametrize("inks", [2, 4, 6])
def test_check_judges_the_plates_of_a_separation_file(
    separation: Separation, names: list[str], inks: int
) -> None:
    """Plates that repeat pass as one picture, with names and size said; a cut of them does not."""
    own = masks(separation)[:inks]
    checked = check_file(write_separated_tiff(pack(own), names[:inks], SIZE), HALF_DROP)
    assert checked.passed
    assert checked.notes[0].startswith(f"{inks} plates ({names[0]}, {names[1]}")
    assert (checked.width_px, checked.width_um) == (SIZE.width_px, SIZE.width_um)
    cut = pack([mask[:74, :81] for mask in own])
    assert not check_file(write_separated_tiff(cut, names[:inks], SIZE), HALF_DROP).passed


def test_one_cut_plate_of_many_is_seen(separation: Separation, names: list[str]) -> None:
    """The darkest plate moved aside, bare where it came from: the picture no longer repeats."""
    own = masks(separation)
    navy = next(plate for plate, name in enumerate(names) if "navy" in name)
    own[navy] = np.roll(own[navy], 11, axis=1)
    own[navy][:, :11] = False
    assert not check_file(write_separated_tiff(pack(own), names, SIZE), HALF_DROP).passed


def checks_and_a_cut_disc(*, apart: bool) -> tuple[np.ndarray, np.ndarray]:
    """Checks that repeat, and a disc that the right edge cuts, [96, 96] each; beneath or below."""
    rows, columns = np.mgrid[:96, :96]
    checks = (columns // 6 + rows // 6) % 2 == 0
    if apart:
        return checks & (rows < 48), (columns - 84) ** 2 + (rows - 72) ** 2 < 25**2
    return checks, (columns - 70) ** 2 + (rows - 48) ** 2 < 40**2


def test_a_plate_that_hides_among_others_is_found() -> None:
    """Strong checks drown a cut disc in the picture of both; alone it fails, and is shown."""
    checks, disc = checks_and_a_cut_disc(apart=False)
    data = write_separated_tiff(pack([checks, disc]), ["01-navy", "02-ivory"], SIZE)
    checked = check_file(data, STRAIGHT)
    failed = [figure for figure in checked.figures if not figure.passed]
    assert {figure.artefact for figure in failed} == {"plate:02-ivory"}
    assert {figure.name for figure in failed} == {"seam_p", "seam_r2"}
    assert checked.worst.startswith("02-ivory, right join")
    with Image.open(io.BytesIO(checked.marked_png)) as shown:
        # The disc alone, black on white, and not the stand-in colours of both.
        assert shown.convert("RGB").getpixel((70, 48)) == (0, 0, 0)
        assert shown.convert("RGB").getpixel((3, 3)) == (255, 255, 255)
    kept = [figure for figure in checked.figures if figure.artefact == "plate:01-navy"]
    assert len(kept) == 4
    assert all(figure.passed for figure in kept)


def test_a_plate_that_hides_is_refused_when_it_is_made() -> None:
    """The same art as a tile: its picture passes, its pale plate does not."""
    checks, disc = checks_and_a_cut_disc(apart=True)
    tile = np.full((96, 96, 3), 255, np.uint8)
    tile[disc] = (250, 236, 200)
    tile[checks] = (20, 30, 80)
    assert all(figure.passed for figure in seam_figures(tile, STRAIGHT))
    order = Order(repeat=repeat_of("straight", 96_000, 96_000), refuse=False)
    figures = finish(tile, shipped_recipe("rotary-screen"), order).figures
    failed = {figure.artefact for figure in figures if not figure.passed}
    assert failed == {"plate-03-cream", "separations:03-cream"}
    with pytest.raises(Rejected) as caught:
        finish(tile, shipped_recipe("rotary-screen"), replace(order, refuse=True))
    assert caught.value.field == "seam_p"


def test_plates_without_colour_names_are_told_apart() -> None:
    """Spot names that say no colour, none at all, and one colour twice: each plate its own."""
    names = ["spot a", "PANTONE 123", "plate 3", "01-navy", "02-navy", *["x"] * 27]
    colours = plate_colours(names)
    assert len(set(colours)) == INKS_MAX == len(names)
    assert colours[3] == (24, 36, 84)


def test_damaged_separation_files_are_refused(separation: Separation, names: list[str]) -> None:
    """A file cut short is named so; it neither passes nor crashes the reader."""
    data = write_separated_tiff(pack(masks(separation)), names, SIZE)
    for length in (len(data) // 3, len(data) // 2):
        with pytest.raises(Rejected):
            check_file(data[:length], HALF_DROP)
