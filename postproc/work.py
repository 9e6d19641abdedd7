"""What a recipe's steps have made so far; each step reads from it and adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from postproc.colour import Bytes
from postproc.figures import Figure
from postproc.files import PrintSize
from postproc.gates import blank_figures
from postproc.lattice import Lattice
from postproc.names import FileLabel
from postproc.order import Order
from postproc.plates import Separation
from postproc.products import Artefact
from postproc.seams import SeamLimits, seam_figures
from postproc.svg import Sheet
from postproc.trace import Plate
from schemas.errors import Rejected


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
    svg: bytes = b""
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

    def judged(self, source: str) -> list[Figure]:
        """Seam and blank figures of one source of pixels, measured once."""
        if source not in self.seams:
            picture = self.pictures[source]
            scale = picture.shape[1] // self.tile.shape[1]
            self.seams[source] = [
                *seam_figures(picture, self.lattice, limits=self.limits, scale=scale),
                *blank_figures(picture),
            ]
        return self.seams[source]
