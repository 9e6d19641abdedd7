"""The steps a recipe may take, by the names it uses; `recipe` holds what each may be told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from postproc import products
from postproc.colour import Bytes
from postproc.features import WIDTHS_PX, finest_feature, knocked_out
from postproc.figures import Figure, at_least, on_artefact, reported
from postproc.files import PrintSize
from postproc.gates import colour_count_figure, tile_gates
from postproc.likeness import fingerprint, nearest_figure
from postproc.names import plate_name
from postproc.order import UM_PER_INCH, print_size
from postproc.pdf import write_spot_pdf
from postproc.plates import enlarge, index_of, separate
from postproc.press import ink_total_figures, write_cmyk_tiff
from postproc.recipe import Step
from postproc.seams import SeamLimits, seam_figures
from postproc.svg import Sheet, rasterise, write_svg
from postproc.trace import Curves, trace
from postproc.upscale import by_network, lanczos
from postproc.work import Work
from schemas.errors import Rejected

_UM_PER_MM: Final = 1000


def check_tile(work: Work, step: Step) -> None:
    """The gates that the tile alone decides; their seam limits hold for all that follows."""
    work.limits = SeamLimits(
        p_max=step.number("seam_p_max"),
        r2_max=step.number("seam_r2_max"),
        edge_line_max=step.number("edge_line_max"),
    )
    work.figures += tile_gates(
        work.tile,
        work.lattice,
        limits=work.limits,
        modal_share_max=step.number("modal_share_max"),
        spread_min=step.number("spread_min"),
    )


def compare(work: Work, _step: Step) -> None:
    """The tile's fingerprint, and how near the tenant's nearest other pattern is."""
    work.fingerprint = fingerprint(work.tile, work.lattice)
    work.figures.append(nearest_figure(work.fingerprint, work.order.known))


def enlarge_tile(work: Work, step: Step) -> None:
    """The tile at its working size: nearest to the wanted resolution, capped by the scale."""
    height_px, width_px = work.tile.shape[:2]
    scale_max = step.whole("scale_max")
    work.size = print_size(
        work.order.repeat,
        dpi=step.number("dpi"),
        px_max=(scale_max * width_px, scale_max * height_px),
    )
    source = work.tile
    if step.text("by") == "network":
        source = _networked(work, step.whole("margin_px"))
    work.pictures["painted"] = lanczos(
        source, work.lattice, width_px=work.size.width_px, height_px=work.size.height_px
    )
    work.figures.append(_resolution_figure(work.size))


def _networked(work: Work, margin_px: int) -> Bytes:
    if work.order.network is None:
        raise Rejected("the recipe enlarges by a network", field="network", limit="an ONNX file")
    return by_network(
        work.tile,
        work.lattice,
        network=work.order.network,
        margin_px=margin_px,
        threads=work.order.threads,
    )


def ink(work: Work, step: Step) -> None:
    """The palette, and the map of which ink is where."""
    recipe_max = step.whole("colours_max")
    colours_max = min(work.order.palette_max or recipe_max, recipe_max)
    separation = separate(work.tile, work.lattice, colours_max=colours_max, seed=step.whole("seed"))
    index_map = enlarge(separation, work.pictures["painted"], work.lattice)
    work.separation, work.index_map = separation, index_map
    work.pictures["flat"] = separation.palette.paint(index_map)
    work.figures.append(colour_count_figure(index_map, colours_max=colours_max))


def trace_plates(work: Work, step: Step) -> None:
    """Curves from the map, and the SVG that every later drawing is made from."""
    size = work.sized()
    separation, index_map = work.separated()
    px_per_mm = size.width_px * _UM_PER_MM / size.width_um
    bleed_mm = step.number("bleed_mm")
    bleed_px = max(step.number("bleed_px"), bleed_mm * px_per_mm)
    work.bleed_um = round(bleed_mm * _UM_PER_MM)
    work.sheet = Sheet(
        width_px=size.width_px,
        height_px=size.height_px,
        width_um=size.width_um,
        height_um=size.height_um,
        bleed_px=bleed_px,
    )
    curves = Curves(
        speck_px_max=step.whole("speck_px_max"),
        corner=step.number("corner"),
        tolerance=step.number("tolerance"),
    )
    work.plates = trace(
        index_map, separation.palette, work.lattice, bleed_px=bleed_px, curves=curves
    )
    work.svg = write_svg(work.plates, work.sheet, lattice=work.lattice, title=work.order.design)
    work.pictures["traced"] = rasterise(work.svg, width_px=size.width_px, height_px=size.height_px)


def draw(work: Work, step: Step) -> None:
    """Draw the traced art anew at its print size: sharp at any resolution, flat and smooth."""
    separation, _ = work.separated()
    repeat = work.order.repeat
    longest_um = max(repeat.width_um, repeat.height_um)
    dpi = min(step.number("dpi"), step.whole("side_px_max") * UM_PER_INCH / longest_um)
    work.size = size = print_size(repeat, dpi=dpi)
    flat = rasterise(work.svg, width_px=size.width_px, height_px=size.height_px, crisp=True)
    smooth = rasterise(work.svg, width_px=size.width_px, height_px=size.height_px)
    work.pictures = {"flat": flat, "traced": smooth}
    work.index_map = index_of(flat, separation.palette)
    work.seams.clear()
    work.figures.append(_resolution_figure(size))


def measure(work: Work, step: Step) -> None:
    """The finest line or gap in mm, and what share each ink covers."""
    size = work.sized()
    separation, index_map = work.separated()
    inks = separation.palette.inks
    finest = finest_feature(index_map, len(inks), work.lattice)
    mm_per_px = size.width_um / size.width_px / _UM_PER_MM
    width_mm, least_mm = finest.width_px * mm_per_px, step.number("feature_mm_min")
    where = plate_name(finest.ink + 1, inks[finest.ink].oklab)
    if finest.width_px >= WIDTHS_PX[-1]:
        where = "nowhere thinner"
    if least_mm > 0:
        work.figures.append(at_least("finest_feature", width_mm, least_mm, unit="mm", where=where))
    else:
        work.figures.append(reported("finest_feature", width_mm, unit="mm", where=where))
    for number, covered in enumerate(inks, start=1):
        name = plate_name(number, covered.oklab)
        work.figures.append(reported("ink_coverage", covered.coverage, where=name))


def check_strip(work: Work, step: Step) -> None:
    """How far the repeat is from dividing a roll's width: 0 where strips meet by themselves."""
    strip_um = step.number("strip_mm") * _UM_PER_MM
    times = max(1, round(strip_um / work.order.repeat.width_um))
    off_mm = abs(strip_um - times * work.order.repeat.width_um) / _UM_PER_MM
    work.figures.append(reported("strip_remainder", off_mm, unit="mm", where=f"{times} across"))


def write(work: Work, step: Step) -> None:
    """One file, judged at its own size and read back."""
    file, role, source = step.text("file"), step.text("role"), step.text("from")
    if file == "palette":
        separation, _ = work.separated()
        work.artefacts.append(products.palette_file(separation.palette, work.sized(), work.label))
        return
    artefact = replace(_WRITERS[file](work, source), role=role)
    source = {"svg": "traced", "pdf": "traced", "ai": "traced"}.get(file, source)
    if file.startswith("indexed"):
        source = "flat"
    work.artefacts.append(artefact)
    work.figures += on_artefact(work.judged(source), role)
    if file not in {"svg", "pdf", "ai", "cmyk-tiff"}:
        work.figures += products.file_figures(artefact, work.pictures[source], work.sized())


def _write_raster(kind: str) -> Callable[[Work, str], products.Artefact]:
    return lambda work, source: products.raster_file(
        kind, work.pictures[source], work.sized(), work.label
    )


def _write_indexed(kind: str) -> Callable[[Work, str], products.Artefact]:
    def made(work: Work, _source: str) -> products.Artefact:
        separation, index_map = work.separated()
        size, label = work.sized(), work.label
        return products.indexed_file(kind, index_map, separation.palette, size=size, label=label)

    return made


def _write_cmyk(work: Work, source: str) -> products.Artefact:
    data, inks = write_cmyk_tiff(work.pictures[source], work.sized(), work.order.press_profile)
    work.figures += ink_total_figures(inks)
    return products.sized_file(data, "-cmyk.tif", work.sized(), work.label)


def _write_svg(work: Work, _source: str) -> products.Artefact:
    return products.sized_file(work.svg, ".svg", work.sized(), work.label)


def _write_pdf(ending: str) -> Callable[[Work, str], products.Artefact]:
    def made(work: Work, _source: str) -> products.Artefact:
        data = write_spot_pdf(
            work.plates, work.traced(), bleed_um=work.bleed_um, title=work.order.design
        )
        return products.sized_file(data, ending, work.sized(), work.label)

    return made


_WRITERS: Final[dict[str, Callable[[Work, str], products.Artefact]]] = {
    "png": _write_raster("png"),
    "tiff": _write_raster("tiff"),
    "indexed-png": _write_indexed("indexed-png"),
    "indexed-tiff": _write_indexed("indexed-tiff"),
    "cmyk-tiff": _write_cmyk,
    "svg": _write_svg,
    "pdf": _write_pdf(".pdf"),
    "ai": _write_pdf(".ai"),
}


def write_plates(work: Work, step: Step) -> None:
    """One 1-bit TIFF per ink in printing order, trapped; the ground only where it is printed."""
    size = work.sized()
    separation, index_map = work.separated()
    trap_px = step.number("trap_mm") * _UM_PER_MM * size.width_px / size.width_um
    first = 0 if step.text("ground") == "print" else 1
    for number in range(first, len(separation.palette.inks)):
        name = plate_name(number + 1, separation.palette.inks[number].oklab)
        mask = knocked_out(index_map, number, work.lattice, trap_px=trap_px)
        artefact = products.plate_file(mask, name, size, work.label)
        work.artefacts.append(artefact)
        work.figures += products.plate_figures(artefact, mask, size)


def preview(work: Work, step: Step) -> None:
    """The cloth, some units wide and high, small enough to look at."""
    columns, rows = step.whole("columns"), step.whole("rows")
    picture = work.pictures[step.text("from")]
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
    work.figures += on_artefact(seams, artefact.role)


def _resolution_figure(size: PrintSize) -> Figure:
    return reported("resolution", size.width_px * UM_PER_INCH / size.width_um, unit="dpi")


STEPS: Final[dict[str, Callable[[Work, Step], None]]] = {
    "check-tile": check_tile,
    "compare": compare,
    "enlarge": enlarge_tile,
    "ink": ink,
    "trace": trace_plates,
    "draw": draw,
    "measure": measure,
    "check-strip": check_strip,
    "write": write,
    "plates": write_plates,
    "preview": preview,
}
