"""What is asked of the table for one tile, and how large that makes the print."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from postproc.colourways import Colourway
from postproc.files import PrintSize
from postproc.lattice import Lattice, parse_lattice
from postproc.provenance import Signer
from postproc.swatches import Swatch
from schemas.errors import Rejected

WIDTH_PX_MAX: Final = 1 << 20
REPEAT_UM_MIN: Final = 1_000
REPEAT_UM_MAX: Final = 20_000_000
UM_PER_INCH: Final = 25_400


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
class Words:
    """What a file may say beside its measures. No prompt, unless the caller puts one here."""

    creator: str = ""
    rights: str = ""
    parameters: str = ""
    """The text that picture tools keep under `parameters` in a PNG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for one tile, beside the recipe."""

    repeat: Repeat
    palette_max: int = 0
    """At most this many colours, if fewer than the recipe's; 0 leaves it to the recipe."""
    design: str = "pattern"
    """Shown in file names and titles: a design name, never a prompt."""
    locked: tuple[Swatch, ...] = ()
    """A client's colours: nothing else is printed. Those of the recipe where empty."""
    lock_delta_e_max: float = 0
    """How far (CIEDE2000) an ink may move to its client colour; 0 leaves it to the recipe."""
    colourways: tuple[Colourway, ...] = ()
    """Further palettes: everything drawn from plates is written once more in each."""
    words: Words | None = None
    """What every file says of itself (XMP); None leaves it to the recipe."""
    signer: Signer | None = None
    """Who signs the files (C2PA), last of all; None signs nothing."""
    network: Path | None = None
    """ONNX file for recipes that enlarge by network."""
    press_profile: Path | None = None
    """The mill's CMYK ICC profile; None takes libvips' generic one."""
    known: tuple[tuple[str, str], ...] = ()
    """(name, fingerprint) of the tenant's other patterns, for the likeness that is reported."""
    threads: int = 1
    refuse: bool = True
    """Raise at the first gate that fails. False carries on and leaves judging to the caller."""


def print_size(
    repeat: Repeat, *, dpi: float, px_max: tuple[int, int] = (WIDTH_PX_MAX, WIDTH_PX_MAX)
) -> PrintSize:
    """The whole pixels nearest to `dpi` that the lattice can shear, at most `px_max` each way.

    `px_max` is (width, height). The repeat's micrometres are kept; the resolution gives way.
    """
    per_um = Fraction(dpi).limit_denominator(1000) / UM_PER_INCH
    width_px, height_px = (
        min(length_um * per_um, Fraction(most))
        for length_um, most in zip((repeat.width_um, repeat.height_um), px_max, strict=True)
    )
    return PrintSize(
        width_px=repeat.lattice.even_side(width_px, "width"),
        height_px=repeat.lattice.even_side(height_px, "height"),
        width_um=repeat.width_um,
        height_um=repeat.height_um,
    )
