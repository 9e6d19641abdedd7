"""The steps that end in files: write, plates, preview, mock-up, and all of it in other colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Final

from postproc import plate_files, products
from postproc.colourways import Colourway, recoloured
from postproc.figures import Figure, on_artefact
from postproc.mockups import mock_up
from postproc.order import UM_PER_INCH
from postproc.plate_files import plate_names
from postproc.plates import Separation
from postproc.press import ink_total_figures, press_figures, read_cmyk, write_cmyk_tiff
from postproc.products import Artefact
from postproc.recipe import Step
from postproc.seams import seam_figures
from postproc.separations import (
    write_layered_tiff,
)
from postproc.svg import rasterise, write_svg
from postproc.swatches import parse_swatches
from postproc.told import told
from postproc.upscale import lanczos
from postproc.vendors import Upload, any_vendor_figures, vendor_figures
from postproc.work import Unit, Work
from schemas.errors import Rejected

Taken = Callable[[Work, Step], None]
_UM_PER_MM: Final = 1000
_DRAWN: Final = frozenset({"pdf", "ai"})
"""Judged by what is drawn from the file itself."""
_PALETTES: Final = frozenset({"palette", "palette-csv", "palette-ase"})
COLOURWAYS_MAX: Final = 16


def again(step_of: Taken) -> Taken:
    """A step whose files are written once more in every colourway that follows."""

    @wraps(step_of)
    def taken(work: Work, step: Step) -> None:
        work.outputs.append(step)
        step_of(work, step)

    return taken


def write(work: Work, step: Step) -> None:
    """One file, judged at its own size and read back; nothing where straight is the repeat."""
    file, role = step.text("file"), step.text("role")
    if file in _PALETTES:
        separation, _ = work.separated()
        made = products.palette_file(file, separation.palette, work.sized(), work.label)
        work.artefacts.append(replace(made, role=role))
        return
    unit = work.unit(step.text("unit"))
    if unit is None:
        return
    source = _source(file, step)
    judged = [] if file in _DRAWN else _judged(work, source, unit)
    made = _WRITERS[file](work, step, unit)
    artefact = told(work, replace(made, role=role), unit)
    work.artefacts.append(artefact)
    work.figures += on_artefact([*judged, *_read_back(work, step, unit, artefact)], work.on(role))


def _source(file: str, step: Step) -> str:
    """Which picture a file shows."""
    plain = file.startswith(("indexed", "separated", "layered"))
    return "flat" if plain else "traced" if file == "svg" else step.text("from")


def _judged(work: Work, source: str, unit: Unit) -> list[Figure]:
    if unit.lattice == work.lattice:
        return work.judged(source)
    key = f"{source} straight"
    if key not in work.seams:
        work.seams[key] = seam_figures(
            unit.lay(work.picture(source)), unit.lattice, limits=work.limits
        )
    return work.seams[key]


def _read_back(work: Work, step: Step, unit: Unit, artefact: Artefact) -> list[Figure]:
    """Does another library read from the file what was put in, at its size?"""
    file = step.text("file")
    if file == "svg":
        return [products.svg_size_figure(artefact, unit.size)]
    if file in {"pdf", "ai"}:
        return plate_files.spot_figures(work, step, unit, artefact)
    if file == "cmyk-tiff":
        return _cmyk_figures(work, unit, artefact)
    if file == "separated-tiff":
        return plate_files.separated_figures(work, step, unit, artefact)
    return products.file_figures(artefact, unit.lay(work.picture(_source(file, step))), unit.size)


def _cmyk_figures(work: Work, unit: Unit, artefact: Artefact) -> list[Figure]:
    """The file against what was converted, its total ink, and what the press makes of each ink."""
    inks, work.inks = work.inks, None
    if inks is None:
        return []
    figures = products.file_figures(artefact, inks, unit.size, read=read_cmyk)
    figures += ink_total_figures(inks)
    if work.separation is not None:
        figures += press_figures(work.separation.palette, work.order.press_profile)
    return figures


Writer = Callable[[Work, Step, Unit], Artefact]


def _raster(kind: str) -> Writer:
    def made(work: Work, step: Step, unit: Unit) -> Artefact:
        picture = unit.lay(work.picture(step.text("from")))
        return products.raster_file(kind, picture, unit.size, unit.label)

    return made


def _indexed(kind: str) -> Writer:
    def made(work: Work, _step: Step, unit: Unit) -> Artefact:
        separation, index_map = work.separated()
        return products.indexed_file(
            kind, unit.lay(index_map), separation.palette, size=unit.size, label=unit.label
        )

    return made


def _cmyk(work: Work, step: Step, unit: Unit) -> Artefact:
    picture = unit.lay(work.picture(step.text("from")))
    data, work.inks = write_cmyk_tiff(picture, unit.size, work.order.press_profile)
    return products.sized_file(data, "-cmyk.tif", unit.size, unit.label)


def _svg(work: Work, _step: Step, unit: Unit) -> Artefact:
    return products.sized_file(work.svg, ".svg", unit.size, unit.label)


def _spot(ending: str) -> Writer:
    def made(work: Work, step: Step, unit: Unit) -> Artefact:
        return plate_files.spot(work, step, unit, ending)

    return made


def _layered(work: Work, _step: Step, unit: Unit) -> Artefact:
    separation, index_map = work.separated()
    data = write_layered_tiff(index_map, separation.palette, unit.size, names=plate_names(work))
    return products.sized_file(data, "-layers.tif", unit.size, unit.label)


_WRITERS: Final[dict[str, Writer]] = {
    "png": _raster("png"),
    "tiff": _raster("tiff"),
    "indexed-png": _indexed("indexed-png"),
    "indexed-tiff": _indexed("indexed-tiff"),
    "cmyk-tiff": _cmyk,
    "svg": _svg,
    "pdf": _spot(".pdf"),
    "ai": _spot(".ai"),
    "separated-tiff": plate_files.separated,
    "layered-tiff": _layered,
}


def preview(work: Work, step: Step) -> None:
    """The cloth, some units wide and high, small enough to look at."""
    columns, rows = step.whole("columns"), step.whole("rows")
    picture = work.picture(step.text("from"))
    longest_px = max(picture.shape[:2])
    shrink = min(1.0, step.whole("side_px_max") / max(columns, rows) / longest_px)
    unit = lanczos(
        picture,
        work.lattice,
        width_px=work.lattice.even_side(math.floor(picture.shape[1] * shrink), "width"),
        height_px=work.lattice.even_side(math.floor(picture.shape[0] * shrink), "height"),
    )
    artefact = products.preview_file(
        unit, work.lattice, columns=columns, rows=rows, label=work.label
    )
    work.artefacts.append(artefact)
    seams = seam_figures(unit, work.lattice, limits=work.limits)
    work.figures += on_artefact(seams, work.on(artefact.role))


def mock_up_scene(work: Work, step: Step) -> None:
    """The cloth in a room, at true scale, for people who look."""
    scene, repeat = step.text("scene"), work.order.repeat
    picture = mock_up(
        work.picture(step.text("from")),
        work.lattice,
        size_um=(repeat.width_um, repeat.height_um),
        scene=scene,
        side_px_max=step.whole("side_px_max"),
    )
    made = products.seen_file(picture, f"mock-up-{scene}", f"-{scene}.png", work.label)
    work.artefacts.append(made)


def check_vendor(work: Work, step: Step) -> None:
    """Would the shop take the print file? Reported for all shops, decided for the one named."""
    prints = [one for one in work.artefacts if one.role == "print"]
    if not prints:
        raise Rejected("nothing was written as print", field="recipe", limit="a file of role print")
    file, vendor = prints[-1], step.text("vendor")
    upload = Upload(
        media_type=file.media_type,
        size_bytes=len(file.data),
        width_px=file.width_px,
        height_px=file.height_px,
        dpi=file.width_px * UM_PER_INCH / file.repeat_width_um,
    )
    figures = any_vendor_figures(upload) if vendor == "any" else vendor_figures(vendor, upload)
    work.figures += on_artefact(figures, work.on(file.role))


def colourway(work: Work, step: Step) -> None:
    """Everything drawn from plates once more, in the step's colours."""
    colours = parse_swatches(step.text("colours"), viewing=step.text("viewing"))
    write_colourway(work, Colourway(name=step.text("name"), swatches=colours))


def write_colourway(work: Work, other: Colourway) -> None:
    """The files of the steps so far in other colours; the plates themselves stay as they are."""
    separation, index_map = work.separated()
    work.colourways += 1
    if work.colourways > COLOURWAYS_MAX:
        raise Rejected("too many colourways", field="colourway", limit=f"{COLOURWAYS_MAX}")
    palette = recoloured(separation.palette, other)
    work.separation = Separation(palette, separation.index_map)
    work.label = replace(work.label, colourway=other.name)
    traced = "traced" in work.pictures
    work.pictures = {"flat": palette.paint(index_map)}
    work.seams.clear()
    if traced:
        inks = palette.inks
        work.plates = tuple(replace(plate, ink=inks[plate.rank]) for plate in work.plates)
        size = work.sized()
        work.svg = write_svg(
            work.plates, work.traced(), lattice=work.lattice, title=work.order.design
        )
        work.pictures["traced"] = rasterise(
            work.svg, width_px=size.width_px, height_px=size.height_px
        )
    for step in work.outputs:
        OUTPUTS[step.do](work, step)


OUTPUTS: Final[dict[str, Taken]] = {"write": write, "preview": preview, "mock-up": mock_up_scene}
