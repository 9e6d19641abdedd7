"""Bytes from outside become pixels or a refusal that names field and limit, and nothing else."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from postproc.decode import decode_picture
from schemas.errors import Rejected

RGB = np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def png_header(width_px: int, height_px: int) -> bytes:
    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    body = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + body


def test_plain_pictures_come_through_unchanged() -> None:
    """RGB in PNG and TIFF, grey and palette are all read as RGB."""
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(decode_picture(encoded(Image.fromarray(RGB), kind)), RGB)
    grey = decode_picture(encoded(Image.fromarray(RGB[..., 0])))
    assert np.array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))
    palette = Image.fromarray(RGB).quantize(8)
    assert np.array_equal(decode_picture(encoded(palette)), np.asarray(palette.convert("RGB")))


def test_sixteen_bit_grey_is_reduced() -> None:
    """The high byte of 16 bits is kept."""
    deep = (RGB[..., 0].astype(np.uint16) << 8) + 77
    assert np.array_equal(decode_picture(encoded(Image.fromarray(deep)))[..., 0], RGB[..., 0])


def test_alpha_that_hides_nothing_is_dropped() -> None:
    """Opaque RGBA is RGB."""
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    assert np.array_equal(decode_picture(encoded(Image.fromarray(rgba))), RGB)


def cases() -> dict[str, bytes]:
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 200, np.uint8)])
    frames = io.BytesIO()
    Image.fromarray(RGB).save(frames, "TIFF", save_all=True, append_images=[Image.fromarray(RGB)])
    whole = encoded(Image.fromarray(RGB))
    return {
        "bomb": png_header(200_000, 200_000),
        "larger than the limit": png_header(20_000, 20_000),
        "truncated": whole[: len(whole) // 2],
        "garbage": b"\x00" * 64,
        "empty": b"",
        "transparent": encoded(Image.fromarray(rgba)),
        "cmyk": encoded(Image.fromarray(RGB).convert("CMYK"), "TIFF"),
        "one pixel": encoded(Image.new("RGB", (1, 1))),
        "several frames": frames.getvalue(),
        "another format": encoded(Image.fromarray(RGB), "GIF"),
    }


@pytest.mark.parametrize("name", cases())
def test_bad_pictures_are_refused_by_name_and_limit(name: str) -> None:
    """Each bad picture ends as Rejected with the field it came in and the limit it broke."""
    with pytest.raises(Rejected) as caught:
        decode_picture(cases()[name], field="tile")
    assert caught.value.field == "tile"
    assert caught.value.limit


@given(noise=st.binary(max_size=200), at=st.integers(0, 200))
def test_damaged_files_never_raise_anything_else(noise: bytes, at: int) -> None:
    """A file with any bytes replaced is read or Rejected, never another error."""
    whole = bytearray(encoded(Image.fromarray(RGB)))
    whole[at : at + len(noise)] = noise
    with contextlib.suppress(Rejected):
        assert decode_picture(bytes(whole)).dtype == np.uint8
