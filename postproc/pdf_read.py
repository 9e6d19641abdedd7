"""A spot-colour PDF read back and drawn, so that the gates judge the file and not the intention.

Reads what `pdf` writes, from the file's own bytes: boxes, Separation spaces with their tint
functions, the path operators, overprint. The operators become an SVG that libvips draws; nothing is
taken from the plates the file was made of. Files of others go through Ghostscript (`vectors`).
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field
from typing import Any, Final

from postproc.cie import srgb8_of_lab_d50
from postproc.colour import Bytes, hex_of
from postproc.svg import rasterise
from schemas.errors import MissingPart, Rejected

UM_PER_POINT: Final = 25_400 / 72
_LETTERS: Final = {"m": "M", "l": "L", "c": "C", "h": "Z"}
_IGNORED: Final = frozenset({"W", "n", "gs", "EMC", "BDC", "re"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a file holds: its trim size and its inks as shapes, in painting order."""

    width_um: float
    height_um: float
    svg: bytes
    """The trim box, ready to be drawn."""

    def drawn(self, *, width_px: int, height_px: int) -> Bytes:
        """The 8-bit RGB picture of the trim box."""
        return rasterise(self.svg, width_px=width_px, height_px=height_px)


@dataclass(slots=True)
class _Pen:
    """The state that operators change."""

    matrix: str = ""
    ink: str = ""
    path: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)

    def take(self, operator: str, operands: list[Any], inks: dict[str, str]) -> None:
        """One operator; raises Rejected for one that our writer does not use."""
        if operator in _LETTERS:
            numbers = " ".join(str(number) for number in operands)
            self.path.append(f"{_LETTERS[operator]}{numbers}")
        elif operator in {"f", "f*"}:
            rule = "evenodd" if operator == "f*" else "nonzero"
            shape = f'<path fill="{self.ink}" fill-rule="{rule}" d="{"".join(self.path)}"/>'
            self.shapes.append(
                f'<g transform="{self.matrix}">{shape}</g>' if self.matrix else shape
            )
            self.path = []
        elif operator == "cm":
            self.matrix = "matrix(" + " ".join(str(number) for number in operands) + ")"
        elif operator == "cs":
            self.ink = inks[str(operands[0])]
        elif operator in {"q", "Q"}:
            self.matrix, self.path = "", []
        elif operator == "scn":
            _full(operands)
        elif operator not in _IGNORED:
            raise Rejected(f"the PDF paints with {operator}", field="pdf", limit="our own PDF")
        self._frame(operator, operands)

    def _frame(self, operator: str, operands: list[Any]) -> None:
        if operator == "re":
            x, y, width, height = (str(number) for number in operands)
            self.path = [f"M{x} {y}h{width}v{height}h-{width}Z"]
        elif operator == "n":
            self.path = []


def read_page(data: bytes, *, paper: str = "#ffffff") -> Page:
    """The first page of a PDF that `pdf` wrote; `paper` shows where no ink is.

    Raises Rejected for what our writer would not write, MissingPart without pikepdf.
    """
    pikepdf = _pikepdf()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        page = pdf.pages[0]
        left, bottom, right, top = (float(value) for value in page.TrimBox)
        inks = {name: _colour(space) for name, space in page.Resources.ColorSpace.items()}
        pen = _Pen()
        for operands, operator in pikepdf.parse_content_stream(page):
            pen.take(str(operator), list(operands), inks)
    width, height = right - left, top - bottom
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg"'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none">',
        f'<rect width="{width}" height="{height}" fill="{paper}"/>',
        f'<g transform="matrix(1 0 0 -1 {-left} {top})">',
        *pen.shapes,
        "</g></svg>",
    ]
    return Page(
        width_um=width * UM_PER_POINT,
        height_um=height * UM_PER_POINT,
        svg="\n".join(lines).encode(),
    )


def _colour(space: Any) -> str:
    """What full tint of a Separation space looks like, by its own tint function."""
    if str(space[0]) != "/Separation" or str(space[2][0]) != "/Lab":
        raise Rejected("the PDF has another colour space", field="pdf", limit="Separation over Lab")
    red, green, blue = (int(v) for v in srgb8_of_lab_d50([float(v) for v in space[3].C1]))
    return hex_of((red, green, blue))


def _full(operands: list[Any]) -> None:
    if [float(value) for value in operands] != [1.0]:
        raise Rejected("the PDF holds a halftone", field="pdf", limit="full tints")


def _pikepdf() -> Any:
    try:
        return importlib.import_module("pikepdf")
    except ImportError as error:
        raise MissingPart("reading a spot-colour PDF needs pikepdf: pip install pikepdf") from error
