"""Ground truth as small integers, so that it travels beside latents. Refuses to lose anything a
caption may say.
"""

from __future__ import annotations

from training import finishes, motifs
from training.lattice import Lattice
from training.ranges import FIRST, Range
from training.render import Swatch

_WAYS = ("", "vertical", "horizontal", "diagonal")
_FINISHES: dict[str, tuple[str, ...]] = {
    "density": motifs.DENSITIES,
    "layout": finishes.LAYOUTS,
    "style": finishes.STYLES,
    "texture": finishes.TEXTURES,
}
TOSS = 0.75
"""How far a swatch is tossed that was made from its label alone."""


def fields(of: Range = FIRST) -> dict[str, int]:
    """Field name -> how many values it has; `label` answers one integer per field, in this order.

    An absent ink is the number of colours; the main ink is never absent.
    """
    none = len(of.colours)
    sizes = {
        "motif": len(of.motifs),
        "scale": len(motifs.SCALES),
        "lattice": len(Lattice),
        "way": len(_WAYS),
        "ground": none,
        "ink_1": none,
    }
    sizes |= {f"ink_{place}": none + 1 for place in range(2, of.inks_max + 1)}
    if of.finishes:
        sizes |= {name: len(values) for name, values in _FINISHES.items()}
    return sizes


FIELDS: dict[str, int] = fields()


def label(swatch: Swatch, of: Range = FIRST) -> list[int]:
    """A swatch's attributes as indices; raises ValueError for one that is not of the range."""
    inks = [of.colours.index(name) for name in swatch.inks]
    inks += [len(of.colours)] * (of.inks_max - len(inks))
    values = [
        of.motifs.index(swatch.motif),
        motifs.SCALES.index(swatch.scale),
        tuple(Lattice).index(swatch.lattice),
        _WAYS.index(swatch.direction),
        of.colours.index(swatch.ground),
        *inks,
    ]
    if of.finishes:
        values += [choices.index(getattr(swatch, name)) for name, choices in _FINISHES.items()]
    return values


def swatch(values: list[int], of: Range = FIRST) -> Swatch:
    """A swatch with these attributes, for captions; its free shape parameters are the middle."""
    motif, scale, lattice, way, ground, *rest = values
    inks, looks = rest[: of.inks_max], rest[of.inks_max :]
    look = {
        name: choices[at] for (name, choices), at in zip(_FINISHES.items(), looks, strict=False)
    }
    tossed = look.pop("layout", "set") == "tossed"
    return Swatch(
        motif=of.motifs[motif],
        scale=motifs.SCALES[scale],
        lattice=tuple(Lattice)[lattice],
        inks=tuple(of.colours[ink] for ink in inks if ink < len(of.colours)),
        ground=of.colours[ground],
        turn=_turn(of.motifs[motif], _WAYS[way]),
        toss=TOSS if tossed else 0.0,
        **look,
    )


def _turn(motif: str, way: str) -> float:
    """A turn that makes the motif's lines run this way; the middle if they cannot choose."""
    ways = motifs.MOTIFS[motif].ways
    return (ways.index(way) + 0.5) / len(ways) if way else 0.5
