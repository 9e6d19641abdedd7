"""Whether a row can be woven at all, and whether rows may share a call of an engine. Pure.

Every refusal of a row is a Rejected that names the field and the limit; the prompt itself is never
refused (an empty one is a picture too, a long one is cut by the tokenizer). Rows that do not belong
together are their caller's error, a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from inference.engine import (
    ADAPTERS_MAX,
    GUIDANCE_MAX,
    LATTICES,
    PROMPT_CHARS_MAX,
    SEED_MAX,
    STEPS_MAX,
    Ended,
    ModelCard,
    Row,
    refused,
)
from schemas.errors import Rejected

K = TypeVar("K", bound=tuple[Hashable, ...])
F = TypeVar("F")


def check(row: Row, card: ModelCard) -> None:
    """Raise Rejected unless `card`'s model can make `row`."""
    _check_numbers(row)
    _check_words(row)
    multiple_px = card.size_multiple_px
    halved = {"half-drop": "height_px", "brick": "width_px"}.get(row.lattice)
    for name, value_px in (("width_px", row.width_px), ("height_px", row.height_px)):
        step_px = multiple_px * 2 if name == halved else multiple_px
        _within(name, value_px, card.size_px_min, card.size_px_max)
        if value_px % step_px:
            raise Rejected(
                f"{name} {value_px} is no multiple of {step_px}",
                field=name,
                limit=f"multiple of {step_px} for {row.lattice}",
            )


def _check_numbers(row: Row) -> None:
    _within("seed", row.seed, 0, SEED_MAX)
    if row.steps is not None:
        _within("steps", row.steps, 1, STEPS_MAX)
    if row.guidance is not None:
        _within("guidance", row.guidance, 0.0, GUIDANCE_MAX)
    _within("adapters", len(row.adapters), 0, ADAPTERS_MAX)
    for name, scale in row.adapters:
        if not math.isfinite(scale) or abs(scale) > 4:
            raise Rejected(
                f"scale of adapter {name!r} is out of range",
                field="adapters",
                limit="-4 .. 4",
            )


def _check_words(row: Row) -> None:
    if row.lattice not in LATTICES:
        raise Rejected(f"no lattice {row.lattice!r}", field="lattice", limit=" | ".join(LATTICES))
    for name, text in (
        ("prompt", row.prompt),
        ("negative_prompt", row.negative_prompt),
    ):
        if len(text) > PROMPT_CHARS_MAX:
            raise Rejected(
                f"{name} has {len(text)} characters",
                field=name,
                limit=f"{PROMPT_CHARS_MAX} characters",
            )


def _within(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise Rejected(
            f"{name} {value} is out of range",
            field=name,
            limit=f"{lowest} .. {highest}",
        )


def check_boarding(
    rows: Sequence[Row],
    key_of: Callable[[Row], K],
    *,
    aboard: Iterable[K],
    rows_max: int,
    models_max: int,
) -> tuple[K | None, dict[int, Ended]]:
    """For `Engine.add`: the one key of the rows that can be made, and the ends of the others.

    Ends by place in `rows`; the key is None when no row can be made. Raises ValueError.
    """
    _count(len(rows), rows_max)
    keys: dict[int, K] = {}
    ends: dict[int, Ended] = {}
    for place, row in enumerate(rows):
        try:
            keys[place] = key_of(row)
        except Rejected as refusal:
            ends[place] = refused(row, refusal)
    key = _one(keys.values())
    if key is not None and len({one[0] for one in (*aboard, key)}) > max(1, models_max):
        msg = f"this engine takes rows of {models_max} models at once"
        raise ValueError(msg)
    return key, ends


def check_riding(
    slots: Collection[int],
    aboard: Mapping[int, F],
    key_of: Callable[[F], K],
    *,
    rows_max: int,
) -> dict[int, F]:
    """For `Engine.step`: who rides, by slot, in the order given. Raises ValueError."""
    _count(len(slots), rows_max)
    if not aboard.keys() >= set(slots):
        msg = f"slots {sorted(slots)} are not all aboard"
        raise ValueError(msg)
    riders = {slot: aboard[slot] for slot in slots}
    _one(key_of(rider) for rider in riders.values())
    return riders


def _count(rows: int, rows_max: int) -> None:
    if not 1 <= rows <= rows_max:
        msg = f"{rows} rows, this engine takes 1 .. {rows_max}"
        raise ValueError(msg)


def _one(keys: Iterable[K]) -> K | None:
    different = list(dict.fromkeys(keys))
    if len(different) > 1:
        msg = "rows of different keys in one call"
        raise ValueError(msg)
    return different[0] if different else None
