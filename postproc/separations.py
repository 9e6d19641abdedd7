"""One file that holds every plate: a TIFF of n inks, and a TIFF of n Photoshop layers.

The n-ink TIFF is what RIPs call a separation TIFF: one 8-bit sample per ink (255 prints), the inks'
names beside it. The layered TIFF is for people: an ordinary RGB picture, and in Photoshop's own
block a layer per ink, opaque where that ink prints. Both are written strip by strip or layer by
layer; the same plates give the same bytes.
"""

from __future__ import annotations

import importlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tifffile

from postproc.colour import Bytes
from postproc.features import Mask
from postproc.files import PrintSize, srgb_profile, with_exact_resolution
from postproc.palette import Palette
from postproc.tiff import SHORT, Field, with_fields
from schemas.errors import MissingPart, Rejected

STRIP_BYTES: Final = 1 << 18
DEFLATE_LEVEL: Final = 6
LAYERED_PIXELS_MAX: Final = 1 << 24
_SEPARATED: Final = 5
_INK_SET_OTHER: Final = 2
_PHOTOMETRIC, _INK_SET, _INK_NAMES, _INKS = 262, 332, 333, 334
_DOT_RANGE, _EXTRA_SAMPLES = 336, 338
_ICC: Final = (34675, 7, None)


@dataclass(frozen=True, slots=True)
class Separations:
    """Where each ink prints, in printing order: an eighth of a byte per pixel and ink."""

    rows: tuple[Bytes, ...]
    """Per ink [H, ceil(W / 8)] of packed bits."""
    width_px: int

    @property
    def height_px(self) -> int:
        """Rows of every ink."""
        return int(self.rows[0].shape[0])

    def mask(self, ink: int) -> Mask:
        """Where one ink prints, [H, W]."""
        return np.unpackbits(self.rows[ink], axis=1, count=self.width_px).astype(np.bool_)

    def samples(self, start: int, stop: int) -> Bytes:
        """Rows `start` to `stop` as a separation TIFF holds them: [h, W, n], 255 prints."""
        inks = [np.unpackbits(rows[start:stop], axis=1, count=self.width_px) for rows in self.rows]
        return np.stack(inks, axis=-1) * np.uint8(255)


def pack(masks: Iterable[Mask]) -> Separations:
    """The separations of masks [H, W], one looked at after the other."""
    rows, width_px = [], 0
    for mask in masks:
        width_px = int(mask.shape[1])
        rows.append(np.packbits(mask, axis=1))
    return Separations(tuple(rows), width_px)


def write_separated_tiff(plates: Separations, names: Sequence[str], size: PrintSize) -> bytes:
    """A TIFF of as many inks as plates: sample n is 255 where ink n prints, else 0."""
    inks, height_px, width_px = len(plates.rows), plates.height_px, plates.width_px
    listed = b"".join(name.encode("ascii") + b"\0" for name in names)
    rows = max(1, STRIP_BYTES // (width_px * inks))
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        _strips(plates, rows),
        shape=(height_px, width_px, inks) if inks > 1 else (height_px, width_px),
        dtype=np.uint8,
        photometric="minisblack",
        planarconfig="contig" if inks > 1 else None,
        rowsperstrip=rows,
        compression="zlib",
        predictor=False,
        resolution=(1, 1),
        resolutionunit="CENTIMETER",
        software=False,
        metadata=None,
        extratags=[(_INK_NAMES, 2, len(listed), listed, True)],
    )
    # tifffile takes every sample past the fourth for a spare one; here each is an ink.
    fields = {
        _PHOTOMETRIC: Field(SHORT, (_SEPARATED,)),
        _EXTRA_SAMPLES: None,
        _INK_SET: Field(SHORT, (_INK_SET_OTHER,)),
        _INKS: Field(SHORT, (inks,)),
        _DOT_RANGE: Field(SHORT, (0, 255)),
    }
    return with_exact_resolution(with_fields(buffer.getvalue(), fields), size)


def separations_kept(data: bytes, plates: Separations) -> bool:
    """Whether a separation TIFF, decoded strip by strip by tifffile, prints what the plates do."""
    shape = (plates.height_px, plates.width_px, len(plates.rows))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        if (page.imagelength, page.imagewidth, page.samplesperpixel) != shape:
            return False
        step = page.rowsperstrip
        for strip, place, _ in page.segments(maxworkers=1):
            top = place[2]
            wanted = plates.samples(top, min(top + step, shape[0]))
            if strip is None or not np.array_equal(strip.reshape(wanted.shape), wanted):
                return False
    return True


def write_layered_tiff(
    index_map: Bytes, palette: Palette, size: PrintSize, *, names: Sequence[str]
) -> bytes:
    """An RGB TIFF with one Photoshop layer per ink, the first at the bottom.

    Raises MissingPart without psdtags; pictures above LAYERED_PIXELS_MAX are Rejected: every layer
    is held whole.
    """
    if index_map.size > LAYERED_PIXELS_MAX:
        raise Rejected(
            f"a layered file of {index_map.size} px is too large",
            field="layered-tiff",
            limit=f"{LAYERED_PIXELS_MAX} px",
        )
    psd = _psdtags()
    layers = psd.PsdLayers(
        key=psd.PsdKey.LAYER,
        has_transparency=False,
        layers=[
            _layer(psd, index_map == number, ink.rgb, name)
            for number, (ink, name) in enumerate(zip(palette.inks, names, strict=True))
        ],
    )
    block = psd.TiffImageSourceData(
        name="layers",
        psdformat=psd.PsdFormat.LE32BIT,
        layers=layers,
        usermask=psd.PsdUserMask(
            colorspace=psd.PsdColorSpaceType.RGB, components=(65535, 0, 0, 0), opacity=50
        ),
        info=[psd.PsdEmpty(psd.PsdKey.PATTERNS)],
    )
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        palette.paint(index_map),
        byteorder="<",
        photometric="rgb",
        compression="zlib",
        predictor=False,
        resolution=(1, 1),
        resolutionunit="CENTIMETER",
        software=False,
        metadata=None,
        extratags=[block.tifftag(), (*_ICC, srgb_profile(), True)],
    )
    return with_exact_resolution(buffer.getvalue(), size)


def _strips(plates: Separations, rows: int) -> Iterator[bytes]:
    """Strips deflated here, because tifffile takes arrays only whole."""
    for start in range(0, plates.height_px, rows):
        yield zlib.compress(plates.samples(start, start + rows).tobytes(), DEFLATE_LEVEL)


def _layer(psd: Any, mask: Mask, rgb: tuple[int, int, int], name: str) -> Any:
    """A layer the size of the box that holds all its pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    opaque = mask[top:bottom, left:right].astype(np.uint8) * np.uint8(255)
    # Every pixel of a colour plane is one and the same byte of memory.
    planes = [opaque, *(np.broadcast_to(np.uint8(level), opaque.shape) for level in rgb)]
    channels = (
        psd.PsdChannelId.TRANSPARENCY_MASK,
        psd.PsdChannelId.CHANNEL0,
        psd.PsdChannelId.CHANNEL1,
        psd.PsdChannelId.CHANNEL2,
    )
    return psd.PsdLayer(
        name=name,
        rectangle=psd.PsdRectangle(top, left, bottom, right),
        channels=[
            psd.PsdChannel(channelid=one, compression=psd.PsdCompressionType.ZIP, data=plane)
            for one, plane in zip(channels, planes, strict=True)
        ],
        mask=psd.PsdLayerMask(),
        opacity=255,
        blendmode=psd.PsdBlendMode.NORMAL,
        blending_ranges=(),
        clipping=psd.PsdClippingType.BASE,
        flags=psd.PsdLayerFlag.PHOTOSHOP5 | psd.PsdLayerFlag.TRANSPARENCY_PROTECTED,
        info=[psd.PsdString(psd.PsdKey.UNICODE_LAYER_NAME, name)],
    )


def _psdtags() -> Any:
    try:
        return importlib.import_module("psdtags")
    except ImportError as error:
        raise MissingPart("a layered TIFF needs psdtags: pip install psdtags") from error
