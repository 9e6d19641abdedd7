"""Raster files whose repeat is exactly as large as ordered: PNG and TIFF, RGB and indexed.

The pixel count is whole, so the resolution carries the size: TIFF holds it as an exact rational
of pixels per centimetre; PNG can only hold whole pixels per metre, and `png_error_um` says what
that rounding costs. sRGB is embedded. No times or tool names are written: same picture, same
bytes. `read_back` reads a file again with another library than wrote it.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyvips
import tifffile
from PIL import Image, PngImagePlugin

from postproc.colour import Bytes
from schemas.errors import Rejected

_UM_PER_CM: Final = 10_000
_UM_PER_M: Final = 1_000_000
_TAG_X_RESOLUTION: Final = 282
_TAG_Y_RESOLUTION: Final = 283
_TAG_RESOLUTION_UNIT: Final = 296
_CENTIMETRE: Final = 3
_RATIONAL: Final = 5
PNG_COMPRESSION: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintSize:
    """Whole pixels and the whole micrometres they stand for."""

    width_px: int
    height_px: int
    width_um: int
    height_um: int

    def per_cm(self) -> tuple[Fraction, Fraction]:
        """Exact pixels per centimetre, across and down."""
        return (
            Fraction(self.width_px * _UM_PER_CM, self.width_um),
            Fraction(self.height_px * _UM_PER_CM, self.height_um),
        )

    def per_metre(self) -> tuple[int, int]:
        """Pixels per metre rounded to whole ones, as PNG holds them."""
        return (
            max(1, round(Fraction(self.width_px * _UM_PER_M, self.width_um))),
            max(1, round(Fraction(self.height_px * _UM_PER_M, self.height_um))),
        )

    def resolution(self) -> tuple[int, int]:
        """Pixels over micrometres across the width, in lowest terms."""
        divisor = math.gcd(self.width_px, self.width_um)
        return self.width_px // divisor, self.width_um // divisor


def srgb_profile() -> bytes:
    """The sRGB ICC profile that is embedded (libvips' own, without a date of making)."""
    return bytes(pyvips.Image.profile_load("srgb"))


def write_tiff(rgb: Bytes, size: PrintSize) -> bytes:
    """An 8-bit RGB TIFF, deflate with predictor, sRGB embedded, resolution exact."""
    image = vips_image(rgb).copy(xres=1.0, yres=1.0)
    data = image.tiffsave_buffer(
        compression="deflate", predictor="horizontal", profile="srgb", resunit="cm"
    )
    return with_exact_resolution(data, size)


def write_indexed_tiff(index_map: Bytes, colours: Bytes, size: PrintSize) -> bytes:
    """A palette TIFF of an index map [H, W] and its colours [n, 3]; swap the palette to recolour.

    tifffile's colour map is 16 bit; 8-bit values are repeated in both bytes.
    """
    colour_map = np.zeros((3, 256), dtype=np.uint16)
    colour_map[:, : len(colours)] = colours.T.astype(np.uint16) * 257
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        index_map,
        photometric="palette",
        colormap=colour_map,
        compression="zlib",
        predictor=False,
        resolution=(1, 1),
        resolutionunit="CENTIMETER",
        software=False,
        metadata=None,
        extratags=[(34675, 7, None, srgb_profile(), True)],
    )
    return with_exact_resolution(buffer.getvalue(), size)


def write_png(rgb: Bytes, size: PrintSize) -> bytes:
    """An 8-bit RGB PNG, sRGB embedded, resolution in whole pixels per metre."""
    across, down = size.per_metre()
    image = vips_image(rgb).copy(xres=across / 1000, yres=down / 1000)
    data = image.pngsave_buffer(
        compression=PNG_COMPRESSION, filter="none", profile="srgb", keep="icc"
    )
    return bytes(data)


def write_indexed_png(index_map: Bytes, colours: Bytes, size: PrintSize) -> bytes:
    """A palette PNG of an index map [H, W] and its colours [n, 3]."""
    image = Image.fromarray(index_map).convert("P")
    image.putpalette(colours.astype(np.uint8).tobytes(), rawmode="RGB")
    info = PngImagePlugin.PngInfo()
    across, down = size.per_metre()
    info.add(b"pHYs", struct.pack(">IIB", across, down, 1))
    buffer = io.BytesIO()
    image.save(
        buffer,
        format="PNG",
        pnginfo=info,
        icc_profile=srgb_profile(),
        compress_level=PNG_COMPRESSION,
    )
    return buffer.getvalue()


def write_plate(mask: npt.NDArray[np.bool_], size: PrintSize) -> bytes:
    """A 1-bit TIFF, Group 4, of where one ink prints: ink is black, as film setters expect."""
    buffer = io.BytesIO()
    Image.fromarray(~mask).save(buffer, format="TIFF", compression="group4", dpi=(1, 1))
    return with_exact_resolution(buffer.getvalue(), size)


def read_plate(data: bytes) -> npt.NDArray[np.bool_]:
    """Where a plate's file prints, [H, W]."""
    image = pyvips.Image.new_from_buffer(data, "")
    black: npt.NDArray[np.bool_] = np.asarray(image.numpy()).reshape(image.height, image.width) == 0
    return black


def png_error_um(size: PrintSize) -> float:
    """How far the size that a PNG reader computes is off, the worse of both axes."""
    across, down = size.per_metre()
    width_um = Fraction(size.width_px * _UM_PER_M, across)
    height_um = Fraction(size.height_px * _UM_PER_M, down)
    return float(max(abs(width_um - size.width_um), abs(height_um - size.height_um)))


def png_error_um_max(size: PrintSize) -> float:
    """The most that rounding to whole pixels per metre can cost, the worse of both axes."""
    across, down = size.per_metre()
    return max(size.width_um / (2 * across), size.height_um / (2 * down))


def with_exact_resolution(tiff: bytes, size: PrintSize) -> bytes:
    """The TIFF with both resolution tags holding the exact rational, in pixels per centimetre.

    Writers go through a float and lose it. Both tags must exist as rationals; the values, which
    lie outside the directory, are replaced in place.
    """
    across, down = size.per_cm()
    wanted = {_TAG_X_RESOLUTION: across, _TAG_Y_RESOLUTION: down}
    data = bytearray(tiff)
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, directory)
    for entry in range(entries):
        at = directory + 2 + 12 * entry
        tag, kind, _count, value_at = struct.unpack_from(order + "HHII", data, at)
        if tag in wanted and kind == _RATIONAL:
            exact = wanted.pop(tag)
            struct.pack_into(order + "II", data, value_at, exact.numerator, exact.denominator)
        elif tag == _TAG_RESOLUTION_UNIT:
            struct.pack_into(order + "H", data, at + 8, _CENTIMETRE)
    if wanted:
        raise Rejected(
            "the TIFF holds no resolution", field="tiff", limit="XResolution, YResolution"
        )
    return bytes(data)


def read_back(data: bytes) -> Bytes:
    """The 8-bit RGB pixels [H, W, 3] of a file this module wrote, read by another library."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            return np.asarray(picture.convert("RGB"))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        pixels = page.asarray()
        if page.colormap is not None:
            pixels = (page.colormap >> 8).astype(np.uint8).T[pixels]
        return np.asarray(pixels, dtype=np.uint8)


def tiff_size_um(data: bytes) -> tuple[Fraction, Fraction]:
    """The exact size that a reader computes from a TIFF's pixels and resolution."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        across = Fraction(*page.tags[_TAG_X_RESOLUTION].value)
        down = Fraction(*page.tags[_TAG_Y_RESOLUTION].value)
        return (
            page.imagewidth * _UM_PER_CM / across,
            page.imagelength * _UM_PER_CM / down,
        )


def vips_image(rgb: Bytes) -> Any:
    height, width = rgb.shape[:2]
    # libvips looks into the array's own memory and keeps it alive: nothing is copied.
    pixels = np.ascontiguousarray(rgb).data
    image = pyvips.Image.new_from_memory(pixels, width, height, 3, "uchar")
    return image.copy(interpretation="srgb")
