"""Plots as inline SVG: lines over days, stacked bars, pairs of bars, intervals. Pure; no scripts.

Colours are CSS variables of the page, so that a plot follows its light or dark ground. Every mark
has a <title>, which browsers show on hovering and screen readers read. All texts are escaped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH_PX: Final = 720
HEIGHT_PX: Final = 240
LEFT_PX: Final = 64
RIGHT_PX: Final = 12
TOP_PX: Final = 12
BOTTOM_PX: Final = 28
TICKS: Final = 4
LABELS_MAX: Final = 8
ROW_PX: Final = 32
NAME_PX: Final = 170


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, or one layer of bars; None leaves a gap."""

    name: str
    values: tuple[float | None, ...]


def lines(days: Sequence[str], series: Sequence[Series], *, unit: str = "") -> str:
    """Values by day, from zero up."""
    top = nice(max((v for one in series for v in one.values if v is not None), default=0.0))
    parts = [_grid(top, unit), _days(days)]
    for number, one in enumerate(series, 1):
        points = [
            (_x(place, len(days)), _y(value, top), value)
            for place, value in enumerate(one.values)
            if value is not None
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline class="line c{number}" points="{path}"/>')
        parts += [
            f'<circle class="dot c{number}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
            f"<title>{escape(one.name)}: {number_text(value)} {escape(unit)}</title></circle>"
            for x, y, value in points
        ]
    return _figure(parts, HEIGHT_PX, [one.name for one in series])


def stacked(days: Sequence[str], series: Sequence[Series], *, unit: str = "") -> str:
    """Layers of one bar a day, the first at the bottom."""
    totals = [sum(one.values[place] or 0.0 for one in series) for place in range(len(days))]
    top = nice(max(totals, default=0.0))
    slot = (WIDTH_PX - LEFT_PX - RIGHT_PX) / max(len(days), 1)
    parts = [_grid(top, unit), _days(days)]
    for place, day in enumerate(days):
        reached = 0.0
        for number, one in enumerate(series, 1):
            value = one.values[place] or 0.0
            low, reached = _y(reached, top), reached + value
            high = _y(reached, top)
            parts.append(
                f'<rect class="bar c{number}" x="{LEFT_PX + place * slot + slot * 0.15:.1f}" '
                f'y="{high:.1f}" width="{slot * 0.7:.1f}" height="{low - high:.1f}">'
                f"<title>{escape(day)} {escape(one.name)}: {number_text(value)} {escape(unit)}"
                "</title></rect>"
            )
    return _figure(parts, HEIGHT_PX, [one.name for one in series])


def rows(names: Sequence[str], series: Sequence[Series], *, unit: str = "") -> str:
    """Horizontal bars, one group per name, one bar per series."""
    top = nice(max((v for one in series for v in one.values if v is not None), default=0.0))
    wide = WIDTH_PX - NAME_PX - 90
    parts, bar_px = [], (ROW_PX - 6) / max(len(series), 1)
    for place, name in enumerate(names):
        y = place * ROW_PX + 4
        parts.append(f'<text class="name" x="0" y="{y + 13}">{escape(name)}</text>')
        for number, one in enumerate(series, 1):
            value = one.values[place]
            if value is None:
                continue
            at, width = y + (number - 1) * bar_px, max(value / top * wide, 1.0)
            parts.append(
                f'<rect class="bar c{number}" x="{NAME_PX}" y="{at:.1f}" width="{width:.1f}" '
                f'height="{bar_px - 1:.1f}"><title>{escape(one.name)}: {number_text(value)} '
                f"{escape(unit)}</title></rect>"
                f'<text class="tick" x="{NAME_PX + width + 5:.1f}" y="{at + bar_px - 2:.1f}">'
                f"{number_text(value)} {escape(unit)}</text>"
            )
    return _figure(parts, len(names) * ROW_PX + 8, [one.name for one in series])


def interval(low: float, middle: float, high: float) -> str:
    """A share with its interval on a scale from 0 to 1, small enough for a table's cell."""
    wide = 110
    return (
        f'<svg class="cell" viewBox="0 0 {wide} 16" width="{wide}" height="16" role="img">'
        f"<title>{middle:.1%}, between {low:.1%} and {high:.1%}</title>"
        f'<line class="grid" x1="0" y1="8" x2="{wide}" y2="8"/>'
        f'<line class="line c1" x1="{low * wide:.1f}" y1="8" x2="{high * wide:.1f}" y2="8"/>'
        f'<circle class="dot c1" cx="{middle * wide:.1f}" cy="8" r="4"/></svg>'
    )


def nice(value: float) -> float:
    """The least 1, 2, 2.5 or 5 times a power of ten that is not below the value; 1 for zero."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def number_text(value: float) -> str:
    """Three digits that count, without a power of ten where that can be read."""
    if value == 0:
        return "0"
    if 0.0001 <= abs(value) < 1_000_000:
        decimals = max(0, 2 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.2e}"


def _x(place: int, count: int) -> float:
    slot = (WIDTH_PX - LEFT_PX - RIGHT_PX) / max(count, 1)
    return LEFT_PX + (place + 0.5) * slot


def _y(value: float, top: float) -> float:
    return HEIGHT_PX - BOTTOM_PX - value / top * (HEIGHT_PX - TOP_PX - BOTTOM_PX)


def _grid(top: float, unit: str) -> str:
    parts = []
    for tick in range(TICKS + 1):
        value = top * tick / TICKS
        y = _y(value, top)
        parts.append(
            f'<line class="grid" x1="{LEFT_PX}" y1="{y:.1f}" x2="{WIDTH_PX - RIGHT_PX}" '
            f'y2="{y:.1f}"/>'
            f'<text class="tick end" x="{LEFT_PX - 6}" y="{y + 4:.1f}">{number_text(value)}</text>'
        )
    parts.append(f'<text class="tick" x="{LEFT_PX + 4}" y="{TOP_PX + 10}">{escape(unit)}</text>')
    return "".join(parts)


def _days(days: Sequence[str]) -> str:
    step = math.ceil(len(days) / LABELS_MAX) if days else 1
    return "".join(
        f'<text class="tick mid" x="{_x(place, len(days)):.1f}" y="{HEIGHT_PX - 8}">'
        f"{escape(day[5:])}</text>"
        for place, day in enumerate(days)
        if place % step == 0
    )


def _figure(parts: Sequence[str], height_px: int, names: Sequence[str]) -> str:
    keys = "".join(
        f'<span class="key"><i class="c{number}"></i>{escape(name)}</span>'
        for number, name in enumerate(names, 1)
    )
    return (
        f'<figure><div class="keys">{keys}</div><svg viewBox="0 0 {WIDTH_PX} {height_px}" '
        f'role="img">{"".join(parts)}</svg></figure>'
    )
