"""Rows from beginning to end in one call: for warming an engine, for benches and for tests.

Nothing joins such a batch on its way, so nothing in the product makes tiles with it: the generate
stage lets rows board and leave between steps. It refuses to be another engine: it only takes the
steps of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference.engine import Ended, Engine, Forward, Row, Tile

Cancelled = Callable[[str], bool]
"""Whether the pattern of this id shall stop. Asked before every step; must return at once."""

OnStep = Callable[[int], None]
"""Called after every denoising step with the steps done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """As many ends as rows went in, in the same order, and what they cost."""

    ends: tuple[Tile | Ended, ...]
    forwards: tuple[Forward, ...]


def run(
    engine: Engine,
    rows: Sequence[Row],
    *,
    cancelled: Cancelled = lambda _: False,
    on_step: OnStep = lambda _: None,
) -> Batch:
    """Make `rows` (1 .. rows_max, equal keys). Raises as `Engine.add` and `Engine.step` do."""
    ends: dict[int, Tile | Ended] = {}
    place_of: dict[int, int] = {}
    for place, boarded in enumerate(engine.add(rows)):
        if isinstance(boarded, Ended):
            ends[place] = boarded
        else:
            place_of[boarded] = place
    done = 0
    try:
        while place_of:
            for slot in [s for s, at in place_of.items() if cancelled(rows[at].pattern_id)]:
                engine.drop([slot])
                place = place_of.pop(slot)
                ends[place] = _stopped(rows[place])
            if place_of:
                for slot, end in engine.step(tuple(place_of)).items():
                    ends[place_of.pop(slot)] = end
                done += 1
                on_step(done)
    finally:
        engine.drop(tuple(place_of))
    return Batch(ends=tuple(ends[place] for place in range(len(rows))), forwards=engine.spent())


def _stopped(row: Row) -> Ended:
    return Ended(
        pattern_id=row.pattern_id, attempt=row.attempt, outcome="cancelled", reason="cancelled"
    )
