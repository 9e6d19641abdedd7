"""Tags go in and come out of a TIFF's directory, in order, and the pixels stay where they are."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile

from postproc.tiff import BYTE, SHORT, Field, with_fields
from schemas.errors import Rejected

PIXELS = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def tiff(byteorder: str) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, PIXELS, photometric="rgb", byteorder=byteorder, metadata=None)
    return buffer.getvalue()


def tags_in_order(data: bytes) -> list[int]:
    """The first directory's tags as they lie, read with nothing but struct."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    return [struct.unpack_from(order + "H", data, at + 2 + 12 * n)[0] for n in range(count)]


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tags_are_set_replaced_and_taken_out(byteorder: str) -> None:
    """Short values lie in the entry, long ones outside, in both byte orders; pixels as before."""
    data = tiff(byteorder)
    words = b"odd words"
    fields = {
        700: Field(BYTE, words),
        336: Field(SHORT, (0, 255)),
        305: None,
        262: Field(SHORT, (2,)),
    }
    changed = with_fields(data, fields)
    assert tags_in_order(changed) == sorted(tags_in_order(changed))
    assert changed[8 : len(data)] == data[8:]
    with tifffile.TiffFile(io.BytesIO(changed)) as read:
        tags = read.pages.first.tags
        assert bytes(tags[700].value) == words
        assert tuple(tags[336].value) == (0, 255)
        assert 305 not in tags
        assert np.array_equal(read.pages.first.asarray(), PIXELS)
        assert len(read.pages) == 1


def test_the_same_tag_twice_is_one_tag() -> None:
    """Words put in again replace the first ones."""
    once = with_fields(tiff("<"), {700: Field(BYTE, b"first")})
    twice = with_fields(once, {700: Field(BYTE, b"second one")})
    assert tags_in_order(twice).count(700) == 1
    with tifffile.TiffFile(io.BytesIO(twice)) as read:
        assert bytes(read.pages.first.tags[700].value) == b"second one"


@pytest.mark.parametrize("data", [b"", b"II+\0" + bytes(20), b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_classic_tiff_is_refused(data: bytes) -> None:
    """BigTIFF and other files are not guessed at."""
    with pytest.raises(Rejected) as caught:
        with_fields(data, {700: Field(BYTE, b"x")})
    assert caught.value.limit == "TIFF 6.0"
