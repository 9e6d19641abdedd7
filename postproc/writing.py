"""The steps that end in files: write, plates, preview, mock-up, and all of it in other colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Final

from postproc import products
from postproc.colourways import Colourway, recoloured
from postproc.describe import Description, with_parameters, with_xmp, xmp_packet
from postproc.features import knocked_out
from postproc.figures import Figure, on_artefact
from postproc.mockups import mock_up
from postproc.order import UM_PER_INCH
from postproc.pdf import write_spot_pdf
from postproc.plates import Separation
from postproc.press import ink_total_figures, press_figures, read_cmyk, write_cmyk_tiff
from postproc.products import Artefact
from postproc.recipe import Step
from postproc.seams import seam_figures
from postproc.separations import (
    Separations,
    pack,
    separations_kept,
    write_layered_tiff,
    write_separated_tiff,
)
from postproc.svg import rasterise, write_svg
from postproc.swatches import parse_swatches
from postproc.upscale import lanczos
from postproc.vendors import Upload, any_vendor_figures, vendor_figures
from postproc.work import Unit, Work
from schemas.errors import Rejected

Taken = Callable[[Work, Step], None]
_UM_PER_MM: Final = 1000
_DRAWN: Final = {"svg": "traced", "pdf": "traced", "ai": "traced"}
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
    judged = _judged(work, source, unit)
    made = _WRITERS[file](work, step, unit)
    artefact = _told(work, replace(made, role=role), unit)
    work.artefacts.append(artefact)
    work.figures += on_artefact([*judged, *_read_back(work, step, unit, artefact)], work.on(role))


def _source(file: str, step: Step) -> str:
    """Which picture a file shows."""
    plain = file.startswith(("indexed", "separated", "layered"))
    return "flat" if plain else _DRAWN.get(file, step.text("from"))


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
    if file in {"svg", "pdf", "ai"}:
        return []
    if file == "cmyk-tiff":
        return _cmyk_figures(work, unit, artefact)
    if file == "separated-tiff":
        same = separations_kept(artefact.data, _separations(work, step, unit))
        shape = (unit.size.height_px, unit.size.width_px)
        return products.sized_figures(artefact, shape, unit.size, same=same)
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


def _told(work: Work, artefact: Artefact, unit: Unit) -> Artefact:
    """The artefact with what it says of itself, where that was asked for."""
    words = work.order.words
    data = artefact.data
    if work.described:
        inks = work.separation.palette.inks if work.separation else ()
        said = Description(
            title=work.order.design,
            media_type=artefact.media_type,
            lattice=unit.label.lattice,
            unit="repeat" if unit.lattice == unit.source else "straight",
            width_um=unit.size.width_um,
            height_um=unit.size.height_um,
            colourway=artefact.colourway,
            recipe=work.label.recipe,
            recipe_sha256=work.recipe_sha256,
            digital_source=work.described,
            plates=tuple(ink.plate(rank) for rank, ink in enumerate(inks, start=1)),
            creator=words.creator if words else "",
            rights=words.rights if words else "",
        )
        data = with_xmp(data, xmp_packet(said))
    if words and words.parameters:
        data = with_parameters(data, words.parameters)
    return replace(artefact, data=data)


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


def _pdf(ending: str) -> Writer:
    def made(work: Work, _step: Step, unit: Unit) -> Artefact:
        data = write_spot_pdf(
            work.plates, work.traced(), bleed_um=work.bleed_um, title=work.order.design
        )
        return products.sized_file(data, ending, unit.size, unit.label)

    return made


def _separated(work: Work, step: Step, unit: Unit) -> Artefact:
    plates = _separations(work, step, unit)
    data = write_separated_tiff(plates, _plate_names(work), unit.size)
    return products.sized_file(data, "-separations.tif", unit.size, unit.label)


def _separations(work: Work, step: Step, unit: Unit) -> Separations:
    plates = _trapped(work, step)
    if unit.lattice == unit.source:
        return plates
    return pack(unit.lay(plates.mask(ink)) for ink in range(len(plates.rows)))


def _layered(work: Work, _step: Step, unit: Unit) -> Artefact:
    separation, index_map = work.separated()
    data = write_layered_tiff(index_map, separation.palette, unit.size, names=_plate_names(work))
    return products.sized_file(data, "-layers.tif", unit.size, unit.label)


_WRITERS: Final[dict[str, Writer]] = {
    "png": _raster("png"),
    "tiff": _raster("tiff"),
    "indexed-png": _indexed("indexed-png"),
    "indexed-tiff": _indexed("indexed-tiff"),
    "cmyk-tiff": _cmyk,
    "svg": _svg,
    "pdf": _pdf(".pdf"),
    "ai": _pdf(".ai"),
    "separated-tiff": _separated,
    "layered-tiff": _layered,
}


def write_plates(work: Work, step: Step) -> None:
    """One 1-bit TIFF per ink in printing order, trapped; the ground only where it is printed."""
    unit = work.unit("repeat")
    first = 0 if step.text("ground") == "print" else 1
    plates = _trapped(work, step)
    for ink, name in list(enumerate(_plate_names(work)))[first:]:
        mask = plates.mask(ink)
        made = products.plate_file(mask, name, work.sized(), work.label)
        artefact = _told(work, made, unit) if unit else made
        work.artefacts.append(artefact)
        work.figures += products.plate_figures(artefact, mask, work.sized())


def _plate_names(work: Work) -> list[str]:
    separation, _ = work.separated()
    return [ink.plate(rank) for rank, ink in enumerate(separation.palette.inks, start=1)]


def _trapped(work: Work, step: Step) -> Separations:
    """Where each ink prints, trapped as the step says; worked out once for each trap."""
    trap_mm = step.number("trap_mm")
    if trap_mm not in work.trapped:
        size = work.sized()
        separation, index_map = work.separated()
        trap_px = trap_mm * _UM_PER_MM * size.width_px / size.width_um
        work.trapped[trap_mm] = pack(
            knocked_out(index_map, ink, work.lattice, trap_px=trap_px)
            for ink in range(len(separation.palette.inks))
        )
    return work.trapped[trap_mm]


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
