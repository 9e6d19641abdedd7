"""Runs a recipe on a tile: figures and files, or a refusal that says which gate and by how much.

Pure: arrays and bytes in, bytes out; what goes in and what comes out can be pickled, because this
runs in a pool of processes. Each file is read back by another library than wrote it, and each
source of pixels, the drawn vector included, goes through the seam gate at its own size.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from postproc.colour import Bytes
from postproc.colourways import check_colourways
from postproc.describe import DIGITAL_SOURCES
from postproc.figures import Figure, refuse
from postproc.names import ORIGINAL, FileLabel
from postproc.order import Order, Repeat, print_size, repeat_of
from postproc.palette import Palette
from postproc.products import Artefact
from postproc.provenance import signed
from postproc.recipe import Recipe
from postproc.steps import STEPS, write_colourway
from postproc.work import Work
from schemas.errors import Rejected

__all__ = ["Finished", "Order", "Repeat", "finish", "print_size", "repeat_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Everything a recipe made of a tile."""

    artefacts: tuple[Artefact, ...]
    figures: tuple[Figure, ...]
    palette: Palette | None
    fingerprint: str
    """Of the repeat, for later likeness; empty where the recipe does not compare."""
    recipe_name: str
    recipe_version: int
    recipe_hash: str
    cpu_us: int
    """CPU time of this process and the programs it ran, over the whole recipe."""


def finish(tile: Bytes, recipe: Recipe, order: Order) -> Finished:
    """The files of `recipe` for an 8-bit RGB tile [H, W, 3].

    Raises Rejected (outcome failed, no dead letter) at the first gate that fails, unless the order
    says to carry on; Rejected (rejected) for a tile its lattice cannot hold; both with the
    processor time until then. MissingPart and Transient as the steps do.
    """
    began_us = _cpu_us()
    try:
        work, palette = _worked(tile, recipe, order)
        artefacts = _sealed(work, order)
    except Rejected as refused:
        refused.cpu_us = _cpu_us() - began_us
        raise
    return Finished(
        artefacts=artefacts,
        figures=tuple(work.figures),
        palette=palette,
        fingerprint=work.fingerprint,
        recipe_name=recipe.name,
        recipe_version=recipe.version,
        recipe_hash=recipe.hash(),
        cpu_us=_cpu_us() - began_us,
    )


def _worked(tile: Bytes, recipe: Recipe, order: Order) -> tuple[Work, Palette | None]:
    """What all steps left behind, and the palette that was found, before any colourway's."""
    order.repeat.lattice.check_sides(tile.shape[1], tile.shape[0])
    check_colourways(order.colourways)
    work = Work(tile=tile, order=order, label=_label(recipe, order), recipe_sha256=recipe.hash())
    if order.words is not None:
        work.described = DIGITAL_SOURCES[0]
    for step in recipe.steps:
        _take(work, partial(STEPS[step.do], work, step))
    palette = work.separation.palette if work.separation else None
    for colourway in order.colourways:
        _take(work, partial(write_colourway, work, colourway))
    return work, palette


def _take(work: Work, step: Callable[[], None]) -> None:
    before = len(work.figures)
    step()
    if work.order.refuse:
        refuse(work.figures[before:])


def _sealed(work: Work, order: Order) -> tuple[Artefact, ...]:
    if order.signer is None:
        return tuple(work.artefacts)
    return tuple(
        signed(
            work.artefacts,
            order.signer,
            digital_source=work.described or DIGITAL_SOURCES[0],
            recipe_sha256=work.recipe_sha256,
        )
    )


def _label(recipe: Recipe, order: Order) -> FileLabel:
    return FileLabel(
        design=order.design,
        colourway=ORIGINAL,
        lattice=order.repeat.lattice.name,
        recipe=recipe.name,
        width_um=order.repeat.width_um,
        height_um=order.repeat.height_um,
    )


def _cpu_us() -> int:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = round((children.ru_utime + children.ru_stime) * 1_000_000)
    return time.process_time_ns() // 1000 + ran
