"""What a request may ask for: every limit by name, checked by route, gateway and client alike.

Checks a request by itself; what a tenant may ask for is route's business. Messages name field and
limit and never quote the prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import Rejected
from .names import REQUEST_ID, TENANT
from .topics import TIERS

if TYPE_CHECKING:
    from .records import Canvas, FeedbackGiven, PatternRequested, Prompt, Repeat

PROMPT_CHARACTERS_MAX: Final = 2_000
SEALED_BYTES_MAX: Final = 16_384
LATTICES: Final = ("straight", "half-drop", "brick")
REPEAT_UM_MIN: Final = 1_000
"""1 mm."""
REPEAT_UM_MAX: Final = 5_000_000
"""5 m."""
REPEAT_ASPECT_MAX: Final = 4.0
CANVAS_PX_MIN: Final = 64
CANVAS_PX_MAX: Final = 2_048
CANVAS_PX_MULTIPLE: Final = 64
"""Half the tile must divide by the total stride of VAE and UNet for an exact half-drop."""
VARIATIONS_MAX: Final = 64
STEPS_MAX: Final = 150
GUIDANCE_MAX: Final = 30.0
ADAPTERS_MAX: Final = 4
ADAPTER_SCALE_MAX: Final = 4.0
LABELS_MAX: Final = 32
LABEL_CHARACTERS_MAX: Final = 256
NAME_CHARACTERS_MAX: Final = 128
CALLBACK_CHARACTERS_MAX: Final = 2_048
PALETTE_MIN: Final = 2
PALETTE_MAX: Final = 64
SEED_MAX: Final = 2**63 - 1
TENANTS_TAKEN: Final = frozenset({"claims"})
"""Folders of the shelf that are nobody's."""
VERDICTS: Final = ("accepted", "rejected", "ordered", "withdrawn")
REASONS_MAX: Final = 16


def check_request(request: PatternRequested) -> None:
    """Return silently, or raise Rejected with the first field that breaks a limit."""
    check_request_id(request.request_id)
    check_tenant(request.tenant)
    _check_prompt(request.prompt, "prompt", may_be_empty=False)
    if request.negative_prompt is not None:
        _check_prompt(request.negative_prompt, "negative_prompt", may_be_empty=True)
    _one_of(request.tier, TIERS, "tier")
    check_repeat(request.repeat)
    if request.canvas is not None:
        check_canvas(request.canvas, request.repeat)
    _between(request.variations, 1, VARIATIONS_MAX, "variations")
    _check_options(request)
    _check_adapters(request)
    _check_labels(request)
    if request.deadline is not None and request.deadline.utcoffset() is None:
        raise Rejected("deadline is no moment", field="deadline", limit="with a time zone")


def check_request_id(request_id: str) -> None:
    """Raise Rejected unless the id is 1 to 64 of `[A-Za-z0-9_-]`."""
    if not REQUEST_ID.fullmatch(request_id):
        raise Rejected("request id", field="request_id", limit="1 to 64 of [A-Za-z0-9_-]")


def check_tenant(tenant: str) -> None:
    """Raise Rejected unless the name fits a folder, a key and a policy."""
    if not tenant:
        raise Rejected("tenant is missing", field="tenant", limit="required")
    if not TENANT.fullmatch(tenant) or tenant in TENANTS_TAKEN:
        limit = "1 to 63 of [a-z0-9_-], beginning with a letter or digit, and not claims"
        raise Rejected("tenant name", field="tenant", limit=limit)


def check_repeat(repeat: Repeat) -> None:
    """Raise Rejected for an unknown lattice or an impossible size."""
    _one_of(repeat.lattice, LATTICES, "repeat.lattice")
    _between(repeat.width_um, REPEAT_UM_MIN, REPEAT_UM_MAX, "repeat.width_um")
    _between(repeat.height_um, REPEAT_UM_MIN, REPEAT_UM_MAX, "repeat.height_um")
    sides = sorted((repeat.width_um, repeat.height_um))
    if sides[1] > sides[0] * REPEAT_ASPECT_MAX:
        limit = f"longer side at most {REPEAT_ASPECT_MAX:g} times the shorter"
        raise Rejected("repeat is too narrow", field="repeat", limit=limit)


def check_canvas(canvas: Canvas, repeat: Repeat) -> None:
    """Raise Rejected for a canvas out of bounds or with another aspect than the repeat."""
    for name, side in (("width_px", canvas.width_px), ("height_px", canvas.height_px)):
        _between(side, CANVAS_PX_MIN, CANVAS_PX_MAX, f"canvas.{name}")
        if side % CANVAS_PX_MULTIPLE:
            limit = f"a multiple of {CANVAS_PX_MULTIPLE}"
            raise Rejected("canvas side", field=f"canvas.{name}", limit=limit)
    wanted_px = canvas.width_px * repeat.height_um / repeat.width_um
    if abs(wanted_px - canvas.height_px) > 1:
        limit = f"height_px {wanted_px:.1f} within 1 px, for this repeat"
        raise Rejected("canvas and repeat disagree in aspect", field="canvas", limit=limit)


def check_feedback(feedback: FeedbackGiven) -> None:
    """Raise Rejected for a verdict that names no pattern or is no known kind."""
    check_request_id(feedback.request_id)
    check_tenant(feedback.tenant)
    _between(feedback.ordinal, 1, VARIATIONS_MAX, "ordinal")
    _one_of(feedback.kind, VERDICTS, "kind")
    _between(len(feedback.reasons), 0, REASONS_MAX, "reasons")


def _check_prompt(prompt: Prompt, field: str, *, may_be_empty: bool) -> None:
    if (prompt.text is None) == (prompt.sealed is None):
        raise Rejected(f"{field} is missing", field=field, limit="exactly one of text and sealed")
    if prompt.sealed is not None:
        _between(len(prompt.sealed.ciphertext), 1, SEALED_BYTES_MAX, f"{field}.sealed.ciphertext")
        return
    text = prompt.text or ""
    if not may_be_empty and not text.strip():
        raise Rejected(f"{field} is empty", field=field, limit="at least 1 character")
    _between(len(text), 0, PROMPT_CHARACTERS_MAX, f"{field}.text characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        # Half of a character, as a string cut in UTF-16 ends with: no encoding of ours carries it.
        raise Rejected(f"{field} is no whole text", field=f"{field}.text", limit="no surrogates")


def _check_options(request: PatternRequested) -> None:
    optional = (
        ("seed", request.seed, 0, SEED_MAX),
        ("steps", request.steps, 1, STEPS_MAX),
        ("guidance", request.guidance, 0, GUIDANCE_MAX),
        ("palette_max", request.palette_max, PALETTE_MIN, PALETTE_MAX),
    )
    for field, value, low, high in optional:
        if value is not None:
            _between(value, low, high, field)
    names = (
        ("model", request.model, NAME_CHARACTERS_MAX),
        ("recipe", request.recipe, NAME_CHARACTERS_MAX),
        ("session", request.session, NAME_CHARACTERS_MAX),
        ("callback", request.callback, CALLBACK_CHARACTERS_MAX),
    )
    for field, text, high in names:
        if text is not None:
            _between(len(text), 1, high, f"{field} characters")


def _check_adapters(request: PatternRequested) -> None:
    _between(len(request.adapters), 0, ADAPTERS_MAX, "adapters")
    for adapter in request.adapters:
        _between(len(adapter.name), 1, NAME_CHARACTERS_MAX, "adapters.name characters")
        _between(adapter.scale, -ADAPTER_SCALE_MAX, ADAPTER_SCALE_MAX, "adapters.scale")


def _check_labels(request: PatternRequested) -> None:
    _between(len(request.labels), 0, LABELS_MAX, "labels")
    for name, text in request.labels.items():
        _between(len(name), 1, LABEL_CHARACTERS_MAX, "labels key characters")
        _between(len(text), 0, LABEL_CHARACTERS_MAX, "labels value characters")


def _between(value: float, low: float, high: float, field: str) -> None:
    # NaN lies between nothing.
    if not low <= value <= high:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        raise Rejected(f"{field} is {shown}", field=field, limit=f"{low:g} to {_shown(high)}")


def _shown(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def _one_of(value: str, known: tuple[str, ...], field: str) -> None:
    if value not in known:
        limit = "one of " + ", ".join(known)
        raise Rejected(f"unknown {field}", field=field, limit=limit)
