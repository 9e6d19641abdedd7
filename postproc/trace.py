"""From an index map to curves: Potrace on stacked plates, so that no gap can open between inks.

The ground is a rectangle; each further plate covers its own ink and every ink above it, and they
are painted in order. The map is padded with its own cloth first, by a quarter of the tile or more:
Potrace's polygon depends on the whole outline, so a narrow margin makes opposite edges differ.

Potrace runs as a program of its own (GPL; not linked). Same map, same curves.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from postproc.colour import Bytes
from postproc.lattice import Lattice, wrap_pad
from postproc.palette import Ink, Palette
from schemas.errors import MissingPart, Rejected, Transient

UNITS_PER_PX: Final = 10
"""Curves are in whole tenths of a pixel."""
MARGIN_DIVISOR: Final = 4
MAP_PIXELS_MAX: Final = 1 << 27
TIMEOUT_S_DEFAULT: Final = 60.0
_PIECE: Final = re.compile(r"[MmlcZz][^MmlcZz]*")
_PATH: Final = re.compile(r'<path d="([^"]*)"')

Segment = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """One closed curve in tenths of a pixel, y downwards, from the tile's top left corner."""

    start: tuple[int, int]
    segments: tuple[Segment, ...]
    """One point is a line to it; three are a cubic curve: two handles and its end."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An area and its holes (even-odd), with the box around all its points."""

    outlines: tuple[Outline, ...]
    box: tuple[int, int, int, int]
    """left, top, right, bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """Everything painted in one ink at one rank; a stacked ground, rank 0, has no shapes."""

    ink: Ink
    rank: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """How Potrace draws; see its manual page for the meaning of each."""

    speck_px_max: int = 8
    corner: float = 1.0
    tolerance: float = 0.3


def trace(
    index_map: Bytes,
    palette: Palette,
    lattice: Lattice,
    *,
    bleed_px: float = 1.0,
    curves: Curves | None = None,
    timeout_s: float = TIMEOUT_S_DEFAULT,
) -> tuple[Plate, ...]:
    """The plates of an index map [H, W], ground first, to be painted in order.

    Shapes that do not reach the tile or its bleed are left out; those that cross it are whole, so
    the caller clips. Raises MissingPart without Potrace, Transient when it takes too long.
    """
    drawing = _Drawing(index_map.shape, bleed_px, curves or Curves(), timeout_s)
    padded = wrap_pad(index_map, lattice, margin_px=drawing.margin_px)
    plates = [Plate(ink=palette.inks[0], rank=0, shapes=())]
    for rank in range(1, len(palette.inks)):
        shapes = drawing.shapes(padded >= rank)
        plates.append(Plate(ink=palette.inks[rank], rank=rank, shapes=shapes))
    return tuple(plates)


def trace_knocked_out(
    masks: Iterable[npt.NDArray[np.bool_]],
    palette: Palette,
    lattice: Lattice,
    *,
    bleed_px: float = 1.0,
    curves: Curves | None = None,
    timeout_s: float = TIMEOUT_S_DEFAULT,
) -> tuple[Plate, ...]:
    """The plates of masks [H, W], one for each ink in printing order, each for itself.

    Such plates meet edge to edge or, with a trap in the masks, reach under one another; without
    one, gaps of a fraction of a pixel open between them. Raises as `trace`.
    """
    plates = []
    for rank, (ink, mask) in enumerate(zip(palette.inks, masks, strict=True)):
        drawing = _Drawing(mask.shape, bleed_px, curves or Curves(), timeout_s)
        padded = wrap_pad(mask, lattice, margin_px=drawing.margin_px)
        plates.append(Plate(ink=ink, rank=rank, shapes=drawing.shapes(padded)))
    return tuple(plates)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How masks of one shape are traced."""

    shape: tuple[int, ...]
    bleed_px: float
    curves: Curves
    timeout_s: float

    def __post_init__(self) -> None:
        """Refuse what is too large before it is padded."""
        pixels = math.prod(side + 2 * self.margin_px for side in self.shape)
        if pixels > MAP_PIXELS_MAX:
            raise Rejected(
                f"a map of {pixels} px is too large to trace",
                field="trace_px",
                limit=f"{MAP_PIXELS_MAX} px with margins",
            )

    @property
    def margin_px(self) -> int:
        """Of its own cloth around a mask."""
        return max(1, max(self.shape) // MARGIN_DIVISOR)

    def shapes(self, padded: npt.NDArray[Any]) -> tuple[Shape, ...]:
        """The shapes of a padded mask that meet the tile or its bleed."""
        drawing = _potrace(padded, self.curves, self.timeout_s)
        frame = _frame(self.shape, self.bleed_px)
        shapes = _shapes(drawing, height_px=padded.shape[0], margin_px=self.margin_px)
        return tuple(shape for shape in shapes if _meets(shape.box, frame))


def _potrace(mask: npt.NDArray[Any], curves: Curves, timeout_s: float) -> str:
    """Potrace's SVG of a mask [H, W] of bool."""
    program = shutil.which("potrace")
    if program is None:
        raise MissingPart("tracing needs Potrace: apt-get install potrace")
    height_px, width_px = mask.shape
    bitmap = b"P4\n%d %d\n" % (width_px, height_px) + np.packbits(mask, axis=1).tobytes()
    command = [program, "--backend", "svg", "--unit", str(UNITS_PER_PX), "--output", "-"]
    command += ["--turnpolicy", "black", "--turdsize", str(curves.speck_px_max)]
    command += ["--alphamax", f"{curves.corner:g}", "--opttolerance", f"{curves.tolerance:g}", "-"]
    try:
        done = subprocess.run(
            command, input=bitmap, capture_output=True, timeout=timeout_s, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise Transient(f"Potrace took longer than {timeout_s:g} s on a plate") from error
    except subprocess.CalledProcessError as error:
        raise Transient(f"Potrace ended with exit code {error.returncode}") from error
    return done.stdout.decode("ascii")


def _shapes(drawing: str, *, height_px: int, margin_px: int) -> Iterator[Shape]:
    """The shapes of Potrace's SVG, moved back by the margin and turned y downwards."""
    left, top = -margin_px * UNITS_PER_PX, (height_px - margin_px) * UNITS_PER_PX
    for path in _PATH.finditer(drawing):
        outlines = tuple(_outlines(path.group(1), left, top))
        yield Shape(outlines, _box(outlines))


def _outlines(path: str, left: int, top: int) -> Iterator[Outline]:
    """Outlines of one path of the commands M m l c z, whole units, all but M relative.

    Potrace counts y upwards; (`left`, `top`) is where its origin lies in our units.
    """
    x = y = 0
    start = (0, 0)
    segments: list[Segment] = []
    for piece in _PIECE.findall(path):
        letter, numbers = piece[0], [int(number) for number in piece[1:].split()]
        if letter in "Mm":
            from_x, from_y = (left, top) if letter == "M" else (x, y)
            x, y = start = (from_x + numbers[0], from_y - numbers[1])
            segments = []
        elif letter == "z":
            x, y = start
            yield Outline(start, tuple(segments))
        else:
            size = 2 if letter == "l" else 6
            for at in range(0, len(numbers), size):
                segment = _segment(x, y, numbers[at : at + size])
                segments.append(segment)
                x, y = segment[-1]


def _segment(x: int, y: int, numbers: list[int]) -> Segment:
    return tuple((x + numbers[k], y - numbers[k + 1]) for k in range(0, len(numbers), 2))


def _box(outlines: tuple[Outline, ...]) -> tuple[int, int, int, int]:
    points = [point for o in outlines for segment in o.segments for point in segment]
    points += [outline.start for outline in outlines]
    across = [point[0] for point in points]
    down = [point[1] for point in points]
    return min(across), min(down), max(across), max(down)


def _frame(shape: tuple[int, ...], bleed_px: float) -> tuple[int, int, int, int]:
    """The tile and its bleed in units: left, top, right, bottom."""
    bleed = round(bleed_px * UNITS_PER_PX)
    return -bleed, -bleed, shape[1] * UNITS_PER_PX + bleed, shape[0] * UNITS_PER_PX + bleed


def _meets(box: tuple[int, int, int, int], frame: tuple[int, int, int, int]) -> bool:
    beside = box[2] <= frame[0] or box[0] >= frame[2]
    above = box[3] <= frame[1] or box[1] >= frame[3]
    return not (beside or above)
