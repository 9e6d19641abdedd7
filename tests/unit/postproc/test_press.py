"""What a press receives: CMYK with its profile, plates that print where they should, exact size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from postproc.files import PrintSize, read_plate, tiff_size_um, write_plate
from postproc.finish import Order, finish, repeat_of
from postproc.lattice import HALF_DROP
from postproc.palette import Ink, Palette
from postproc.press import ink_total_figures, press_figures, write_cmyk_tiff
from postproc.recipe import parse_recipe, shipped_recipe
from schemas.errors import Unusable

SIZE = PrintSize(width_px=60, height_px=40, width_um=641_350, height_um=427_567)
RGB = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)

SCREENS = """
name = "screens"
version = 1
[[step]]
do = "enlarge"
scale_max = 2
[[step]]
do = "ink"
[[step]]
do = "plates"
ground = "{ground}"
trap_mm = {trap}
"""


def test_cmyk_is_cmyk_with_its_profile_and_exact_size() -> None:
    """A second reader finds four inks, an embedded profile and the ordered millimetres."""
    data, inks = write_cmyk_tiff(RGB, SIZE)
    assert tiff_size_um(data) == (641_350, 427_567)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "CMYK"
        assert picture.info["icc_profile"][16:20] == b"CMYK"
        assert np.array_equal(np.asarray(picture), inks)
    assert data == write_cmyk_tiff(RGB, SIZE)[0]


def test_total_ink_is_counted_in_percent() -> None:
    """Full ink on three plates in one pixel of a hundred is the maximum, not the percentile."""
    inks = np.zeros((10, 20, 4), np.uint8)
    inks[..., 3] = 51
    inks[0, 0] = (255, 255, 255, 0)
    figures = {figure.name: figure for figure in ink_total_figures(inks)}
    assert figures["tac_max"].figure == 300
    assert figures["tac_p99"].figure == 20
    assert figures["tac_max"].passed


def test_a_profile_that_is_none_says_so(tmp_path: Path) -> None:
    """A mill's profile that cannot be read is named."""
    path = tmp_path / "mill.icc"
    path.write_bytes(b"not a profile")
    with pytest.raises(Unusable, match=r"mill\.icc"):
        write_cmyk_tiff(RGB, SIZE, path)


def test_a_plate_is_one_bit_black_where_it_prints() -> None:
    """Group 4, one bit, size exact; tifffile, libvips and Pillow see the same ink."""
    mask = RGB[..., 0] > 128
    data = write_plate(mask, SIZE)
    assert np.array_equal(read_plate(data), mask)
    assert tiff_size_um(data) == (641_350, 427_567)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "1"
        assert np.array_equal(np.asarray(picture), ~mask)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        tags = tiff.pages.first.tags
        assert (tags["Compression"].value, tags["BitsPerSample"].value) == (4, 1)
        assert tags["ResolutionUnit"].value == 3


@pytest.mark.parametrize(("ground", "plates"), [("print", 4), ("cloth", 3)])
def test_the_ground_is_a_plate_unless_it_is_cloth(periodic: Any, ground: str, plates: int) -> None:
    """One file per ink in printing order; together they print every pixel that is not cloth."""
    recipe = parse_recipe(SCREENS.format(ground=ground, trap=0), source="screens.toml")
    order = Order(repeat=repeat_of("half-drop", 100_000, 100_000))
    done = finish(periodic(HALF_DROP, seed=3), recipe, order)
    assert len(done.artefacts) == plates
    assert [a.role[6:8] for a in done.artefacts] == ["01", "02", "03", "04"][-plates:]
    masks = [read_plate(artefact.data) for artefact in done.artefacts]
    printed = 1.0 if ground == "print" else 1 - done.palette.inks[0].coverage
    assert np.sum(masks, axis=0).max() == 1
    assert np.sum(masks, axis=0).mean() == pytest.approx(printed, abs=0.03)


def test_a_trap_in_mm_overlaps_plates(periodic: Any) -> None:
    """With a trap the plates print some pixels twice, so that no cloth shows between them."""
    recipe = parse_recipe(SCREENS.format(ground="print", trap=1.5), source="screens.toml")
    order = Order(repeat=repeat_of("half-drop", 100_000, 100_000))
    done = finish(periodic(HALF_DROP, seed=3), recipe, order)
    total = np.sum([read_plate(artefact.data) for artefact in done.artefacts], axis=0)
    assert total.min() == 1
    assert (total > 1).mean() > 0.02
    assert all(figure.passed for figure in done.figures)


def test_each_ink_is_told_from_the_others_in_events(periodic: Any) -> None:
    """No two figures of a finished pattern share name and artefact: events know nothing else."""
    order = Order(repeat=repeat_of("half-drop", 80_000, 80_000))
    for name in ("rotary-screen", "textile-digital-full", "print-on-demand"):
        done = finish(periodic(HALF_DROP, seed=3), shipped_recipe(name), order)
        keys = [(figure.name, figure.artefact) for figure in done.figures]
        assert len(set(keys)) == len(keys)


def test_the_press_is_read_backwards() -> None:
    """What the generic profile prints: near for a grey, far for a green that no ink reaches."""
    inks = [
        Ink(rgb=rgb, oklab=(0.5, 0.0, 0.0), coverage=0.5) for rgb in ((128, 128, 128), (0, 255, 0))
    ]
    figures = {(f.name, f.part): f.figure for f in press_figures(Palette(inks=tuple(inks)))}
    plates = [ink.plate(rank) for rank, ink in enumerate(inks, start=1)]
    assert figures["press_delta_e_2000", plates[0]] < 3
    assert figures["press_delta_e_2000", plates[1]] > 10
    assert figures["press_delta_e_cmc", plates[1]] > 10
