"""What a request's labels ask of the finishing table: colours, and the name on the files.

Colours come in labels because they belong to one order: `locked` holds a client's colours,
`colourway.<name>` a further palette, both in the recipes' short form (`navy #1a2b4c, chalk 95 0
5`); `lock-delta-e` how far an ink may move, `lab` under which light Lab was measured, `design` the
name on the files. Read twice: at the door, so that nothing is drawn for an order that cannot be
finished, and when the files are made. Every other label is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from postproc.cie import VIEWING_DEFAULT, parse_viewing
from postproc.colourways import Colourway, check_colourways
from postproc.swatches import Swatch, parse_swatches
from schemas.errors import Rejected

COLOURWAYS_MAX: Final = 8
"""Each draws every file of the recipe once more."""
LOCK_DELTA_E_MAX: Final = 200.0
_COLOURWAY: Final = "colourway."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the labels say; nothing where they say nothing."""

    design: str = ""
    locked: tuple[Swatch, ...] = ()
    lock_delta_e_max: float = 0.0
    colourways: tuple[Colourway, ...] = ()


def read_labels(labels: Mapping[str, str]) -> Asked:
    """The order in a request's labels; raises Rejected naming the label that cannot be read."""
    viewing = parse_viewing(labels.get("lab", VIEWING_DEFAULT), field="labels.lab").name
    return Asked(
        design=labels.get("design", ""),
        locked=_swatches(labels, "locked", viewing),
        lock_delta_e_max=_lock_delta_e(labels.get("lock-delta-e", "")),
        colourways=_colourways(labels, viewing),
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
