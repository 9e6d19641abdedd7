"""What finish asks of the table for one pattern: its event, its labels, this installation's means.

And which fingerprints of the tenant's earlier work it hands in. `order_labels` reads the labels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from postproc.finish import Order, repeat_of
from postproc.order import Words
from streams.stages.order_labels import read_labels

if TYPE_CHECKING:
    from pathlib import Path

    from postproc.provenance import Signer
    from postproc.recipe import Recipe
    from schemas.records import Pattern

TENANTS_MAX: Final = 256
KNOWN_MAX: Final = 512


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


class Known:
    """Fingerprints of what this process has finished, the latest of each tenant; in memory only."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tenants: OrderedDict[str, OrderedDict[str, str]] = OrderedDict()

    def add(self, pattern: Pattern, fingerprint: str) -> None:
        """Remember a pattern; an empty fingerprint is none."""
        if not fingerprint:
            return
        with self._lock:
            mine = self._tenants.setdefault(pattern.tenant, OrderedDict())
            self._tenants.move_to_end(pattern.tenant)
            mine[pattern.pattern_id] = fingerprint
            mine.move_to_end(pattern.pattern_id)
            if len(mine) > KNOWN_MAX:
                mine.popitem(last=False)
            if len(self._tenants) > TENANTS_MAX:
                self._tenants.popitem(last=False)

    def others(self, pattern: Pattern) -> tuple[tuple[str, str], ...]:
        """(pattern id, fingerprint) of the tenant's patterns that are not of this request."""
        own = f"{pattern.request_id}."
        with self._lock:
            mine = self._tenants.get(pattern.tenant) or OrderedDict()
            return tuple(one for one in mine.items() if not one[0].startswith(own))


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
