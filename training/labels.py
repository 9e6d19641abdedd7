"""Ground truth as small integers, so that it travels beside latents. Refuses to lose anything a
caption may say.
"""

from __future__ import annotations

from training import motifs, palette
from training.lattice import Lattice
from training.render import Swatch

_WAYS = ("", "vertical", "horizontal", "diagonal")
_NONE = len(palette.NAMES)

# Field name -> how many values it has; `label` answers one integer per field, in this order.
FIELDS: dict[str, int] = {
    "motif": len(motifs.NAMES),
    "scale": len(motifs.SCALES),
    "lattice": len(Lattice),
    "way": len(_WAYS),
    "ground": _NONE,
    "ink_1": _NONE,
    "ink_2": _NONE + 1,
    "ink_3": _NONE + 1,
}


def label(swatch: Swatch) -> list[int]:
    """A swatch's attributes as indices; an absent ink is the palette's length."""
    inks = [palette.NAMES.index(name) for name in swatch.inks]
    inks += [_NONE] * (3 - len(inks))
    return [
        motifs.NAMES.index(swatch.motif),
        motifs.SCALES.index(swatch.scale),
        tuple(Lattice).index(swatch.lattice),
        _WAYS.index(swatch.direction),
        palette.NAMES.index(swatch.ground),
        *inks,
    ]


def swatch(values: list[int]) -> Swatch:
    """A swatch with these attributes, for captions; its free shape parameters are the middle."""
    motif, scale, lattice, way, ground, *inks = values
    return Swatch(
        motif=motifs.NAMES[motif],
        scale=motifs.SCALES[scale],
        lattice=tuple(Lattice)[lattice],
        inks=tuple(palette.NAMES[ink] for ink in inks if ink < _NONE),
        ground=palette.NAMES[ground],
        turn=(way - 0.5) / 3 if way else 0.5,
    )
