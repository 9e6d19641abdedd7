"""Runs a recipe on a tile: figures and files, or a refusal that says which gate and by how much.

Pure: arrays and bytes in, bytes out; what goes in and what comes out can be pickled, because this
runs in a pool of processes. Each file is read back by another library than wrote it, and each
source of pixels, the drawn vector included, goes through the seam gate at its own size.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from postproc import products
from postproc.colour import Bytes
from postproc.figures import Figure, on_artefact, refuse, reported
from postproc.files import PrintSize
from postproc.gates import blank_figures, colour_count_figure, tile_gates
from postproc.lattice import Lattice, parse_lattice
from postproc.names import FileLabel
from postproc.palette import Palette
from postproc.plates import Separation, enlarge, index_of, separate
from postproc.products import Artefact
from postproc.recipe import Recipe, Step
from postproc.seams import SeamLimits, seam_figures
from postproc.svg import Sheet, rasterise, write_svg
from postproc.trace import Curves, Plate, trace
from postproc.upscale import by_network, lanczos
from schemas.errors import Rejected

WIDTH_PX_MAX: Final = 1 << 20
REPEAT_UM_MIN: Final = 1_000
REPEAT_UM_MAX: Final = 20_000_000
_UM_PER_INCH: Final = 25_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The single unit, before the drop, in micrometres."""

    lattice: Lattice
    width_um: int
    height_um: int


def repeat_of(lattice: str, width_um: int, height_um: int) -> Repeat:
    """A checked repeat from its parts as they travel; raises Rejected with field and limit."""
    for name, length_um in (("width_um", width_um), ("height_um", height_um)):
        if not REPEAT_UM_MIN <= length_um <= REPEAT_UM_MAX:
            raise Rejected(
                f"a repeat with {name} {length_um} cannot be finished",
                field=f"repeat.{name}",
                limit=f"{REPEAT_UM_MIN} to {REPEAT_UM_MAX} um",
            )
    return Repeat(lattice=parse_lattice(lattice), width_um=width_um, height_um=height_um)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of the table for one tile, beside the recipe."""

    repeat: Repeat
    palette_max: int = 0
    """At most this many colours, if fewer than the recipe's; 0 leaves it to the recipe."""
    design: str = "pattern"
    """Shown in file names and titles: a design name, never a prompt."""
    colourway: str = "original"
    network: Path | None = None
    """ONNX file for recipes that enlarge by network."""
    threads: int = 1
    refuse: bool = True
    """Raise at the first gate that fails. False carries on and leaves judging to the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Everything a recipe made of a tile."""

    artefacts: tuple[Artefact, ...]
    figures: tuple[Figure, ...]
    palette: Palette | None
    recipe_name: str
    recipe_version: int
    recipe_hash: str
    cpu_us: int
    """CPU time of this process and the programs it ran, over the whole recipe."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """What the steps have made so far."""

    tile: Bytes
    order: Order
    label: FileLabel
    limits: SeamLimits = field(default_factory=SeamLimits)
    size: PrintSize | None = None
    pictures: dict[str, Bytes] = field(default_factory=dict)
    """By source: painted, flat, traced; all at `size`."""
    separation: Separation | None = None
    index_map: Bytes | None = None
    plates: tuple[Plate, ...] = ()
    svg: bytes = b""
    seams: dict[str, list[Figure]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    artefacts: list[Artefact] = field(default_factory=list)

    @property
    def lattice(self) -> Lattice:
        return self.order.repeat.lattice

    def sized(self) -> PrintSize:
        if self.size is None:
            raise Rejected("the recipe never enlarged", field="recipe", limit="a step 'enlarge'")
        return self.size


def finish(tile: Bytes, recipe: Recipe, order: Order) -> Finished:
    """The files of `recipe` for an 8-bit RGB tile [H, W, 3].

    Raises Rejected (outcome failed, no dead letter) at the first gate that fails, unless the order
    says to carry on; Rejected (rejected) for a tile its lattice cannot hold; MissingPart and
    Transient as the steps do.
    """
    began_us = _cpu_us()
    order.repeat.lattice.check_sides(tile.shape[1], tile.shape[0])
    work = _Work(tile=tile, order=order, label=_label(recipe, order))
    for step in recipe.steps:
        before = len(work.figures)
        STEPS[step.do](work, step)
        if order.refuse:
            refuse(work.figures[before:])
    return Finished(
        artefacts=tuple(work.artefacts),
        figures=tuple(work.figures),
        palette=work.separation.palette if work.separation else None,
        recipe_name=recipe.name,
        recipe_version=recipe.version,
        recipe_hash=recipe.hash(),
        cpu_us=_cpu_us() - began_us,
    )


def print_size(
    repeat: Repeat, *, dpi: float, px_max: tuple[int, int] = (WIDTH_PX_MAX, WIDTH_PX_MAX)
) -> PrintSize:
    """The whole pixels nearest to `dpi` that the lattice can shear, at most `px_max` each way.

    `px_max` is (width, height). The repeat's micrometres are kept; the resolution gives way.
    """
    per_um = Fraction(dpi).limit_denominator(1000) / _UM_PER_INCH
    return PrintSize(
        width_px=repeat.lattice.even_side(
            min(repeat.width_um * per_um, Fraction(px_max[0])), "width"
        ),
        height_px=repeat.lattice.even_side(
            min(repeat.height_um * per_um, Fraction(px_max[1])), "height"
        ),
        width_um=repeat.width_um,
        height_um=repeat.height_um,
    )


def _check_tile(work: _Work, step: Step) -> None:
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


def _enlarge(work: _Work, step: Step) -> None:
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


def _networked(work: _Work, margin_px: int) -> Bytes:
    if work.order.network is None:
        raise Rejected("the recipe enlarges by a network", field="network", limit="an ONNX file")
    return by_network(
        work.tile,
        work.lattice,
        network=work.order.network,
        margin_px=margin_px,
        threads=work.order.threads,
    )


def _ink(work: _Work, step: Step) -> None:
    asked = work.order.palette_max or step.whole("colours_max")
    colours_max = min(asked, step.whole("colours_max"))
    separation = separate(work.tile, work.lattice, colours_max=colours_max, seed=step.whole("seed"))
    index_map = enlarge(separation, work.pictures["painted"], work.lattice)
    work.separation, work.index_map = separation, index_map
    work.pictures["flat"] = separation.palette.paint(index_map)
    work.figures.append(colour_count_figure(index_map, colours_max=colours_max))


def _trace(work: _Work, step: Step) -> None:
    separation, index_map, size = _separated(work)
    curves = Curves(
        speck_px_max=step.whole("speck_px_max"),
        corner=step.number("corner"),
        tolerance=step.number("tolerance"),
    )
    bleed_px = step.number("bleed_px")
    work.plates = trace(
        index_map, separation.palette, work.lattice, bleed_px=bleed_px, curves=curves
    )
    sheet = Sheet(
        width_px=size.width_px,
        height_px=size.height_px,
        width_um=size.width_um,
        height_um=size.height_um,
        bleed_px=bleed_px,
    )
    note = f"{work.lattice.name} repeat, single unit"
    work.svg = write_svg(work.plates, sheet, title=work.order.design, note=note)
    work.pictures["traced"] = rasterise(work.svg, width_px=size.width_px, height_px=size.height_px)


def _draw(work: _Work, step: Step) -> None:
    """Draw the traced art anew at its print size: sharp at any resolution, flat and smooth."""
    separation, _, _ = _separated(work)
    repeat = work.order.repeat
    longest_um = max(repeat.width_um, repeat.height_um)
    dpi = min(step.number("dpi"), step.whole("side_px_max") * _UM_PER_INCH / longest_um)
    work.size = size = print_size(repeat, dpi=dpi)
    flat = rasterise(work.svg, width_px=size.width_px, height_px=size.height_px, crisp=True)
    smooth = rasterise(work.svg, width_px=size.width_px, height_px=size.height_px)
    work.pictures = {"flat": flat, "traced": smooth}
    work.index_map = index_of(flat, separation.palette)
    work.seams.clear()
    work.figures.append(_resolution_figure(size))


def _write(work: _Work, step: Step) -> None:
    file, role, source = step.text("file"), step.text("role"), step.text("from")
    if file == "palette":
        separation, _, size = _separated(work)
        work.artefacts.append(products.palette_file(separation.palette, size, work.label))
        return
    if file == "svg":
        artefact = products.vector_file(work.svg, work.sized(), work.label)
        source = "traced"
    elif file.startswith("indexed"):
        separation, index_map, size = _separated(work)
        artefact = products.indexed_file(
            file, index_map, separation.palette, size=size, label=work.label
        )
        source = "flat"
    else:
        artefact = products.raster_file(file, work.pictures[source], work.sized(), work.label)
    artefact = replace(artefact, role=role)
    work.artefacts.append(artefact)
    work.figures += on_artefact(_judged(work, source), role)
    work.figures += products.file_figures(artefact, work.pictures[source], work.sized())


def _preview(work: _Work, step: Step) -> None:
    columns, rows = step.whole("columns"), step.whole("rows")
    picture = work.pictures[step.text("from")]
    side_px = min(max(picture.shape[:2]), step.whole("side_px_max") // max(columns, rows))
    shrink = side_px / max(picture.shape[:2])
    unit = lanczos(
        picture,
        work.lattice,
        width_px=work.lattice.even_side(picture.shape[1] * shrink, "width"),
        height_px=work.lattice.even_side(picture.shape[0] * shrink, "height"),
    )
    artefact = products.preview_file(
        unit, work.lattice, columns=columns, rows=rows, label=work.label
    )
    work.artefacts.append(artefact)
    seams = seam_figures(unit, work.lattice, limits=work.limits)
    work.figures += on_artefact(seams, artefact.role)


def _judged(work: _Work, source: str) -> list[Figure]:
    """Seam and blank figures of one source of pixels, measured once."""
    if source not in work.seams:
        picture = work.pictures[source]
        scale = picture.shape[1] // work.tile.shape[1]
        work.seams[source] = [
            *seam_figures(picture, work.lattice, limits=work.limits, scale=scale),
            *blank_figures(picture),
        ]
    return work.seams[source]


def _separated(work: _Work) -> tuple[Separation, Bytes, PrintSize]:
    if work.separation is None or work.index_map is None:
        raise Rejected("the recipe never inked", field="recipe", limit="a step 'ink'")
    return work.separation, work.index_map, work.sized()


def _resolution_figure(size: PrintSize) -> Figure:
    return reported("resolution", size.width_px * _UM_PER_INCH / size.width_um, unit="dpi")


def _label(recipe: Recipe, order: Order) -> FileLabel:
    return FileLabel(
        design=order.design,
        colourway=order.colourway,
        lattice=order.repeat.lattice.name,
        recipe=recipe.name,
        width_um=order.repeat.width_um,
        height_um=order.repeat.height_um,
    )


def _cpu_us() -> int:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = round((children.ru_utime + children.ru_stime) * 1_000_000)
    return time.process_time_ns() // 1000 + ran


STEPS: Final[dict[str, Callable[[_Work, Step], None]]] = {
    "check-tile": _check_tile,
    "enlarge": _enlarge,
    "ink": _ink,
    "trace": _trace,
    "draw": _draw,
    "write": _write,
    "preview": _preview,
}
