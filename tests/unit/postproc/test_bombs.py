"""Files that are made to hurt: each is refused with its field and limit, soon and without a crash.

Raster bombs of the plainest kinds are in test_decode; here are those of every kind that people may
hand to `heddle check` and `heddle finish`.
"""

from __future__ import annotations

import io
import resource
import shutil
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pikepdf
import pytest
import tifffile
from PIL import Image

from postproc.brought import bring
from postproc.by_hand import check_file, finish_picture
from postproc.decode import PIXELS_MAX_DEFAULT, decode_picture
from postproc.finish import Order, repeat_of
from postproc.lattice import STRAIGHT
from postproc.recipe import shipped_recipe
from schemas.errors import Rejected

RGB = np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8)
NEEDS_GS = pytest.mark.skipif(shutil.which("gs") is None, reason="Ghostscript is not installed")
HEAD = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '


def tiff(pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    return buffer.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    made = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        made += (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )
    return made


def png_of(pixels: bytes, side: tuple[int, int], *, bits: int, kind: int) -> bytes:
    head = struct.pack(">IIBBBBB", *side, bits, kind, 0, 0, 0)
    return png((b"IHDR", head), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))


def pdf(side_pt: float, content: bytes = b"0 0 10 10 re f") -> bytes:
    made = pikepdf.new()
    made.add_blank_page(page_size=(100, 100))
    made.pages[0].MediaBox = [0, 0, side_pt, side_pt]
    made.pages[0].Contents = made.make_stream(content)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def nested_uses(depth: int) -> bytes:
    """Ten copies of ten copies of ...: ten to the power of `depth` shapes in a kilobyte."""
    groups = ['<g id="a0"><rect width="1" height="1"/></g>']
    for level in range(depth):
        copies = f'<use xlink:href="#a{level}"/>' * 10
        groups.append(f'<g id="a{level + 1}">{copies}</g>')
    body = f"<defs>{''.join(groups)}</defs><use xlink:href='#a{depth}'/></svg>"
    return HEAD + b'width="64" height="64">' + body.encode()


def test_sixteen_bit_colour_is_read_or_refused_and_never_garbled() -> None:
    """16-bit RGB gives its high bytes, from PNG and TIFF alike; float RGB is refused by name."""
    deep = (RGB.astype(np.uint16) << 8) | 0x55
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert np.array_equal(decode_picture(png_of(rows, (24, 16), bits=16, kind=2)), RGB)
    assert np.array_equal(decode_picture(tiff(deep, photometric="rgb")), RGB)
    with pytest.raises(Rejected) as caught:
        decode_picture(tiff(RGB.astype(np.float32) / 255, photometric="rgb"), field="tile")
    assert caught.value.field == "tile"


def oversized_tiff() -> bytes:
    """A small TIFF whose directory claims 60000 x 60000 px."""
    data = bytearray(tiff(RGB))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from("<HH", data, at)
        if tag in {256, 257}:
            struct.pack_into("<I" if kind == 4 else "<H", data, at + 8, 60_000)
    return bytes(data)


BAD_RASTERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a CMYK TIFF": (lambda: tiff(np.zeros((16, 16, 4), np.uint8), photometric=5), "RGB, grey"),
    "alpha in a TIFF": (
        lambda: tiff(np.full((16, 16, 4), 99, np.uint8), photometric="rgb", extrasamples=[2]),
        "opaque",
    ),
    "a row of one pixel": (lambda: tiff(np.zeros((1, 64, 3), np.uint8)), "sides of at least 8 px"),
    "pixels that are not there": (
        lambda: png_of(zlib.compress(b"x"), (4096, 4096), bits=8, kind=2),
        "a whole PNG or TIFF",
    ),
    "a TIFF cut in its directory": (lambda: tiff(RGB)[:40], "a whole PNG or TIFF"),
    "a TIFF that says it is larger": (
        oversized_tiff,
        f"{PIXELS_MAX_DEFAULT} px",
    ),
}


@pytest.mark.parametrize("name", BAD_RASTERS)
def test_bad_rasters_are_refused(name: str) -> None:
    """Colour modes, sizes and lies in headers: the limit says what would have been right.

    By hand none of them is finished either.
    """
    make, limit = BAD_RASTERS[name]
    with pytest.raises(Rejected) as caught:
        decode_picture(make(), field="art")
    assert caught.value.field == "art"
    assert caught.value.limit.startswith(limit)
    with pytest.raises(Rejected) as by_hand:
        bring(make(), field="art")
    assert by_hand.value.field == "art"
    assert by_hand.value.limit


def test_text_that_unfolds_is_not_unfolded() -> None:
    """A PNG with 64 MiB of zeros packed in a comment costs neither memory nor time."""
    comment = b"Comment\0\0" + zlib.compress(bytes(64 << 20))
    rows = b"".join(b"\0" + row.tobytes() for row in RGB)
    head = struct.pack(">IIBBBBB", 24, 16, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"zTXt", comment), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        assert decode_picture(png(*chunks)).shape == RGB.shape
    except Rejected as refused:
        assert refused.limit  # noqa: PT017 - either answer is right
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 96 << 10


@pytest.mark.parametrize("depth", [6, 40])
def test_copies_of_copies_are_refused(depth: int) -> None:
    """A million shapes in an SVG of a kilobyte are counted, not drawn; a thousand are drawn."""
    began_ns = time.process_time_ns()
    with pytest.raises(Rejected) as caught:
        check_file(nested_uses(depth), STRAIGHT, name="art.svg")
    assert caught.value.limit == "100000 copies"
    assert (time.process_time_ns() - began_ns) / 1e9 < 1
    assert check_file(nested_uses(2), STRAIGHT).width_px == 1024


def test_a_copy_of_itself_is_refused() -> None:
    """A group that holds itself has no end."""
    loop = b'width="64" height="64"><g id="a"><use xlink:href="#a"/></g></svg>'
    with pytest.raises(Rejected, match="holds itself"):
        check_file(HEAD + loop, STRAIGHT)


def test_endless_nesting_is_refused() -> None:
    """Five thousand groups in each other, or copies in a row, are no crash of the reader."""
    deep = b"<g>" * 5000 + b"</g>" * 5000 + b"</svg>"
    row = b"".join(b'<g id="a%d"><use href="#a%d"/></g>' % (n, n + 1) for n in range(5000))
    for body in (deep, b"<defs>" + row + b'</defs><use href="#a0"/></svg>'):
        with pytest.raises(Rejected) as caught:
            check_file(HEAD + b'width="64" height="64">' + body, STRAIGHT, name="art.svg")
        assert caught.value.limit == "fewer levels"


def test_an_svg_reads_nothing_from_the_machine(tmp_path: Any) -> None:
    """A picture linked from disk or net is not loaded: the drawing is blank where it would be."""
    secret = tmp_path / "secret.png"
    Image.fromarray(np.full((64, 64, 3), (255, 0, 0), np.uint8)).save(secret)
    image = f'<image xlink:href="file://{secret}" width="64" height="64"/></svg>'
    checked = check_file(HEAD + b'width="64" height="64">' + image.encode(), STRAIGHT, name="a.svg")
    blank = next(figure for figure in checked.figures if figure.name == "modal_share")
    assert (blank.figure, blank.passed) == (1.0, False)


@NEEDS_GS
@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (pdf(30_000), "14400 pt"),
        (pdf(200)[:120], "a PDF of at least one page"),
        (b"%PDF-1.4\n%%EOF", "a PDF of at least one page"),
    ],
    ids=["a page of ten metres", "cut", "empty"],
)
def test_bad_pages_are_refused(data: bytes, limit: str) -> None:
    """Pages no press has, and pages that are none."""
    with pytest.raises(Rejected) as caught:
        check_file(data, STRAIGHT, name="art.pdf")
    assert caught.value.field == "art.pdf"
    assert limit in caught.value.limit


@NEEDS_GS
def test_a_page_cannot_touch_the_machine(tmp_path: Any) -> None:
    """PostScript-like content that opens files is an error of the page, not an act."""
    left = tmp_path / "left"
    attack = b"(" + str(left).encode() + b") (w) file closefile"
    with pytest.raises(Rejected):
        check_file(b"%!PS\n" + attack, STRAIGHT, name="art.ps")
    check_file(pdf(100, attack), STRAIGHT, name="art.pdf")
    assert not left.exists()


@pytest.mark.parametrize("side", [(9, 8), (8, 9)])
def test_the_smallest_tiles_are_finished_or_refused(side: tuple[int, int]) -> None:
    """Eight pixels a side is the least; a half-drop also needs an even height."""
    tile = np.tile(np.array([[[20, 30, 90]], [[240, 240, 230]]], np.uint8), (8, side[0], 1))
    tile = np.ascontiguousarray(tile[: side[1]])
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG")
    order = Order(repeat=repeat_of("half-drop", 10_000, 10_000), refuse=False)
    if side[1] % 2:
        with pytest.raises(Rejected, match="cannot be shifted"):
            finish_picture(buffer.getvalue(), shipped_recipe("textile-digital"), order)
    else:
        done = finish_picture(buffer.getvalue(), shipped_recipe("textile-digital"), order).done
        assert done.artefacts
