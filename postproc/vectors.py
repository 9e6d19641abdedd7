"""Draws vector files that somebody else made, at whole pixels, so that the gates can judge them.

SVG goes through libvips' renderer, PDF (its trim box, first page) through Ghostscript, run as a
program in its safe mode on a temporary file. Files that declare entities are refused.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import pyvips
from PIL import Image

from postproc.colour import Bytes
from postproc.decode import PIXELS_MAX_DEFAULT, decode_picture
from postproc.lattice import Lattice
from schemas.errors import MissingPart, Rejected, Transient

VECTOR_BYTES_MAX: Final = 64 << 20
GHOSTSCRIPT_S_MAX: Final = 120
ASPECT_MAX: Final = 64
PAGE_PT_MAX: Final = 14_400
"""Five metres: where PDF itself ended for long."""
_POINTS_PER_INCH: Final = 72
SIZED_PX: Final = 4096
"""Pixels of the longer side from which a page's size is read."""
SHAPES_MAX: Final = 100_000
_XLINK_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_NUMBER: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)")


def draw_vector(data: bytes, lattice: Lattice, *, width_px: int, field: str = "file") -> Bytes:
    """The 8-bit RGB picture of an SVG or PDF, `width_px` wide, as high as it is.

    Sides are rounded to what the lattice can shear. Raises Rejected naming `field`, MissingPart
    for PDF without Ghostscript.
    """
    if len(data) > VECTOR_BYTES_MAX:
        raise Rejected(
            f"the file is {len(data)} bytes", field=field, limit=f"{VECTOR_BYTES_MAX} bytes"
        )
    width_px = lattice.even_side(width_px, "width")
    if data.lstrip().startswith(b"%PDF"):
        return _draw_pdf(data, lattice, width_px, field)
    try:
        return _draw_svg(data, lattice, width_px, field)
    except RecursionError as error:
        raise Rejected("the SVG is nested too deep", field=field, limit="fewer levels") from error


def _draw_svg(data: bytes, lattice: Lattice, width_px: int, field: str) -> Bytes:
    if b"<!ENTITY" in data:
        raise Rejected("the SVG declares entities", field=field, limit="no entities")
    try:
        root = ET.fromstring(data)  # noqa: S314 - entities were refused
    except ET.ParseError as error:
        raise Rejected("the SVG cannot be read", field=field, limit="well-formed XML") from error
    if _shapes(root, field) > SHAPES_MAX:
        raise Rejected("the SVG copies itself too often", field=field, limit=f"{SHAPES_MAX} copies")
    width, height = _svg_size(root, field)
    height_px = _height_px(lattice, width_px, height / width, field)
    if root.get("viewBox") is None:
        root.set("viewBox", f"0 0 {float(width):g} {float(height):g}")
    root.set("width", str(width_px))
    root.set("height", str(height_px))
    root.set("preserveAspectRatio", "none")
    try:
        picture = pyvips.Image.svgload_buffer(ET.tostring(root), dpi=_POINTS_PER_INCH)
        flat = picture.flatten(background=[255, 255, 255]) if picture.hasalpha() else picture
        return np.asarray(flat.cast("uchar").numpy())
    except pyvips.Error as error:
        raise Rejected("the SVG cannot be drawn", field=field, limit="SVG 1.1") from error


def _shapes(root: ET.Element, field: str) -> int:
    """How many copies the `use` elements of a drawing come to; Rejected where one holds itself."""
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    counted: dict[str, int] = {}
    open_ids: set[str] = set()

    def copies(name: str) -> int:
        if name in open_ids:
            raise Rejected("the SVG holds itself", field=field, limit="copies of other things")
        if name not in counted:
            open_ids.add(name)
            counted[name] = 1 + inside(by_id[name]) if name in by_id else 0
            open_ids.discard(name)
        return counted[name]

    def inside(element: ET.Element) -> int:
        uses = (one for one in element.iter() if one.tag.endswith("}use"))
        names = [(one.get("href") or one.get(_XLINK_HREF) or "").lstrip("#") for one in uses]
        return min(sum(map(copies, names)), SHAPES_MAX + 1)

    return inside(root)


def _svg_size(root: ET.Element, field: str) -> tuple[Fraction, Fraction]:
    """Width and height as the root says them, in whatever unit, else of its view box."""
    sides = [_NUMBER.match(root.get(side) or "") for side in ("width", "height")]
    relative = any((root.get(side) or "").strip().endswith("%") for side in ("width", "height"))
    numbers = [found.group(1) for found in sides if found]
    if len(numbers) != 2 or relative:
        numbers = re.split(r"[\s,]+", (root.get("viewBox") or "").strip())[2:]
    try:
        width, height = (Fraction(number) for number in numbers)
    except ValueError as error:
        raise Rejected(
            "the SVG names no size", field=field, limit="width and height, or viewBox"
        ) from error
    if width <= 0 or height <= 0:
        raise Rejected("the SVG has no area", field=field, limit="sides above 0")
    return width, height


def _draw_pdf(data: bytes, lattice: Lattice, width_px: int, field: str) -> Bytes:
    with tempfile.TemporaryDirectory(prefix="heddle-pdf-") as folder:
        path = Path(folder) / "page.pdf"
        path.write_bytes(data)
        width_pt, height_pt = _page_pt(path, field)
        height_px = _height_px(lattice, width_px, height_pt / width_pt, field)
        across = float(_POINTS_PER_INCH * width_px / width_pt)
        down = float(_POINTS_PER_INCH * height_px / height_pt)
        size = [f"-g{width_px}x{height_px}", f"-r{across:.6f}x{down:.6f}"]
        page = _ghostscript(path, [*size, "-dGraphicsAlphaBits=4", "-dTextAlphaBits=4"], field)
    return decode_picture(page, field=field, formats=("PNG",))


def _page_pt(path: Path, field: str) -> tuple[Fraction, Fraction]:
    """The trim box in points as Ghostscript sees it: drawn small, then as fine as that lets."""
    with Image.open(io.BytesIO(_ghostscript(path, ["-r6"], field))) as small:
        longest_pt = max(small.size) * _POINTS_PER_INCH // 6
    if longest_pt > PAGE_PT_MAX:
        raise Rejected("the page is too large", field=field, limit=f"at most {PAGE_PT_MAX} pt")
    dpi = max(6, min(_POINTS_PER_INCH, _POINTS_PER_INCH * SIZED_PX // longest_pt))
    with Image.open(io.BytesIO(_ghostscript(path, [f"-r{dpi}"], field))) as page:
        width_pt, height_pt = (Fraction(side * _POINTS_PER_INCH, dpi) for side in page.size)
        return width_pt, height_pt


def _ghostscript(path: Path, options: list[str], field: str) -> bytes:
    """The PNG of a PDF's first page, its trim box; 72 dpi unless the options say otherwise."""
    program = shutil.which("gs")
    if program is None:
        raise MissingPart("reading PDF needs Ghostscript: apt-get install ghostscript")
    command = [program, "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-dUseTrimBox"]
    command += ["-dFirstPage=1", "-dLastPage=1", "-sDEVICE=png16m", "-r72", *options]
    command += ["-sOutputFile=%stdout", "-sstdout=%stderr", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GHOSTSCRIPT_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Transient(f"Ghostscript took longer than {GHOSTSCRIPT_S_MAX} s") from error
    if done.returncode or not done.stdout:
        raise Rejected("the PDF cannot be drawn", field=field, limit="a PDF of at least one page")
    return done.stdout


def _height_px(lattice: Lattice, width_px: int, aspect: Fraction, field: str) -> int:
    if not Fraction(1, ASPECT_MAX) <= aspect <= ASPECT_MAX:
        raise Rejected(
            "the drawing is too long and narrow", field=field, limit=f"1:{ASPECT_MAX} at most"
        )
    height_px = lattice.even_side(width_px * aspect, "height")
    if width_px * height_px > PIXELS_MAX_DEFAULT:
        raise Rejected("the drawing is too large", field=field, limit=f"{PIXELS_MAX_DEFAULT} px")
    return height_px
