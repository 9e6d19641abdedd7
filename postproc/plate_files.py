"""Files that hold plates: 1-bit TIFFs, the n-ink TIFF, the spot-colour PDF and its .ai.

All of them print the same: each ink where it is, grown by the trap beneath the inks printed after
it, and the ground only where it is printed. Without a trap the PDF holds the stacked plates, which
a RIP knocks out by itself; with one it holds plates that are knocked out already and overprint.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from postproc import products
from postproc.colour import Bytes, hex_of
from postproc.features import knocked_out
from postproc.figures import Figure, at_least, at_most, of_part, on_artefact, reported
from postproc.pdf import write_spot_pdf
from postproc.pdf_read import read_page
from postproc.separations import Separations, pack, separations_kept, write_separated_tiff
from postproc.svg import rasterise
from postproc.told import told
from postproc.trace import Plate, trace_knocked_out

if TYPE_CHECKING:
    from postproc.products import Artefact
    from postproc.recipe import Step
    from postproc.work import Unit, Work

DRAWN_PX_MAX: Final = 2048
"""Longer side at which a PDF is drawn to be judged."""
DRAWING_ERROR_MAX: Final = 0.002
"""Share of the settled pixels of the drawn SVG that a drawn PDF may show in another colour."""
SETTLED_LEVELS_MAX: Final = 8
"""A pixel is settled that is no further than this from the eight around it: curves of trapped
plates are traced anew and may lay an edge a fraction of a pixel elsewhere."""
OFF_LEVELS_MAX: Final = 16
"""Colours that went through Lab and back are within a few levels."""
PDF_ERROR_UM_MAX: Final = 0.1
"""Four decimals of a point are 0.04 um on each side."""
TRAP_SHARE_MIN: Final = 0.5
"""Of the trap asked for; whole pixels may cost up to a half of it, and less is no trap."""
WHOLE_PX_OFF_MAX: Final = 0.05
_UM_PER_MM: Final = 1000


def write_plates(work: Work, step: Step) -> None:
    """One 1-bit TIFF per ink in printing order, trapped; the ground only where it is printed."""
    unit = work.unit("repeat")
    if unit is None:
        return
    plates = trapped(work, step)
    work.figures += on_artefact([*work.judged("flat"), *trap_figures(work, step)], "plates")
    seams = _plate_seams(work, step, unit)
    for ink, name in list(enumerate(plate_names(work)))[first_ink(step) :]:
        mask = plates.mask(ink)
        artefact = told(work, products.plate_file(mask, name, unit.size, unit.label), unit)
        work.artefacts.append(artefact)
        work.figures += on_artefact(seams[ink - first_ink(step)], artefact.role)
        work.figures += products.plate_figures(artefact, mask, unit.size)


def separated(work: Work, step: Step, unit: Unit) -> Artefact:
    """The n-ink TIFF of a unit."""
    first = first_ink(step)
    plates = _laid(work, step, unit)
    data = write_separated_tiff(plates, plate_names(work)[first:], unit.size)
    return products.sized_file(data, "-separations.tif", unit.size, unit.label)


def separated_figures(work: Work, step: Step, unit: Unit, artefact: Artefact) -> list[Figure]:
    """Does another library read from the n-ink TIFF what was put in, at its size? Do its plates
    join themselves, each alone?"""
    plates, first = _laid(work, step, unit), first_ink(step)
    same = separations_kept(artefact.data, plates)
    shape = (unit.size.height_px, unit.size.width_px)
    figures = products.sized_figures(artefact, shape, unit.size, same=same)
    for name, seams in zip(plate_names(work)[first:], _plate_seams(work, step, unit), strict=True):
        figures += [of_part(figure, name) for figure in seams]
    return [*figures, *trap_figures(work, step)]


def spot(work: Work, step: Step, unit: Unit, ending: str) -> Artefact:
    """The spot-colour PDF, or the same under Illustrator's ending."""
    sheet, plates = work.traced(), work.plates
    trap = step.number("trap_mm") > 0
    if trap:
        sheet = replace(
            sheet,
            width_px=unit.size.width_px,
            height_px=unit.size.height_px,
            bleed_px=sheet.bleed_px * unit.size.width_px / sheet.width_px,
        )
        plates = _knocked_out(work, step, sheet.bleed_px)
    data = write_spot_pdf(
        plates[first_ink(step) :],
        sheet,
        bleed_um=work.bleed_um,
        title=work.order.design,
        trapped=trap,
    )
    return products.sized_file(data, ending, unit.size, unit.label)


def spot_figures(work: Work, step: Step, unit: Unit, artefact: Artefact) -> list[Figure]:
    """The file itself, read and drawn: its size, its seams, and that it shows the judged picture.

    Where the ground is cloth, cloth of the ground's colour is drawn beneath.
    """
    separation, _ = work.separated()
    paper = "#ffffff" if first_ink(step) == 0 else hex_of(separation.palette.inks[0].rgb)
    page = read_page(artefact.data, paper=paper)
    shrink = min(1.0, DRAWN_PX_MAX / max(unit.size.width_px, unit.size.height_px))
    width_px = work.lattice.even_side(unit.size.width_px * shrink, "width")
    height_px = work.lattice.even_side(unit.size.height_px * shrink, "height")
    drawn = page.drawn(width_px=width_px, height_px=height_px)
    wanted = rasterise(work.svg, width_px=width_px, height_px=height_px)
    error_um = max(
        abs(page.width_um - unit.size.width_um), abs(page.height_um - unit.size.height_um)
    )
    return [
        *work.measured(drawn),
        at_most("repeat_error", error_um, PDF_ERROR_UM_MAX, unit="um"),
        at_most("drawing_error", off_share(drawn, wanted), DRAWING_ERROR_MAX),
        *trap_figures(work, step),
    ]


def off_share(drawn: Bytes, wanted: Bytes) -> float:
    """The share of all pixels that are settled in `wanted` and another colour in `drawn`."""
    settled = np.ones(wanted.shape[:2], dtype=np.bool_)
    for axis in (0, 1):
        steps = np.abs(np.diff(wanted.astype(np.int16), axis=axis, append=0)).max(axis=2)
        edge = steps > SETTLED_LEVELS_MAX
        settled &= ~(edge | np.roll(edge, 1, axis=axis))
    # Diagonal neighbours: what lies beside an edge on either axis.
    kept = settled.copy()
    kept[1:] &= settled[:-1]
    kept[:-1] &= settled[1:]
    off = np.abs(drawn.astype(np.int16) - wanted).max(axis=2) > OFF_LEVELS_MAX
    return float((off & kept).mean())


def plate_names(work: Work) -> list[str]:
    """What the inks' plates are called, in printing order."""
    separation, _ = work.separated()
    return [ink.plate(rank) for rank, ink in enumerate(separation.palette.inks, start=1)]


def first_ink(step: Step) -> int:
    """1 where the ground is the cloth itself and has no plate, else 0."""
    return 1 if step.text("ground") == "cloth" else 0


def trapped(work: Work, step: Step) -> Separations:
    """Where each ink prints, trapped as the step says; worked out once for each trap."""
    trap_mm = step.number("trap_mm")
    if trap_mm not in work.trapped:
        separation, index_map = work.separated()
        trap_px = _trap_px(work, trap_mm)
        work.trapped[trap_mm] = pack(
            knocked_out(index_map, ink, work.lattice, trap_px=trap_px)
            for ink in range(len(separation.palette.inks))
        )
    return work.trapped[trap_mm]


def trap_figures(work: Work, step: Step) -> list[Figure]:
    """How far plates really reach under one another, which whole pixels make less than asked."""
    trap_mm = step.number("trap_mm")
    if trap_mm <= 0:
        return []
    size = work.sized()
    reach_px = math.floor(_trap_px(work, trap_mm))
    reach_mm = reach_px * size.width_um / size.width_px / _UM_PER_MM
    if len(work.separated()[0].palette.inks) == 1:
        return [reported("trap", reach_mm, unit="mm")]
    return [at_least("trap", reach_mm, TRAP_SHARE_MIN * trap_mm, unit="mm")]


def _trap_px(work: Work, trap_mm: float) -> float:
    """The trap in pixels; a whole number where it is nearly one.

    0.2 mm at 640 px for 64.135 mm is 1.996 px, and a disc of that reaches one pixel only.
    """
    size = work.sized()
    trap_px = trap_mm * _UM_PER_MM * size.width_px / size.width_um
    whole_px = round(trap_px)
    return float(whole_px) if abs(trap_px - whole_px) <= WHOLE_PX_OFF_MAX else trap_px


def _plate_seams(work: Work, step: Step, unit: Unit) -> list[list[Figure]]:
    """How each printed plate joins itself: a flaw of a pale ink hides in the picture of all."""
    plates, trap = _laid(work, step, unit), step.number("trap_mm")
    return [
        work.judged_plate(
            plates.mask(place), f"plate {ink}, trap {trap}, {unit.lattice.name}", unit.lattice
        )
        for place, ink in enumerate(range(first_ink(step), len(work.separated()[0].palette.inks)))
    ]


def _laid(work: Work, step: Step, unit: Unit) -> Separations:
    """The printed plates over a whole unit."""
    plates = trapped(work, step)
    printed = range(first_ink(step), len(plates.rows))
    if unit.lattice == unit.source:
        return Separations(tuple(plates.rows[ink] for ink in printed), plates.width_px)
    return pack(unit.lay(plates.mask(ink)) for ink in printed)


def _knocked_out(work: Work, step: Step, bleed_px: float) -> tuple[Plate, ...]:
    """Curves of the trapped plates; traced once for each trap."""
    trap_mm = step.number("trap_mm")
    separation, _ = work.separated()
    if trap_mm not in work.knocked_out:
        plates = trapped(work, step)
        work.knocked_out[trap_mm] = trace_knocked_out(
            (plates.mask(ink) for ink in range(len(plates.rows))),
            separation.palette,
            work.lattice,
            bleed_px=bleed_px,
            curves=work.curves,
        )
    inks = separation.palette.inks
    return tuple(replace(plate, ink=inks[plate.rank]) for plate in work.knocked_out[trap_mm])
