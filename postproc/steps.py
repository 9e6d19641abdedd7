"""The steps a recipe may take, by the names it uses; `recipe` holds what each may be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from postproc.colour import Bytes
from postproc.colourways import locked
from postproc.features import WIDTHS_PX, finest_feature
from postproc.figures import Figure, at_least, of_part, on_artefact, reported
from postproc.files import PrintSize
from postproc.gates import colour_count_figure, tile_gates
from postproc.likeness import fingerprint, nearest_figure
from postproc.order import UM_PER_INCH, print_size
from postproc.palette import with_coverage
from postproc.plate_files import write_plates
from postproc.plates import Separation, enlarge, index_of, separate
from postproc.recipe import Step
from postproc.seams import SeamLimits
from postproc.svg import Sheet, rasterise, write_svg
from postproc.swatches import Swatch, parse_swatches
from postproc.trace import Curves, trace
from postproc.upscale import SHIPPED, by_network, lanczos
from postproc.work import Work
from postproc.writing import (
    again,
    check_vendor,
    colourway,
    mock_up_scene,
    preview,
    write,
    write_colourway,
)

__all__ = ["STEPS", "write_colourway"]

_UM_PER_MM: Final = 1000


def check_tile(work: Work, step: Step) -> None:
    """The gates that the tile alone decides; their seam limits hold for all that follows."""
    work.limits = SeamLimits(
        p_max=step.number("seam_p_max"),
        r2_max=step.number("seam_r2_max"),
        edge_line_max=step.number("edge_line_max"),
        local_max=step.number("seam_local_max"),
    )
    work.figures += tile_gates(
        work.tile,
        work.lattice,
        limits=work.limits,
        modal_share_max=step.number("modal_share_max"),
        spread_min=step.number("spread_min"),
        edge_width_px_max=step.number("edge_width_px_max"),
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
    larger = work.size.width_px > width_px or work.size.height_px > height_px
    if step.text("by") == "network" and larger:
        source = _networked(work, step.whole("margin_px"))
    work.pictures["painted"] = lanczos(
        source, work.lattice, width_px=work.size.width_px, height_px=work.size.height_px
    )
    work.figures.append(_resolution_figure(work.size))


def _networked(work: Work, margin_px: int) -> Bytes:
    return by_network(
        work.tile,
        work.lattice,
        network=work.order.network or SHIPPED,
        margin_px=margin_px,
        threads=work.order.threads,
    )


def ink(work: Work, step: Step) -> None:
    """The palette, and the map of which ink is where."""
    recipe_max = step.whole("colours_max")
    colours_max = work.colours_max = min(work.order.palette_max or recipe_max, recipe_max)
    separation = separate(work.tile, work.lattice, colours_max=colours_max, seed=step.whole("seed"))
    index_map = enlarge(separation, work.pictures["painted"], work.lattice)
    clients = work.order.locked or parse_swatches(step.text("locked"), viewing=step.text("viewing"))
    if clients:
        separation, index_map = _lock(work, step, clients, (separation, index_map))
    _keep(work, separation, index_map)
    work.pictures["flat"] = separation.palette.paint(index_map)
    work.figures.append(colour_count_figure(index_map, colours_max=colours_max))


def _keep(work: Work, separation: Separation, index_map: Bytes) -> None:
    """Take the map at print size, and say of each ink what it covers there."""
    counted = with_coverage(separation.palette, index_map)
    work.separation = Separation(counted, separation.index_map)
    work.index_map = index_map


def _lock(
    work: Work, step: Step, clients: Sequence[Swatch], found: tuple[Separation, Bytes]
) -> tuple[Separation, Bytes]:
    """The separation and its enlarged map in the client's colours only."""
    separation, index_map = found
    most = work.order.lock_delta_e_max or step.number("lock_delta_e_max")
    lock = locked(separation.palette, clients, delta_e_max=most)
    work.figures += lock.figures
    return Separation(lock.palette, lock.table[separation.index_map]), lock.table[index_map]


def describe(work: Work, step: Step) -> None:
    """From here on every file says what it is and how it came about."""
    work.described = step.text("digital_source")


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
    work.curves = curves
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
    _keep(work, separation, index_of(flat, separation.palette))
    work.seams.clear()
    work.trapped.clear()
    work.knocked_out.clear()
    work.figures += on_artefact([_resolution_figure(size)], "drawn")


def measure(work: Work, step: Step) -> None:
    """The finest line or gap in mm, and what share each ink covers."""
    size = work.sized()
    separation, index_map = work.separated()
    inks = separation.palette.inks
    finest = finest_feature(index_map, len(inks), work.lattice)
    mm_per_px = size.width_um / size.width_px / _UM_PER_MM
    width_mm, least_mm = finest.width_px * mm_per_px, step.number("feature_mm_min")
    where = inks[finest.ink].plate(finest.ink + 1)
    if finest.width_px >= WIDTHS_PX[-1]:
        where = "nowhere thinner"
    if least_mm > 0:
        work.figures.append(at_least("finest_feature", width_mm, least_mm, unit="mm", where=where))
    else:
        work.figures.append(reported("finest_feature", width_mm, unit="mm", where=where))
    for number, covered in enumerate(inks, start=1):
        where = covered.plate(number)
        figure = reported("ink_coverage", covered.coverage, where=where)
        work.figures.append(of_part(figure, where))


def check_strip(work: Work, step: Step) -> None:
    """How far the repeat is from dividing a roll's width, or a screen's round: 0 where it does."""
    strip_um = step.number("strip_mm") * _UM_PER_MM
    repeat_um, name, way = work.order.repeat.width_um, "strip_remainder", "across"
    if step.text("along") == "height":
        repeat_um = work.order.repeat.height_um * work.lattice.rows_to_straight
        name, way = "screen_remainder", "round"
    times = max(1, round(strip_um / repeat_um))
    off_mm = abs(strip_um - times * repeat_um) / _UM_PER_MM
    work.figures.append(reported(name, off_mm, unit="mm", where=f"{times} {way}"))


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
    "describe": describe,
    "write": again(write),
    "plates": write_plates,
    "preview": again(preview),
    "mock-up": again(mock_up_scene),
    "check-vendor": check_vendor,
    "colourway": colourway,
}
