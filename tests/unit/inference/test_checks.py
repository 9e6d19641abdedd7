"""Impossible rows are refused by name and limit before they cost anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inference.checks import check
from inference.engine import ModelCard, Row
from schemas.errors import Rejected

CARD = ModelCard(
    family="m",
    version="1",
    tile_px=64,
    size_multiple_px=8,
    size_px_min=32,
    size_px_max=256,
    steps=4,
    guidance=1.0,
)
ROW = Row(
    pattern_id="r.1",
    attempt=1,
    prompt="x",
    seed=0,
    lattice="straight",
    width_px=64,
    height_px=64,
    model="m",
)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**63}),
        ("steps", {"steps": 0}),
        ("steps", {"steps": 151}),
        ("guidance", {"guidance": -0.1}),
        ("guidance", {"guidance": float("nan")}),
        ("guidance", {"guidance": 31.0}),
        ("lattice", {"lattice": "hexagon"}),
        ("width_px", {"width_px": 0}),
        ("width_px", {"width_px": 264}),
        ("width_px", {"width_px": 60}),
        ("height_px", {"height_px": 24}),
        ("height_px", {"height_px": 72, "lattice": "half-drop"}),
        ("width_px", {"width_px": 72, "lattice": "brick"}),
        ("prompt", {"prompt": "x" * 10_001}),
        ("negative_prompt", {"negative_prompt": "x" * 10_001}),
        ("adapters", {"adapters": (("a", float("nan")),)}),
        ("adapters", {"adapters": (("a", -4.1),)}),
        ("adapters", {"adapters": (("a", 1.0),) * 5}),
    ],
)
def test_an_impossible_row_names_field_and_limit(field: str, change: dict[str, Any]) -> None:
    """The refusal says which field and what it may be, and never shows the prompt."""
    with pytest.raises(Rejected) as caught:
        check(replace(ROW, **change), CARD)
    assert caught.value.field == field
    assert caught.value.limit
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": ""},
        {"prompt": "😀" * 10_000},
        {"seed": 2**63 - 1},
        {"height_px": 80, "lattice": "half-drop"},
        {"height_px": 72, "lattice": "brick"},
        {"width_px": 256, "height_px": 32},
        {"guidance": 0.0, "steps": 150},
    ],
)
def test_the_limits_themselves_are_allowed(change: dict[str, Any]) -> None:
    """Every limit is inclusive, and no prompt is too empty."""
    check(replace(ROW, **change), CARD)
