"""The spot-colour PDF: one Separation ink and one layer per plate, trimmed to the exact repeat.

Each ink is a Separation space with a Lab (D50) alternate, so that a screen shows its colour and a
RIP finds its plate by name. Plates are painted in order; a later one knocks out what lies beneath,
so the separations are disjoint though the shapes are stacked. Plates that are knocked out already,
and reach under their neighbours by a trap, overprint: a RIP keeps every one as it is. Art continues
into the bleed.

The PDF-compatible .ai is this very file under Illustrator's ending: PDF content, no native data.
Sizes are in points of 1/72 inch to four decimals (0.04 um). The same plates give the same bytes.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from postproc.colour import WHITE_D50
from postproc.names import decimal_text
from postproc.svg import Sheet
from postproc.trace import UNITS_PER_PX, Outline, Plate
from schemas.errors import MissingPart

if TYPE_CHECKING:
    from types import ModuleType

_UM_PER_POINT: Final = Fraction(25_400, 72)
RESERVED_NAMES: Final = frozenset({"All", "None", "Cyan", "Magenta", "Yellow", "Black"})
"""Names that mean something else to every RIP; `01-navy` can never be one."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Boxes in points and the scale from tenths of a pixel, y upwards."""

    trim: tuple[Fraction, Fraction]
    bleed: Fraction

    def media(self) -> list[Any]:
        return [0, 0, *(_number(side + 2 * self.bleed) for side in self.trim)]

    def trim_box(self) -> list[Any]:
        left = self.bleed
        return [_number(v) for v in (left, left, left + self.trim[0], left + self.trim[1])]


def write_spot_pdf(
    plates: tuple[Plate, ...], sheet: Sheet, *, bleed_um: int, title: str, trapped: bool = False
) -> bytes:
    """A one-page PDF of traced plates; `title` is shown to people: no prompt belongs there.

    `bleed_um` of art is kept around the trim; the plates must have been traced with as much.
    `trapped` says that they are knocked out with a trap and must not knock each other out again.
    Raises MissingPart without pikepdf.
    """
    pikepdf = _pikepdf()
    page = _Page(
        trim=(sheet.width_um / _UM_PER_POINT, sheet.height_um / _UM_PER_POINT),
        bleed=bleed_um / _UM_PER_POINT,
    )
    with pikepdf.new() as pdf:
        names = [plate.ink.plate(plate.rank + 1) for plate in plates]
        layers = [_layer(pdf, pikepdf, name) for name in names]
        inks = [_ink(pdf, pikepdf, plate, name) for plate, name in zip(plates, names, strict=True)]
        drawn = _content(plates, sheet, page, trapped=trapped)
        content = pdf.make_stream(drawn.encode("ascii"))
        pdf.pages.append(_page(pikepdf, pdf, page, content))
        resources = pikepdf.Dictionary(
            ColorSpace=pikepdf.Dictionary({f"/Ink{n}": ink for n, ink in enumerate(inks)}),
            Properties=pikepdf.Dictionary({f"/Layer{n}": g for n, g in enumerate(layers)}),
        )
        if trapped:
            over = pikepdf.Dictionary(Type=pikepdf.Name.ExtGState, OP=True, op=True, OPM=1)
            resources.ExtGState = pikepdf.Dictionary(Over=over)
        pdf.pages[0].Resources = resources
        pdf.Root.OCProperties = pikepdf.Dictionary(
            OCGs=pikepdf.Array(layers),
            D=pikepdf.Dictionary(Order=pikepdf.Array(layers), ON=pikepdf.Array(layers)),
        )
        pdf.docinfo["/Title"] = title
        pdf.docinfo["/Trapped"] = pikepdf.Name("/True" if trapped else "/False")
        buffer = io.BytesIO()
        # Layers came with PDF 1.5.
        pdf.save(buffer, deterministic_id=True, min_version="1.5", force_version="1.6")
    return buffer.getvalue()


def _page(pikepdf: ModuleType, pdf: Any, page: _Page, content: Any) -> Any:
    media = pikepdf.Array(page.media())
    return pikepdf.Page(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Page,
            MediaBox=media,
            BleedBox=media,
            TrimBox=pikepdf.Array(page.trim_box()),
            Contents=pdf.make_indirect(content),
        )
    )


def _layer(pdf: Any, pikepdf: ModuleType, name: str) -> Any:
    return pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name=name))


def _ink(pdf: Any, pikepdf: ModuleType, plate: Plate, name: str) -> Any:
    """A Separation space: no ink is paper white, full ink the plate's colour."""
    tint = pikepdf.Dictionary(
        FunctionType=2,
        Domain=[0, 1],
        Range=[0, 100, -128, 127, -128, 127],
        C0=[100, 0, 0],
        C1=[round(value, 3) for value in plate.ink.lab_d50()],
        N=1,
    )
    white = pikepdf.Dictionary(WhitePoint=list(WHITE_D50), Range=[-128, 127, -128, 127])
    alternate = pikepdf.Array([pikepdf.Name.Lab, white])
    space = [pikepdf.Name.Separation, pikepdf.Name(f"/{name}"), alternate, tint]
    return pdf.make_indirect(pikepdf.Array(space))


def _content(plates: tuple[Plate, ...], sheet: Sheet, page: _Page, *, trapped: bool) -> str:
    """Painting operators: per plate its layer, its ink at full tint, its shapes filled even-odd.

    The ground of stacked plates is the whole page; of trapped ones it has shapes as any other.
    """
    across = page.trim[0] / (sheet.width_px * UNITS_PER_PX)
    down = page.trim[1] / (sheet.height_px * UNITS_PER_PX)
    width, height = (side + 2 * page.bleed for side in page.trim)
    frame = f"0 0 {_text(width)} {_text(height)} re"
    top = page.bleed + page.trim[1]
    matrix = f"{_text(across, 9)} 0 0 {_text(-down, 9)} {_text(page.bleed)} {_text(top)} cm"
    lines = ["q", f"{frame} W n", *(["/Over gs"] if trapped else [])]
    for number, plate in enumerate(plates):
        lines += [f"/OC /Layer{number} BDC", "q", f"/Ink{number} cs 1 scn"]
        if plate.rank == 0 and not trapped:
            lines.append(f"{frame} f")
        else:
            lines.append(matrix)
            lines += ["\n".join(map(_outline, shape.outlines)) + "\nf*" for shape in plate.shapes]
        lines += ["Q", "EMC"]
    return "\n".join([*lines, "Q", ""])


def _outline(outline: Outline) -> str:
    parts = [f"{outline.start[0]} {outline.start[1]} m"]
    for segment in outline.segments:
        numbers = " ".join(f"{x} {y}" for x, y in segment)
        parts.append(f"{numbers} {'l' if len(segment) == 1 else 'c'}")
    return "\n".join([*parts, "h"])


def _number(value: Fraction) -> Any:
    """A PDF number with four decimals."""
    return Decimal(_text(value))


def _text(value: Fraction, digits: int = 4) -> str:
    return decimal_text(value, digits_max=digits)


def _pikepdf() -> ModuleType:
    try:
        return importlib.import_module("pikepdf")
    except ImportError as error:
        raise MissingPart("spot-colour PDF needs pikepdf: pip install pikepdf") from error
