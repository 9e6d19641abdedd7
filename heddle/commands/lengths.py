"""Lengths as people write them, in micrometres."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from schemas.errors import Rejected

UNITS_UM: Final = {"um": 1, "mm": 1_000, "cm": 10_000, "in": 25_400}
_SIZE: Final = re.compile(
    r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*(?:x\s*(\d{1,6}(?:\.\d{1,6})?))?\s*(um|mm|cm|in)\s*",
    re.IGNORECASE,
)


def size_um(text: str) -> tuple[int, int]:
    """(width, height) of `640x640mm`, `64 x 32 cm`, `25.25in`; rounded to a micrometre.

    Raises Rejected naming the forms that are understood.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        limit = "such as 640x640mm, 64x32cm or 25.25in"
        raise Rejected(f"size {text[:40]!r} is not understood", field="size", limit=limit)
    unit_um = UNITS_UM[found[3].lower()]
    width, height = found[1], found[2] or found[1]
    return round(Fraction(width) * unit_um), round(Fraction(height) * unit_um)
