"""From a caller's words to checked records. Pure: nothing is sent from here."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from schemas import limits
from schemas.errors import Rejected
from schemas.records import (
    Adapter,
    CancelRequested,
    Canvas,
    FeedbackGiven,
    PatternRequested,
    Prompt,
    Repeat,
    Sealed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Words = str | Prompt | Sealed
"""A prompt: plain words, or sealed so that only holders of the key can read it."""


class Options(TypedDict, total=False):
    """What a request may say beyond the four required fields; see `PatternRequested`."""

    session: str | None
    labels: Mapping[str, str]
    negative_prompt: Words | None
    tier: str
    canvas: Canvas | None
    variations: int
    seed: int | None
    model: str | None
    adapters: Sequence[Adapter]
    steps: int | None
    guidance: float | None
    recipe: str | None
    palette_max: int | None
    deadline: datetime | None
    consent: bool
    callback: str | None
    traceparent: str | None


def repeat_mm(width_mm: float, height_mm: float, *, lattice: str = "straight") -> Repeat:
    """The single repeat unit, before the drop, given in millimetres; exact to a micrometre."""
    return Repeat(
        lattice=lattice, width_um=round(width_mm * 1000), height_um=round(height_mm * 1000)
    )


def wish(
    *,
    tenant: str,
    prompt: Words,
    repeat: Repeat,
    request_id: str | None = None,
    options: Options | None = None,
) -> PatternRequested:
    """A request that passed every limit. Raises Rejected, naming field and limit."""
    given: dict[str, Any] = dict(options or {})
    unknown = given.keys() - Options.__annotations__.keys()
    if unknown:
        limit = "one of " + ", ".join(sorted(Options.__annotations__))
        raise Rejected("unknown option", field=", ".join(sorted(unknown)), limit=limit)
    if given.get("negative_prompt") is not None:
        given["negative_prompt"] = _prompt(given["negative_prompt"])
    if isinstance(given.get("adapters"), Sequence):
        given["adapters"] = tuple(given["adapters"])
    request = PatternRequested(
        request_id=request_id or str(uuid.uuid4()),
        tenant=tenant,
        prompt=_prompt(prompt),
        repeat=repeat,
        **given,
    )
    check(request)
    return request


def check(request: PatternRequested) -> None:
    """Raise Rejected for a request that breaks a limit or holds a value of another type."""
    try:
        limits.check_request(request)
    except (TypeError, AttributeError) as error:
        raise Rejected("a value has the wrong type", field=str(error), limit="its type") from error


def cancel_wish(
    request_id: str, *, tenant: str, ordinal: int, reason: str, event_id: str | None
) -> CancelRequested:
    """A wish to stop a request (ordinal 0) or one pattern of it. Raises Rejected."""
    limits.check_request_id(request_id)
    limits.check_tenant(tenant)
    if not 0 <= ordinal <= limits.VARIATIONS_MAX:
        limit = f"0 to {limits.VARIATIONS_MAX}"
        raise Rejected(f"ordinal is {ordinal}", field="ordinal", limit=limit)
    return CancelRequested(
        event_id=event_id or str(uuid.uuid4()),
        request_id=request_id,
        tenant=tenant,
        happened_at=datetime.now(UTC),
        ordinal=ordinal,
        reason=reason,
    )


def verdict(
    pattern_id: str,
    kind: str,
    *,
    tenant: str,
    reasons: Iterable[str],
    reviewer: str | None,
    event_id: str | None,
) -> FeedbackGiven:
    """A person's word on one pattern. Raises Rejected, naming field and limit."""
    request_id, dot, number = pattern_id.rpartition(".")
    if not (dot and number.isascii() and number.isdecimal()):
        limit = "request_id.ordinal"
        raise Rejected("pattern id", field="pattern_id", limit=limit)
    feedback = FeedbackGiven(
        event_id=event_id or str(uuid.uuid4()),
        request_id=request_id,
        ordinal=int(number),
        tenant=tenant,
        kind=kind,
        happened_at=datetime.now(UTC),
        reasons=tuple(reasons),
        reviewer=reviewer,
    )
    limits.check_feedback(feedback)
    return feedback


def _prompt(words: Words) -> Prompt:
    if isinstance(words, Sealed):
        return Prompt(sealed=words)
    return words if isinstance(words, Prompt) else Prompt(text=words)
