"""Files hold exactly the pixels and exactly the size they were given, as other readers see them."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from postproc.files import (
    PrintSize,
    png_error_um,
    png_error_um_max,
    read_back,
    srgb_profile,
    tiff_size_um,
    write_indexed_png,
    write_indexed_tiff,
    write_png,
    write_tiff,
)

GENERATOR = np.random.default_rng(0)
INDEX_MAP = GENERATOR.integers(0, 5, (40, 60), dtype=np.uint8)
COLOURS = GENERATOR.integers(0, 256, (5, 3), dtype=np.uint8)
RGB = COLOURS[INDEX_MAP]
SIZE = PrintSize(width_px=60, height_px=40, width_um=641_350, height_um=427_567)


def written(kind: str, size: PrintSize = SIZE) -> bytes:
    writers = {
        "png": lambda: write_png(RGB, size),
        "tiff": lambda: write_tiff(RGB, size),
        "indexed-png": lambda: write_indexed_png(INDEX_MAP, COLOURS, size),
        "indexed-tiff": lambda: write_indexed_tiff(INDEX_MAP, COLOURS, size),
    }
    return writers[kind]()


EACH_KIND = pytest.mark.parametrize("kind", ["png", "tiff", "indexed-png", "indexed-tiff"])


@EACH_KIND
def test_every_reader_sees_the_same_pixels(kind: str) -> None:
    """Pillow, libvips and our own read-back agree with what was written."""
    data = written(kind)
    with Image.open(io.BytesIO(data)) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), RGB)
    vips = pyvips.Image.new_from_buffer(data, "")
    assert np.array_equal(vips.numpy()[..., :3], RGB)
    assert np.array_equal(read_back(data), RGB)


@EACH_KIND
def test_the_same_picture_gives_the_same_bytes(kind: str) -> None:
    """No time of making and no tool's name is in a file."""
    data = written(kind)
    assert data == written(kind)
    for trace in (b"tifffile", b"libvips", b"Pillow", b"tIME", b"eXIf"):
        assert trace not in data


@EACH_KIND
def test_srgb_is_embedded(kind: str) -> None:
    """Each file carries the profile, so nobody guesses what its numbers mean."""
    with Image.open(io.BytesIO(written(kind))) as picture:
        assert picture.info["icc_profile"] == srgb_profile()


@settings(max_examples=30, deadline=None)
@given(width_um=st.integers(1_000, 20_000_000), height_um=st.integers(1_000, 20_000_000))
def test_tiff_holds_the_size_to_the_micrometre(width_um: int, height_um: int) -> None:
    """Whatever the repeat, pixels over resolution is exactly the micrometres ordered."""
    size = PrintSize(width_px=60, height_px=40, width_um=width_um, height_um=height_um)
    assert tiff_size_um(written("tiff", size)) == (Fraction(width_um), Fraction(height_um))


def test_libvips_and_pillow_compute_the_ordered_millimetres() -> None:
    """Two readers that know nothing of us arrive at 641.35 x 427.567 mm."""
    for kind in ("tiff", "indexed-tiff"):
        data = written(kind)
        image = pyvips.Image.new_from_buffer(data, "")
        assert image.width / image.xres == pytest.approx(641.35, abs=1e-4)
        assert image.height / image.yres == pytest.approx(427.567, abs=1e-4)
        with Image.open(io.BytesIO(data)) as picture:
            across, _ = picture.info["dpi"]
            assert float(picture.width / across * 25.4) == pytest.approx(641.35, abs=1e-4)


def test_254_dpi_is_ten_pixels_a_millimetre_in_both_formats() -> None:
    """At the default resolution even PNG's whole pixels per metre are exact."""
    size = PrintSize(width_px=60, height_px=40, width_um=6_000, height_um=4_000)
    assert size.per_metre() == (10_000, 10_000)
    assert png_error_um(size) == 0
    with tifffile.TiffFile(io.BytesIO(written("tiff", size))) as tiff:
        assert tiff.pages.first.tags["XResolution"].value == (100, 1)
    with Image.open(io.BytesIO(written("png", size))) as picture:
        assert picture.info["dpi"] == pytest.approx((254, 254))


@given(width_px=st.integers(8, 20_000), width_um=st.integers(1_000, 20_000_000))
def test_png_rounding_stays_within_its_bound(width_px: int, width_um: int) -> None:
    """Half a pixel per metre is the most that PNG's resolution can be off."""
    size = PrintSize(width_px=width_px, height_px=width_px, width_um=width_um, height_um=width_um)
    if size.width_px * 1_000_000 >= size.width_um:
        assert png_error_um(size) <= png_error_um_max(size)


def test_indexed_files_keep_their_indices() -> None:
    """A mill that swaps one palette entry recolours exactly one ink."""
    with Image.open(io.BytesIO(written("indexed-png"))) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), INDEX_MAP)
    with tifffile.TiffFile(io.BytesIO(written("indexed-tiff"))) as tiff:
        assert np.array_equal(tiff.pages.first.asarray(), INDEX_MAP)
