"""The files a recipe writes, each with the facts that travel beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from postproc import files
from postproc.cie import VIEWING_ICC
from postproc.colour import Bytes
from postproc.colourways import swatches_of
from postproc.figures import Figure, at_most, exactly, on_artefact, reported
from postproc.files import PrintSize
from postproc.gates import size_figures
from postproc.lattice import Lattice, step_and_repeat
from postproc.names import FileLabel
from postproc.palette import Palette
from postproc.svg import svg_size_um
from postproc.swatches import write_ase, write_csv

COMPARED_ROWS: Final = 256
MEDIA_TYPES: Final = {
    ".png": "image/png",
    ".tif": "image/tiff",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    # Adobe Swatch Exchange has no registered type.
    ".ase": "application/octet-stream",
    # PDF content under Illustrator's ending; nothing native is promised.
    ".ai": "application/pdf",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file: its bytes and what it is. Zero where a size does not apply."""

    role: str
    media_type: str
    display_name: str
    data: bytes
    width_px: int = 0
    height_px: int = 0
    repeat_width_um: int = 0
    repeat_height_um: int = 0
    resolution_px: int = 0
    """With `resolution_um`: the exact resolution across the width, in lowest terms."""
    resolution_um: int = 0
    colourway: str = "original"


def raster_file(kind: str, rgb: Bytes, size: PrintSize, label: FileLabel) -> Artefact:
    """A `png` or `tiff` of an RGB picture at its print size."""
    if kind == "tiff":
        return sized_file(files.write_tiff(rgb, size), ".tif", size, label)
    return sized_file(files.write_png(rgb, size), ".png", size, label)


def indexed_file(
    kind: str, index_map: Bytes, palette: Palette, *, size: PrintSize, label: FileLabel
) -> Artefact:
    """An `indexed-png` or `indexed-tiff`: the map and its colours, ready to be recoloured."""
    colours = palette.rgb()
    if kind == "indexed-tiff":
        data = files.write_indexed_tiff(index_map, colours, size)
        return sized_file(data, "-indexed.tif", size, label)
    data = files.write_indexed_png(index_map, colours, size)
    return sized_file(data, "-indexed.png", size, label)


def palette_file(kind: str, palette: Palette, size: PrintSize, label: FileLabel) -> Artefact:
    """The inks in printing order: `palette` as JSON with all that is known, else CSV or ASE."""
    inks = swatches_of(palette)
    if kind == "palette-csv":
        ending, data = "-palette.csv", write_csv(inks)
    elif kind == "palette-ase":
        ending, data = "-palette.ase", write_ase(inks, group=f"{label.design} {label.colourway}")
    else:
        ending, data = "-palette.json", _palette_json(palette, label)
    return Artefact(
        role=kind,
        media_type=MEDIA_TYPES["." + ending.rsplit(".", 1)[1]],
        display_name=label.name(width_px=size.width_px, ending=ending),
        data=data,
        colourway=label.colourway,
    )


def _palette_json(palette: Palette, label: FileLabel) -> bytes:
    inks = [
        {
            "plate": ink.plate(rank),
            "name": ink.name,
            "srgb": ink.hex,
            "oklab_d65": [round(value, 5) for value in ink.oklab],
            "lab": [round(value, 4) for value in ink.lab_d50()],
            "lab_viewing": VIEWING_ICC,
            "coverage": round(ink.coverage, 5),
        }
        for rank, ink in enumerate(palette.inks, start=1)
    ]
    return (json.dumps({"colourway": label.colourway, "inks": inks}, indent=1) + "\n").encode()


def seen_file(picture: Bytes, role: str, ending: str, label: FileLabel) -> Artefact:
    """A PNG that people look at and nobody prints: a scene, with no size of its own."""
    height_px, width_px = picture.shape[:2]
    size = PrintSize(
        width_px=width_px, height_px=height_px, width_um=254 * width_px, height_um=254 * height_px
    )
    return Artefact(
        role=role,
        media_type=MEDIA_TYPES[".png"],
        display_name=label.name(width_px=0, ending=ending),
        data=files.write_png(picture, size),
        width_px=width_px,
        height_px=height_px,
        colourway=label.colourway,
    )


def preview_file(
    unit: Bytes, lattice: Lattice, *, columns: int, rows: int, label: FileLabel
) -> Artefact:
    """A PNG of the cloth, `columns` x `rows` units by the lattice, for people who look."""
    cloth = step_and_repeat(unit, lattice, columns=columns, rows=rows)
    size = PrintSize(
        width_px=cloth.shape[1],
        height_px=cloth.shape[0],
        width_um=columns * label.width_um,
        height_um=rows * label.height_um,
    )
    return Artefact(
        role="preview",
        media_type=MEDIA_TYPES[".png"],
        display_name=label.name(width_px=unit.shape[1], ending=f"-{columns}x{rows}.png"),
        data=files.write_png(cloth, size),
        width_px=size.width_px,
        height_px=size.height_px,
        colourway=label.colourway,
    )


def file_figures(
    artefact: Artefact,
    picture: Bytes,
    size: PrintSize,
    *,
    read: Callable[[bytes], Bytes] = files.read_back,
) -> list[Figure]:
    """Does the file, read by another library, hold exactly this picture at exactly this size?"""
    pixels = read(artefact.data)
    return sized_figures(artefact, pixels.shape[:2], size, same=_same(pixels, picture))


def sized_figures(
    artefact: Artefact, shape: tuple[int, ...], size: PrintSize, *, same: bool
) -> list[Figure]:
    """Has the file, (height, width) px as read, its exact size; were its pixels kept?"""
    if artefact.media_type == MEDIA_TYPES[".tif"]:
        width_um, height_um = files.tiff_size_um(artefact.data)
        error_um = float(max(abs(width_um - size.width_um), abs(height_um - size.height_um)))
        error_um_max = 0.0
    else:
        # PNG holds whole pixels per metre: half of one is the most that rounding can cost.
        error_um = files.png_error_um(size)
        error_um_max = files.png_error_um_max(size)
    figures = size_figures(
        pixels=(shape[1], shape[0]),
        wanted_px=(size.width_px, size.height_px),
        error_um=error_um,
        error_um_max=error_um_max,
    )
    figures.append(exactly("pixels_kept", float(same), 1.0))
    return on_artefact(figures, artefact.role)


def svg_size_figure(artefact: Artefact, size: PrintSize) -> Figure:
    """How far the size that the SVG's root says is from the repeat's, the worse of both sides."""
    error_um = max(
        abs(said - length)
        for said, length in zip(
            svg_size_um(artefact.data), (size.width_um, size.height_um), strict=True
        )
    )
    return at_most("repeat_error", float(error_um), 0.0, unit="um")


def _same(one: Bytes, other: Bytes) -> bool:
    """Equal in shape and every pixel, a few rows at a time."""
    if one.shape != other.shape:
        return False
    return all(
        np.array_equal(one[top : top + COMPARED_ROWS], other[top : top + COMPARED_ROWS])
        for top in range(0, len(one), COMPARED_ROWS)
    )


def plate_file(
    mask: npt.NDArray[np.bool_], plate: str, size: PrintSize, label: FileLabel
) -> Artefact:
    """One ink's 1-bit TIFF; its role is `plate-` and the plate's name."""
    artefact = sized_file(files.write_plate(mask, size), f"-{plate}.tif", size, label)
    return replace(artefact, role=f"plate-{plate}")


def plate_figures(artefact: Artefact, mask: npt.NDArray[np.bool_], size: PrintSize) -> list[Figure]:
    """Does the plate, read by another library, print exactly where it should, at full size?"""
    width_um, height_um = files.tiff_size_um(artefact.data)
    error_um = float(max(abs(width_um - size.width_um), abs(height_um - size.height_um)))
    same = bool(np.array_equal(files.read_plate(artefact.data), mask))
    figures = [
        at_most("repeat_error", error_um, 0.0, unit="um"),
        exactly("pixels_kept", float(same), 1.0),
        reported("plate_coverage", float(mask.mean())),
    ]
    return on_artefact(figures, artefact.role)


def sized_file(data: bytes, ending: str, size: PrintSize, label: FileLabel) -> Artefact:
    """An artefact at the repeat's print size; its media type follows from the ending."""
    resolution_px, resolution_um = size.resolution()
    return Artefact(
        role="image",
        media_type=MEDIA_TYPES["." + ending.rsplit(".", 1)[1]],
        display_name=label.name(width_px=size.width_px, ending=ending),
        data=data,
        width_px=size.width_px,
        height_px=size.height_px,
        repeat_width_um=size.width_um,
        repeat_height_um=size.height_um,
        resolution_px=resolution_px,
        resolution_um=resolution_um,
        colourway=label.colourway,
    )
