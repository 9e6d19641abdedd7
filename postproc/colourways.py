"""Other colours for the same art: a client's locked inks, and colourways of a finished separation.

Locking gives every ink found in the tile the client's nearest colour (CIEDE2000), so nothing else
is printed; inks that take the same one become one plate. A colourway replaces the inks one for one
in printing order and moves no edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from postproc.colour import Bytes, oklab_from_srgb8
from postproc.difference import ciede2000, cmc
from postproc.figures import Figure, at_most, of_part, reported
from postproc.names import ORIGINAL, slug
from postproc.palette import Ink, Palette
from postproc.swatches import Swatch
from schemas.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Colourway:
    """A named palette for the same art, in printing order."""

    name: str
    swatches: tuple[Swatch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A separation in a client's colours."""

    palette: Palette
    table: Bytes
    """[n]: the new index of each ink that was found."""
    figures: tuple[Figure, ...]


def locked(palette: Palette, swatches: Sequence[Swatch], *, delta_e_max: float = 0) -> Locked:
    """The palette in the client's colours only, and how far each ink had to move.

    A move beyond `delta_e_max` (CIEDE2000; 0 for no limit) is a figure that failed.
    """
    client = np.array([swatch.lab for swatch in swatches])
    chosen = [int(np.argmin(ciede2000(ink.lab_d50(), client))) for ink in palette.inks]
    covered = np.bincount(chosen, [ink.coverage for ink in palette.inks], minlength=len(client))
    # By falling coverage as every palette is; in equal shares as the client lists them.
    used = sorted(set(chosen), key=lambda index: (-covered[index], index))
    inks = (replace(ink_of(swatches[index]), coverage=float(covered[index])) for index in used)
    figures: list[Figure] = []
    for ink, index in zip(palette.inks, chosen, strict=True):
        figures += _moves(ink, swatches[index], delta_e_max)
    table = np.array([used.index(index) for index in chosen], dtype=np.uint8)
    return Locked(palette=Palette(inks=tuple(inks)), table=table, figures=tuple(figures))


def recoloured(palette: Palette, colourway: Colourway) -> Palette:
    """The palette with its inks replaced in printing order; Rejected where colours are missing."""
    if len(colourway.swatches) < len(palette.inks):
        raise Rejected(
            f"colourway {colourway.name} has {len(colourway.swatches)} colours",
            field=f"colourway.{colourway.name}",
            limit=f"at least {len(palette.inks)}, one for each ink",
        )
    pairs = zip(palette.inks, colourway.swatches, strict=False)
    return Palette(inks=tuple(replace(ink_of(s), coverage=ink.coverage) for ink, s in pairs))


def check_colourways(colourways: Sequence[Colourway], *, field: str = "colourway") -> None:
    """Refuse names that two share, or that mean the art as it was found."""
    names = [slug(colourway.name) for colourway in colourways]
    if ORIGINAL in names or len(set(names)) < len(names):
        raise Rejected(
            "two colourways have one name", field=field, limit=f"different names, none {ORIGINAL!r}"
        )


def ink_of(swatch: Swatch) -> Ink:
    """A swatch as an ink that covers nothing yet."""
    lightness, a, b = (float(v) for v in oklab_from_srgb8(np.array(swatch.rgb, dtype=np.uint8)))
    return Ink(
        rgb=swatch.rgb,
        oklab=(lightness, a, b),
        coverage=0.0,
        name=swatch.name,
        lab=swatch.lab,
    )


def swatches_of(palette: Palette) -> list[Swatch]:
    """The palette's inks as swatches named like their plates."""
    return [
        Swatch(name=ink.name or ink.plate(rank), lab=ink.lab_d50(), rgb=ink.rgb)
        for rank, ink in enumerate(palette.inks, start=1)
    ]


def _moves(ink: Ink, swatch: Swatch, delta_e_max: float) -> list[Figure]:
    moved = float(ciede2000(ink.lab_d50(), swatch.lab))
    tolerance = float(cmc(swatch.lab, ink.lab_d50()))
    where = f"{ink.hex} to {swatch.name}"
    first = reported("lock_delta_e_2000", moved, where=where)
    if delta_e_max > 0:
        first = at_most("lock_delta_e_2000", moved, delta_e_max, where=where)
    second = reported("lock_delta_e_cmc", tolerance, where=where)
    return [of_part(first, ink.hex), of_part(second, ink.hex)]
