"""What records are made of: prompt, repeat, file, gate, pattern, shares of machine time.

Same rules of growth as `records.py`, which re-exports everything here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that was never set; Avro defaults cannot say "missing" for a timestamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A prompt that only holders of the key can read."""

    key_id: str
    """Which key; its holder decides what it names."""
    algorithm: str
    """For example `AES-256-GCM`."""
    nonce: bytes
    ciphertext: bytes
    digest: str
    """Keyed digest of the plaintext, hexadecimal: lets equal prompts be recognised unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Words for the picture: exactly one of text and sealed is set."""

    text: str | None = None
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """How the unit repeats: the single unit's size, before the drop."""

    lattice: str
    """straight, half-drop or brick."""
    width_um: int
    height_um: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Size of the generated tile."""

    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA by name, with its strength."""

    name: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An exact rational: `px` pixels span `um` micrometres."""

    px: int
    um: int


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file on the shelf."""

    role: str
    """tile, print, vector, preview, palette, manifest, ..."""
    key: str
    """Relative to the shelf, never an address."""
    display_name: str
    media_type: str
    size_bytes: int
    sha256: str
    """Of the file's bytes, hexadecimal."""
    width_px: int = 0
    """0 where pixels do not apply."""
    height_px: int = 0
    repeat_width_um: int = 0
    """Physical width of one repeat in this file; 0 where it does not apply."""
    repeat_height_um: int = 0
    resolution: Resolution | None = None
    colourway: str = "original"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One measured quality figure against its limit."""

    name: str
    """For example `seam_p` or `edge_line`."""
    artefact: str
    """Role of the file that was measured."""
    figure: float
    limit: float
    comparison: str
    """`<=`, `>=`, or `report` where nothing is gated."""
    passed: bool
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What a pattern is, unchanged from the split to the last event about it."""

    request_id: str
    ordinal: int
    """1..count. 0 with count 0: a request refused before the split, no pattern in any count."""
    count: int
    tenant: str = ""
    session: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    tier: str = ""
    pool: str = ""
    """Which group of workers may take it."""
    lattice: str = ""
    repeat_width_um: int = 0
    repeat_height_um: int = 0
    canvas_width_px: int = 0
    canvas_height_px: int = 0
    model: str = ""
    """Family of the model."""
    version: str = ""
    """Resolved version of the model."""
    recipe: str = ""
    """Finishing recipe."""
    palette_max: int | None = None
    deadline: datetime | None = None
    consent: bool = False
    """Training on this pattern is allowed: tenant and request both say so."""
    callback: str | None = None
    experiment: str | None = None
    arm: str = "stable"
    arm_probability: float = 1.0
    epoch: int = 0
    """Share epoch of the model book that decided the arm."""
    prompt_hash: str = ""
    """SHA-256 of the prompt, or the sealer's keyed digest; hexadecimal."""
    prompt_length: int = 0
    """Characters of the prompt; 0 for a sealed one."""
    payload_hash: str = ""
    requested_at: datetime = EPOCH
    """The broker's timestamp of the request."""
    traceparent: str | None = None

    @property
    def pattern_id(self) -> str:
        """`request_id.ordinal`: the grain of acceptance, feedback, cost and lifecycle."""
        return f"{self.request_id}.{self.ordinal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One attempt's share of a stretch of machine time."""

    pattern_id: str
    attempt: int
    duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One stretch of machine time shared by rows; its parts sum to it exactly."""

    kind: str
    """load, encode, denoise or decode."""
    duration_us: int
    parts: tuple[Part, ...] = ()
