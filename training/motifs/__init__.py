"""The motif families: each paints signed distances on a lattice, layer by layer.

A motif never picks a colour. It answers a list of layers, bottom first (see `canvas`). Refuses to
know about captions.
"""

from __future__ import annotations

from training.motifs import botanical, figurative, geometric, ornament, texture, weave
from training.motifs.canvas import DENSITIES, SCALES, Canvas, Layer, Layers, Motif

__all__ = [
    "ALL",
    "DENSITIES",
    "IN_CELLS",
    "MOTIFS",
    "NAMES",
    "SCALES",
    "Canvas",
    "Layer",
    "Layers",
    "Motif",
]

_KINDS = (geometric, weave, botanical, figurative, texture, ornament)
_FOUND: dict[str, Motif] = {name: motif for kind in _KINDS for name, motif in kind.FAMILIES.items()}

# A family's place here is its label: new ones go to the end.
# The sixteen of the shipped model come first.
NAMES: tuple[str, ...] = (
    "dot", "ring", "stripe", "gingham", "check", "chevron", "wave", "scallop", "diamond",
    "trellis", "heart", "star", "moon", "leaf", "daisy", "terrazzo",
)  # fmt: skip
ALL: tuple[str, ...] = (
    *NAMES,
    "pinstripe", "ticking", "plaid", "houndstooth", "herringbone", "basketweave", "argyle", "hex",
    "truchet", "crosshatch", "ogee", "damask", "paisley", "quatrefoil", "moroccan", "greek-key",
    "deco-fan", "seigaiha", "ikat", "fern", "rose", "berry", "ditsy-floral", "tossed-botanical",
    "bird", "confetti", "memphis", "animal-spot", "brushstroke",
)  # fmt: skip
IN_CELLS: frozenset[str] = frozenset(
    {"dot", "ring", "diamond", "heart", "star", "moon", "leaf", "daisy"}
)
"""Of NAMES, those with one shape to a cell of the lattice itself; the lines of others run on."""
MOTIFS: dict[str, Motif] = {name: _FOUND[name] for name in ALL}
