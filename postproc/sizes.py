"""Lengths as people write them, kept as whole micrometres: 640mm, 64 cm, 25.25in, 640x480mm."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from schemas.errors import Rejected

UM_PER_UNIT: Final = {"um": 1, "mm": 1_000, "cm": 10_000, "m": 1_000_000, "in": 25_400}
LENGTH_UM_MAX: Final = 1_000_000_000
_LENGTH: Final = re.compile(r"\s*(\d{1,7}(?:\.\d{1,6})?)\s*(um|mm|cm|m|in)?\s*")


def parse_length_um(text: str, *, unit: str = "mm", field: str = "length") -> int:
    """Micrometres of a length, `unit` where none is written, rounded to the nearest whole one."""
    found = _LENGTH.fullmatch(text.lower())
    limit = "a number and um, mm, cm, m or in, above 0"
    if found is None:
        raise Rejected(f"{text[:40]!r} is no length", field=field, limit=limit)
    length_um = round(Fraction(found.group(1)) * UM_PER_UNIT[found.group(2) or unit])
    if not 0 < length_um <= LENGTH_UM_MAX:
        raise Rejected(f"{text[:40]!r} is no usable length", field=field, limit=limit)
    return length_um


def parse_size_um(text: str, *, unit: str = "mm", field: str = "repeat") -> tuple[int, int]:
    """(width, height) in micrometres of `640x480`, `25.25x25.25in`, or of one side for a square.

    A unit written once, at the end, is of both sides.
    """
    sides = re.split(r"\s*[x×]\s*", text.strip().lower())
    if len(sides) > 2:
        raise Rejected(f"{text[:40]!r} is no size", field=field, limit="WIDTHxHEIGHT")
    last = re.search(r"(um|mm|cm|m|in)\s*$", sides[-1])
    unit = last.group(1) if last else unit
    lengths = [parse_length_um(side, unit=unit, field=field) for side in sides]
    return lengths[0], lengths[-1]
