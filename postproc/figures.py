"""A gate's answer: one named figure against one limit.

Gates return figures and decide nothing; `refuse` turns the first that failed into a Rejected, so
that every caller says no in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from schemas.errors import Rejected

Comparison = Literal["<=", ">=", "==", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, on which artefact, and whether it is within its limit."""

    name: str
    """Snake case, such as `seam_p`; the same in events, recipes and reports."""
    figure: float
    limit: float | None = None
    """None when the figure is reported and nothing is decided by it."""
    comparison: Comparison = "report"
    """How `figure` must stand to `limit`."""
    unit: str = ""
    """Of figure and limit; empty for ratios."""
    passed: bool = True
    artefact: str = "tile"
    """The role of the artefact it was measured on."""
    where: str = ""
    """The worst place, in words, when there is one."""
    part: str = ""
    """Which plate or shop, where one artefact has a figure for each: events carry no `where`."""

    def sentence(self) -> str:
        """The figure, its limit and its place, for people."""
        place = f", worst at {self.where}" if self.where else ""
        unit = f" {self.unit}" if self.unit else ""
        bound = "" if self.limit is None else f", limit {self.comparison} {self.limit:g}{unit}"
        return f"{self.name} is {self.figure:.4g}{unit} on {self.artefact}{bound}{place}"


def at_most(name: str, figure: float, limit: float, *, unit: str = "", where: str = "") -> Figure:
    """A figure that must not exceed its limit. NaN fails."""
    return Figure(
        name=name,
        figure=float(figure),
        limit=float(limit),
        comparison="<=",
        unit=unit,
        passed=bool(figure <= limit),
        where=where,
    )


def at_least(name: str, figure: float, limit: float, *, unit: str = "", where: str = "") -> Figure:
    """A figure that must reach its limit. NaN fails."""
    return Figure(
        name=name,
        figure=float(figure),
        limit=float(limit),
        comparison=">=",
        unit=unit,
        passed=bool(figure >= limit),
        where=where,
    )


def exactly(name: str, figure: float, limit: float, *, unit: str = "", where: str = "") -> Figure:
    """A figure that must equal its limit; meant for whole numbers held as floats."""
    return Figure(
        name=name,
        figure=float(figure),
        limit=float(limit),
        comparison="==",
        unit=unit,
        passed=bool(figure == limit),
        where=where,
    )


def reported(name: str, figure: float, *, unit: str = "", where: str = "") -> Figure:
    """A figure that nothing is decided by."""
    return Figure(name=name, figure=float(figure), unit=unit, where=where)


def on_artefact(figures: Iterable[Figure], artefact: str) -> list[Figure]:
    """The same figures, said of another artefact; of a part of it as `press:01-navy`."""
    return [
        replace(figure, artefact=f"{artefact}:{figure.part}" if figure.part else artefact)
        for figure in figures
    ]


def of_part(figure: Figure, part: str) -> Figure:
    """The figure of one of several parts, named in its artefact too."""
    return replace(figure, part=part, artefact=f"{figure.artefact}:{part}")


def refuse(figures: Iterable[Figure]) -> None:
    """Raise Rejected (a failed pattern, no dead letter) for the first figure that failed."""
    for figure in figures:
        if not figure.passed:
            unit = f" {figure.unit}" if figure.unit else ""
            raise Rejected(
                figure.sentence(),
                field=figure.name,
                limit=f"{figure.comparison} {figure.limit:g}{unit}",
                outcome="failed",
                dead_letter=False,
            )
