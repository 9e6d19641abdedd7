"""Whether a row can be woven at all, against the limits of one model. Pure.

Every refusal is a Rejected that names the field and the limit; the prompt itself is never refused
(an empty one is a picture too, a long one is cut by the tokenizer).
"""

from __future__ import annotations

import math

from inference.engine import (
    ADAPTERS_MAX,
    GUIDANCE_MAX,
    LATTICES,
    PROMPT_CHARS_MAX,
    SEED_MAX,
    STEPS_MAX,
    ModelCard,
    Row,
)
from schemas.errors import Rejected


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
