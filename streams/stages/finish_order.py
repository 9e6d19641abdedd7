"""What finish asks of the table for one pattern: its event, its labels, this installation's means.

`order_labels` reads the labels; `known` remembers the tenant's earlier work, which is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postproc.finish import Order, repeat_of
from postproc.order import Words
from streams.stages.order_labels import read_labels

if TYPE_CHECKING:
    from pathlib import Path

    from postproc.provenance import Signer
    from postproc.recipe import Recipe
    from schemas.records import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What the finishing table is equipped with."""

    recipes: Mapping[str, Recipe]
    network: Path | None = None
    """ONNX file for recipes that enlarge by network; the table's own where None."""
    press_profile: Path | None = None
    """The mill's CMYK profile; a generic one where None."""
    signer: Signer | None = None
    """Who signs every file, last of all; None signs nothing."""
    words: Words | None = None
    """What every file says of itself; None leaves it to the recipe."""


def order_of(pattern: Pattern, table: Table, known: tuple[tuple[str, str], ...] = ()) -> Order:
    """The order for one tile; raises Rejected, naming the label, where one cannot be read."""
    asked = read_labels(pattern.labels)
    return Order(
        repeat=repeat_of(pattern.lattice, pattern.repeat_width_um, pattern.repeat_height_um),
        palette_max=pattern.palette_max or 0,
        design=asked.design or pattern.pattern_id,
        locked=asked.locked,
        lock_delta_e_max=asked.lock_delta_e_max,
        colourways=asked.colourways,
        words=table.words,
        signer=table.signer,
        network=table.network,
        press_profile=table.press_profile,
        known=known,
    )
