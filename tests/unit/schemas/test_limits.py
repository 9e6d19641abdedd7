"""Every limit: the field that breaks it is named, and the value beside it still passes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import limits
from schemas.errors import Rejected
from schemas.records import (
    Adapter,
    Canvas,
    FeedbackGiven,
    PatternRequested,
    Prompt,
    Repeat,
    Sealed,
)

SECRET = "a word that must not leak"
GOOD = PatternRequested(
    request_id="r1",
    tenant="acme",
    prompt=Prompt(text=SECRET),
    repeat=Repeat(lattice="straight", width_um=64_000, height_um=64_000),
)
SEALED = Sealed(key_id="k", algorithm="A", nonce=b"", ciphertext=b"c", digest="d")
BIG_SEAL = dataclasses.replace(SEALED, ciphertext=bytes(limits.SEALED_BYTES_MAX))


def repeat(width_um: int, height_um: int, lattice: str = "straight") -> Repeat:
    """A repeat in micrometres."""
    return Repeat(lattice=lattice, width_um=width_um, height_um=height_um)


def canvas(width_px: int, height_px: int) -> Canvas:
    """A canvas in pixels."""
    return Canvas(width_px=width_px, height_px=height_px)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("request_id", {"request_id": ""}),
    ("request_id", {"request_id": "x" * 65}),
    ("request_id", {"request_id": "a b"}),
    ("request_id", {"request_id": "a.1"}),
    ("request_id", {"request_id": "ä"}),
    ("request_id", {"request_id": "r1\n"}),
    ("tenant", {"tenant": ""}),
    ("tenant", {"tenant": "Acme"}),
    ("tenant", {"tenant": "../acme"}),
    ("tenant", {"tenant": "-acme"}),
    ("tenant", {"tenant": "a" * 64}),
    ("prompt", {"prompt": Prompt()}),
    ("prompt", {"prompt": Prompt(text=SECRET, sealed=SEALED)}),
    ("prompt", {"prompt": Prompt(text="")}),
    ("prompt", {"prompt": Prompt(text=" \n\t")}),
    ("prompt.text", {"prompt": Prompt(text="navy \ud83e")}),
    ("prompt.text characters", {"prompt": Prompt(text="x" * (limits.PROMPT_CHARACTERS_MAX + 1))}),
    (
        "prompt.sealed.ciphertext",
        {"prompt": Prompt(sealed=dataclasses.replace(SEALED, ciphertext=b""))},
    ),
    (
        "prompt.sealed.ciphertext",
        {"prompt": Prompt(sealed=dataclasses.replace(BIG_SEAL, ciphertext=bytes(16_385)))},
    ),
    ("negative_prompt", {"negative_prompt": Prompt()}),
    ("negative_prompt.text characters", {"negative_prompt": Prompt(text="x" * 2_001)}),
    ("tier", {"tier": "gold"}),
    ("repeat.lattice", {"repeat": repeat(64_000, 64_000, "hexagonal")}),
    ("repeat.width_um", {"repeat": repeat(0, 64_000)}),
    ("repeat.width_um", {"repeat": repeat(-64_000, 64_000)}),
    ("repeat.height_um", {"repeat": repeat(64_000, limits.REPEAT_UM_MIN - 1)}),
    ("repeat.height_um", {"repeat": repeat(64_000, limits.REPEAT_UM_MAX + 1)}),
    ("repeat", {"repeat": repeat(64_000, 256_001)}),
    ("repeat", {"repeat": repeat(256_001, 64_000)}),
    ("canvas.width_px", {"canvas": canvas(0, 512)}),
    ("canvas.height_px", {"canvas": canvas(512, 0)}),
    ("canvas.width_px", {"canvas": canvas(2**40, 512)}),
    ("canvas.width_px", {"canvas": canvas(limits.CANVAS_PX_MAX + 64, 512)}),
    ("canvas.width_px", {"canvas": canvas(500, 512)}),
    ("canvas.height_px", {"canvas": canvas(512, 500)}),
    ("canvas", {"canvas": canvas(512, 576)}),
    ("canvas", {"canvas": canvas(512, 512), "repeat": repeat(64_000, 64_188)}),
    ("variations", {"variations": 0}),
    ("variations", {"variations": limits.VARIATIONS_MAX + 1}),
    ("seed", {"seed": -1}),
    ("seed", {"seed": 2**63}),
    ("steps", {"steps": 0}),
    ("steps", {"steps": limits.STEPS_MAX + 1}),
    ("guidance", {"guidance": -0.1}),
    ("guidance", {"guidance": limits.GUIDANCE_MAX + 0.1}),
    ("guidance", {"guidance": float("nan")}),
    ("guidance", {"guidance": float("inf")}),
    ("palette_max", {"palette_max": 1}),
    ("palette_max", {"palette_max": 65}),
    ("model characters", {"model": ""}),
    ("model characters", {"model": "m" * 129}),
    ("recipe characters", {"recipe": ""}),
    ("session characters", {"session": "s" * 129}),
    ("callback characters", {"callback": "c" * 2_049}),
    ("adapters", {"adapters": (Adapter(name="a"),) * (limits.ADAPTERS_MAX + 1)}),
    ("adapters.name characters", {"adapters": (Adapter(name=""),)}),
    ("adapters.scale", {"adapters": (Adapter(name="a", scale=4.1),)}),
    ("adapters.scale", {"adapters": (Adapter(name="a", scale=float("nan")),)}),
    ("labels", {"labels": {str(n): "" for n in range(limits.LABELS_MAX + 1)}}),
    ("labels key characters", {"labels": {"": "x"}}),
    ("labels key characters", {"labels": {"k" * 257: "x"}}),
    ("labels value characters", {"labels": {"k": "v" * 257}}),
    ("deadline", {"deadline": datetime(2026, 11, 23)}),  # noqa: DTZ001 - the fault in question
]
EDGE: list[dict[str, Any]] = [
    {},
    {"request_id": "x" * 64},
    {"tenant": "a" * 63},
    {"tenant": "0_-"},
    {"prompt": Prompt(text="x" * limits.PROMPT_CHARACTERS_MAX)},
    {"prompt": Prompt(sealed=BIG_SEAL)},
    {"negative_prompt": Prompt(text="")},
    {"repeat": repeat(limits.REPEAT_UM_MIN, 4 * limits.REPEAT_UM_MIN, "brick")},
    {"repeat": repeat(limits.REPEAT_UM_MAX, limits.REPEAT_UM_MAX, "half-drop")},
    {"canvas": canvas(limits.CANVAS_PX_MAX, limits.CANVAS_PX_MAX)},
    {"canvas": canvas(limits.CANVAS_PX_MIN, limits.CANVAS_PX_MIN)},
    {"canvas": canvas(512, 512), "repeat": repeat(64_000, 64_125)},
    {"variations": limits.VARIATIONS_MAX, "seed": 2**63 - 1, "steps": limits.STEPS_MAX},
    {"seed": 0, "steps": 1, "guidance": 0.0, "palette_max": 2},
    {"guidance": limits.GUIDANCE_MAX, "palette_max": 64},
    {"adapters": (Adapter(name="a", scale=-4.0),) * limits.ADAPTERS_MAX},
    {"labels": {"k" * 256: "v" * 256}},
    {"deadline": datetime(2026, 11, 23, tzinfo=UTC)},
]


@pytest.mark.parametrize(("field", "change"), BAD)
def test_the_broken_field_is_named(field: str, change: dict[str, Any]) -> None:
    """Rejected names the field and a limit, and never quotes the prompt."""
    with pytest.raises(Rejected) as refused:
        limits.check_request(dataclasses.replace(GOOD, **change))
    error = refused.value
    assert error.field == field
    assert error.limit
    assert error.reason
    assert SECRET not in f"{error.reason}{error.limit}"
    assert (error.outcome, error.dead_letter) == ("rejected", True)


@pytest.mark.parametrize("change", EDGE)
def test_the_edge_passes(change: dict[str, Any]) -> None:
    """What lies exactly on a limit is allowed."""
    limits.check_request(dataclasses.replace(GOOD, **change))


def test_every_field_has_a_limit() -> None:
    """No field of a request is without a case above, two that cannot be wrong excepted."""
    free = {"consent", "traceparent"}
    covered = {name for _, change in BAD for name in change}
    assert covered == {spec.name for spec in dataclasses.fields(PatternRequested)} - free


WORD = FeedbackGiven(
    event_id="e",
    request_id="r1",
    ordinal=1,
    tenant="acme",
    kind="accepted",
    happened_at=datetime(2026, 11, 23, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("request_id", {"request_id": "r.1"}),
        ("tenant", {"tenant": ""}),
        ("ordinal", {"ordinal": 0}),
        ("ordinal", {"ordinal": limits.VARIATIONS_MAX + 1}),
        ("kind", {"kind": "liked"}),
        ("reasons", {"reasons": ("x",) * (limits.REASONS_MAX + 1)}),
    ],
)
def test_a_verdict_names_a_pattern_and_a_known_kind(field: str, change: dict[str, Any]) -> None:
    """A word that names no pattern, or is none of the known, is rejected by field."""
    limits.check_feedback(WORD)
    with pytest.raises(Rejected) as refused:
        limits.check_feedback(dataclasses.replace(WORD, **change))
    assert refused.value.field == field
