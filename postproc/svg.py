"""The vector file: an SVG of the exact size in mm, one named group per ink, painted in order.

User units are tenths of a tile pixel, without any transform, so that cutters and RIPs that read
only path data see the right shape. The art runs past the tile by the bleed and is clipped there.
`rasterise` draws such a file with libvips' own SVG renderer, for the gates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyvips

from postproc.colour import Bytes
from postproc.lattice import STRAIGHT, Lattice, corners
from postproc.names import mm_text
from postproc.trace import UNITS_PER_PX, Outline, Plate, Shape
from schemas.errors import Rejected

SVG_BYTES_MAX: Final = 64 << 20
_ROOT_SIZE: Final = re.compile(rb'<svg [^>]*?width="[^"]*" height="[^"]*"')
_ROOT_MM: Final = re.compile(rb'<svg [^>]*?width="([0-9.]+)mm" height="([0-9.]+)mm"')
_SIZE: Final = re.compile(rb'width="[^"]*" height="[^"]*"')
_UM_PER_MM: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the picture is cut from and how large it prints."""

    width_px: int
    height_px: int
    """Of the index map that was traced."""
    width_um: int
    height_um: int
    bleed_px: float = 1.0


def write_svg(
    plates: tuple[Plate, ...], sheet: Sheet, *, title: str, lattice: Lattice = STRAIGHT
) -> bytes:
    """The SVG of traced plates; `title` is shown to people: no prompt belongs there.

    The tile is the group `tile`; the pattern `repeat` lays it out by the lattice, for those who
    fill a shape with it.
    """
    width, height = sheet.width_px * UNITS_PER_PX, sheet.height_px * UNITS_PER_PX
    bleed = round(sheet.bleed_px * UNITS_PER_PX)
    box = f'x="{-bleed}" y="{-bleed}" width="{width + 2 * bleed}" height="{height + 2 * bleed}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        ' xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape"'
        f' width="{mm_text(sheet.width_um)}mm" height="{mm_text(sheet.height_um)}mm"'
        f' viewBox="0 0 {width} {height}" preserveAspectRatio="none">',
        f"<title>{escape(title)}</title>",
        f"<desc>{lattice.name} repeat, single unit</desc>",
        f'<defs><clipPath id="bleed"><rect {box}/></clipPath>',
        *_cell(lattice, (width, height)),
        "</defs>",
        '<g id="tile" clip-path="url(#bleed)">',
        *(line for plate in plates for line in _group(plate, box)),
        "</g>",
        "</svg>",
        "",
    ]
    return "\n".join(lines).encode()


def _cell(lattice: Lattice, side: tuple[int, int]) -> list[str]:
    """The pattern cell: the straight unit of the lattice, made of copies of the tile."""
    width, height = side[0] * lattice.columns_to_straight, side[1] * lattice.rows_to_straight
    head = f'<pattern id="repeat" patternUnits="userSpaceOnUse" width="{width}" height="{height}">'
    places = corners(lattice, side, (0, 0), (width, height))
    return [head, *(f'<use xlink:href="#tile" x="{x}" y="{y}"/>' for x, y in places), "</pattern>"]


def rasterise(svg: bytes, *, width_px: int, height_px: int, crisp: bool = False) -> Bytes:
    """The 8-bit RGB picture of one of our SVG files at exactly this many pixels.

    `crisp` draws without anti-aliasing: every pixel is exactly one of the file's colours.
    """
    if len(svg) > SVG_BYTES_MAX:
        raise Rejected(
            f"an SVG of {len(svg)} bytes is too large to draw",
            field="svg_bytes",
            limit=f"{SVG_BYTES_MAX} bytes",
        )
    root = _ROOT_SIZE.search(svg)
    if root is None:
        raise Rejected("the SVG's root names no size", field="svg", limit="width and height")
    size = b'width="%d" height="%d"' % (width_px, height_px)
    if crisp:
        size += b' shape-rendering="crispEdges"'
    sized = svg[: root.start()] + _SIZE.sub(size, root.group(), count=1) + svg[root.end() :]
    picture = pyvips.Image.svgload_buffer(sized, dpi=72, unlimited=True)
    flat = picture.flatten(background=[255, 255, 255]) if picture.hasalpha() else picture
    return np.asarray(flat.cast("uchar").numpy())


def svg_size_um(svg: bytes) -> tuple[Fraction, Fraction]:
    """The exact size that the root of one of our SVG files says, in micrometres."""
    found = _ROOT_MM.search(svg)
    if found is None:
        raise Rejected("the SVG's root names no size", field="svg", limit="width and height in mm")
    width, height = (Fraction(side.decode()) * _UM_PER_MM for side in found.groups())
    return width, height


def _group(plate: Plate, ground_box: str) -> list[str]:
    name = quoteattr(plate.ink.plate(plate.rank + 1))
    head = f'<g id={name} inkscape:groupmode="layer" inkscape:label={name} fill="{plate.ink.hex}">'
    if plate.rank == 0:
        return [head, f"<rect {ground_box}/>", "</g>"]
    paths = [f'<path fill-rule="evenodd" d="{_path(shape)}"/>' for shape in plate.shapes]
    return [head, *paths, "</g>"]


def _path(shape: Shape) -> str:
    return "".join(_outline(outline) for outline in shape.outlines)


def _outline(outline: Outline) -> str:
    """One outline as `M` and relative `l` and `c` commands."""
    x, y = outline.start
    parts = [f"M{x} {y}"]
    for segment in outline.segments:
        numbers = " ".join(f"{px - x} {py - y}" for px, py in segment)
        parts.append(("l" if len(segment) == 1 else "c") + numbers)
        x, y = segment[-1]
    return "".join(parts) + "z"
