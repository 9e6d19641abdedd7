"""What finish asks of the table for one pattern: its event, its labels, this installation's means.

Colours come with the request, in labels, because they belong to one order: `locked` holds a
client's colours, `colourway.<name>` a further palette, both in the recipes' short form
(`navy #1a2b4c, chalk 95 0 5`); `lock-delta-e` how far an ink may move, `lab` under which light Lab
was measured, `design` the name on the files. Refuses labels that it cannot read by their name, and
leaves every other label alone.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from postproc.cie import VIEWING_DEFAULT, parse_viewing
from postproc.colourways import Colourway, check_colourways
from postproc.finish import Order, repeat_of
from postproc.order import Words
from postproc.swatches import Swatch, parse_swatches
from schemas.errors import Rejected

if TYPE_CHECKING:
    from pathlib import Path

    from postproc.provenance import Signer
    from postproc.recipe import Recipe
    from schemas.records import Pattern

COLOURWAYS_MAX: Final = 8
"""Each draws every file of the recipe once more."""
LOCK_DELTA_E_MAX: Final = 200.0
TENANTS_MAX: Final = 256
KNOWN_MAX: Final = 512
_COLOURWAY: Final = "colourway."


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
    labels = pattern.labels
    viewing = parse_viewing(labels.get("lab", VIEWING_DEFAULT), field="labels.lab").name
    return Order(
        repeat=repeat_of(pattern.lattice, pattern.repeat_width_um, pattern.repeat_height_um),
        palette_max=pattern.palette_max or 0,
        design=labels.get("design", pattern.pattern_id),
        locked=_swatches(labels, "locked", viewing),
        lock_delta_e_max=_lock_delta_e(labels.get("lock-delta-e", "")),
        colourways=_colourways(labels, viewing),
        words=table.words,
        signer=table.signer,
        network=table.network,
        press_profile=table.press_profile,
        known=known,
    )


def _swatches(labels: Mapping[str, str], label: str, viewing: str) -> tuple[Swatch, ...]:
    return parse_swatches(labels.get(label, ""), viewing=viewing, field=f"labels.{label}")


def _colourways(labels: Mapping[str, str], viewing: str) -> tuple[Colourway, ...]:
    # By name: a map has no order of its own, and the same order must give the same files.
    named = sorted(label for label in labels if label.startswith(_COLOURWAY))
    if len(named) > COLOURWAYS_MAX:
        limit = f"at most {COLOURWAYS_MAX}"
        raise Rejected(f"{len(named)} colourways", field="labels.colourway", limit=limit)
    found = []
    for label in named:
        swatches = _swatches(labels, label, viewing)
        if not swatches or label == _COLOURWAY:
            limit = "colourway.NAME with a colour for each ink"
            raise Rejected("an empty colourway", field=f"labels.{label[:60]}", limit=limit)
        found.append(Colourway(name=label.removeprefix(_COLOURWAY), swatches=swatches))
    check_colourways(found, field="labels.colourway")
    return tuple(found)


def _lock_delta_e(text: str) -> float:
    try:
        most = float(text or "0")
    except ValueError:
        most = math.nan
    if not 0 <= most <= LOCK_DELTA_E_MAX:
        limit = f"a number from 0 to {LOCK_DELTA_E_MAX:g}"
        raise Rejected("lock-delta-e is no distance", field="labels.lock-delta-e", limit=limit)
    return most
