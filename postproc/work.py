"""What a recipe's steps have made so far; each step reads from it and adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from postproc.colour import Bytes
from postproc.features import Mask
from postproc.figures import Figure
from postproc.files import PrintSize
from postproc.gates import blank_figures, blur_figure, colour_count_figure
from postproc.lattice import STRAIGHT, Lattice, Tile, expand_to_straight
from postproc.names import ORIGINAL, FileLabel, slug
from postproc.order import Order
from postproc.plates import Separation
from postproc.products import Artefact
from postproc.recipe import Step
from postproc.seams import SeamLimits, seam_figures
from postproc.separations import Separations
from postproc.svg import Sheet
from postproc.trace import Curves, Plate
from schemas.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A rectangle that a file holds: the repeat, or the smallest that repeats straight."""

    size: PrintSize
    label: FileLabel
    lattice: Lattice
    """By which this rectangle repeats."""
    source: Lattice
    """By which the repeat does."""

    def lay(self, picture: Tile) -> Tile:
        """The rectangle [H, W, ...] of a picture of the repeat."""
        return picture if self.lattice == self.source else expand_to_straight(picture, self.source)


@dataclass(slots=True, kw_only=True)
class Work:
    """One tile on the table."""

    tile: Bytes
    order: Order
    label: FileLabel
    limits: SeamLimits = field(default_factory=SeamLimits)
    size: PrintSize | None = None
    pictures: dict[str, Bytes] = field(default_factory=dict)
    """By source: painted, flat, traced; all at `size`."""
    separation: Separation | None = None
    index_map: Bytes | None = None
    """At `size`."""
    plates: tuple[Plate, ...] = ()
    sheet: Sheet | None = None
    curves: Curves | None = None
    """How the plates were traced."""
    svg: bytes = b""
    described: str = ""
    """IPTC's digital source type, where files are to say it; empty where they say nothing."""
    recipe_sha256: str = ""
    outputs: list[Step] = field(default_factory=list)
    """Steps done so far whose files a colourway writes once more."""
    trapped: dict[float, Separations] = field(default_factory=dict)
    """Plates by their trap in mm, at `size`."""
    knocked_out: dict[float, tuple[Plate, ...]] = field(default_factory=dict)
    """Curves of those, in the colours they were traced in."""
    colours_max: int = 0
    """Inks that there may be; 0 before any were sought."""
    inks: Bytes | None = None
    """The CMYK that was last written, until it has been compared with its file."""
    colourways: int = 0
    """How many have been written."""
    bleed_um: int = 0
    fingerprint: str = ""
    seams: dict[str, list[Figure]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    artefacts: list[Artefact] = field(default_factory=list)

    @property
    def lattice(self) -> Lattice:
        """Of the order."""
        return self.order.repeat.lattice

    def sized(self) -> PrintSize:
        """The print size; Rejected where no step has set it."""
        if self.size is None:
            raise Rejected("the recipe never enlarged", field="recipe", limit="a step 'enlarge'")
        return self.size

    def separated(self) -> tuple[Separation, Bytes]:
        """Inks and their map at print size; Rejected where no step has made them."""
        if self.separation is None or self.index_map is None:
            raise Rejected("the recipe never inked", field="recipe", limit="a step 'ink'")
        return self.separation, self.index_map

    def traced(self) -> Sheet:
        """The sheet of the traced plates; Rejected where no step has traced."""
        if self.sheet is None:
            raise Rejected("the recipe never traced", field="recipe", limit="a step 'trace'")
        return self.sheet

    def picture(self, source: str) -> Bytes:
        """One source of pixels; Rejected where this colourway has none of it."""
        if source not in self.pictures:
            raise Rejected(
                f"the recipe writes the picture as {source}, which has no colourways",
                field="colourway",
                limit="files drawn from plates",
            )
        return self.pictures[source]

    def judged(self, source: str) -> list[Figure]:
        """What one source of pixels is worth, measured once: `measured`, and its colours."""
        if source not in self.seams:
            picture = self.picture(source)
            scale = picture.shape[1] // self.tile.shape[1]
            self.seams[source] = self.measured(picture, scale=scale)
            if source == "flat" and self.index_map is not None:
                count = colour_count_figure(self.index_map, colours_max=self.colours_max)
                self.seams[source].append(count)
        return self.seams[source]

    def measured(self, picture: Bytes, *, scale: int = 1) -> list[Figure]:
        """Seam, blank and blur figures of a picture of the repeat."""
        return [
            *seam_figures(picture, self.lattice, limits=self.limits, scale=scale),
            *blank_figures(picture),
            blur_figure(picture),
        ]

    def judged_plate(self, mask: Mask, key: str, lattice: Lattice) -> list[Figure]:
        """The seams of one plate alone, where it prints [H, W]; measured once for each `key`."""
        if key not in self.seams:
            scale = mask.shape[1] // self.tile.shape[1] if lattice == self.lattice else 1
            samples = mask.astype(np.uint8)[..., np.newaxis] * np.uint8(255)
            self.seams[key] = seam_figures(samples, lattice, limits=self.limits, scale=scale)
        return self.seams[key]

    def on(self, role: str) -> str:
        """What figures call an artefact of this role: with its colourway where it has one."""
        colourway = self.label.colourway
        return role if colourway == ORIGINAL else f"{role}/{slug(colourway)}"

    def unit(self, name: str) -> Unit | None:
        """How to lay out the repeat, or the straight unit; None where that is the repeat itself."""
        size, label = self.sized(), self.label
        if name == "repeat":
            return Unit(size=size, label=label, lattice=self.lattice, source=self.lattice)
        columns, rows = self.lattice.columns_to_straight, self.lattice.rows_to_straight
        if columns == rows == 1:
            return None
        width_um, height_um = columns * size.width_um, rows * size.height_um
        return Unit(
            size=PrintSize(
                width_px=columns * size.width_px,
                height_px=rows * size.height_px,
                width_um=width_um,
                height_um=height_um,
            ),
            label=replace(label, lattice=STRAIGHT.name, width_um=width_um, height_um=height_um),
            lattice=STRAIGHT,
            source=self.lattice,
        )
