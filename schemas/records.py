"""Every record that travels, as frozen dataclasses: the one source of the Avro schemas.

`python -m schemas.avsc` turns this file into `schemas/avro/`, docstrings included. Rules of growth:
a new field has a default, a growing set is a string, nothing is ever renamed or removed
(`tests/unit/schemas/test_evolution.py` holds us to FULL_TRANSITIVE). Times are UTC. Sizes are in
micrometres (`_um`), pixels (`_px`), bytes (`_bytes`) or microseconds (`_us`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from .parts import (
    EPOCH,
    Adapter,
    Canvas,
    File,
    Forward,
    Gate,
    Part,
    Pattern,
    Prompt,
    Repeat,
    Resolution,
    Sealed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EPOCH",
    "RECORDS",
    "Adapter",
    "AssetPublished",
    "CancelRequested",
    "Canvas",
    "FeedbackGiven",
    "File",
    "Forward",
    "Gate",
    "Part",
    "Pattern",
    "PatternFailed",
    "PatternRequested",
    "PatternRouted",
    "Prompt",
    "Record",
    "RegistryChanged",
    "Repeat",
    "RequestCompleted",
    "Resolution",
    "Sealed",
    "TenantChanged",
    "TileGenerated",
    "UsageMeasured",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRequested:
    """A wish for `variations` patterns. Only the first four fields are required."""

    request_id: str
    """1 to 64 of `[A-Za-z0-9_-]`, unique in the installation."""
    tenant: str
    prompt: Prompt
    repeat: Repeat
    session: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    negative_prompt: Prompt | None = None
    tier: str = "standard"
    canvas: Canvas | None = None
    """Chosen by route when omitted; its aspect must match the repeat within one pixel."""
    variations: int = 1
    seed: int | None = None
    model: str | None = None
    """`family` or `family@version`; the tenant's default when omitted."""
    adapters: tuple[Adapter, ...] = ()
    steps: int | None = None
    """Denoising steps; the model's own when omitted."""
    guidance: float | None = None
    recipe: str | None = None
    palette_max: int | None = None
    deadline: datetime | None = None
    consent: bool = False
    callback: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRouted:
    """One pattern, everything decided: the work order for generate."""

    event_id: str
    pattern: Pattern
    prompt: Prompt
    seed: int
    """Of attempt 1."""
    given_seed: int | None = None
    """The producer's, from which later attempts are derived."""
    negative_prompt: Prompt | None = None
    adapters: tuple[Adapter, ...] = ()
    steps: int | None = None
    guidance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGenerated:
    """A tile that passed its own gates lies on the shelf."""

    event_id: str
    pattern: Pattern
    file: File
    gates: tuple[Gate, ...]
    seed: int
    """Of the attempt that passed."""
    attempt: int
    steps: int
    guidance: float
    model_hash: str
    manifest_key: str
    generated_at: datetime
    gpu_us: int = 0
    """Machine time of all attempts, information only: cost is taken from usage."""
    batch_rows: int = 0
    batch_slot: int = 0
    adapters: tuple[Adapter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPublished:
    """The files of a pattern lie on the shelf, every gate passed."""

    event_id: str
    pattern: Pattern
    files: tuple[File, ...]
    gates: tuple[Gate, ...]
    seed: int
    attempt: int
    steps: int
    guidance: float
    model_hash: str
    recipe_hash: str
    manifest_key: str
    generated_at: datetime
    published_at: datetime
    gpu_us: int = 0
    cpu_us: int = 0
    """Processor time of finishing."""
    batch_rows: int = 0
    batch_slot: int = 0
    adapters: tuple[Adapter, ...] = ()
    palette: tuple[str, ...] = ()
    """Colours as `#rrggbb`, largest coverage first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternFailed:
    """A pattern (or, with ordinal 0, a whole request) ended without an asset."""

    event_id: str
    pattern: Pattern
    stage: str
    outcome: str
    """rejected, failed, cancelled or expired; only `failed` counts against a model."""
    reason: str
    field: str = ""
    limit: str = ""
    attempts: int = 0
    gates: tuple[Gate, ...] = ()
    gpu_us: int = 0
    failed_at: datetime = EPOCH
    cpu_us: int = 0
    """Processor time of finishing that came to nothing; cost is taken from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCompleted:
    """The last pattern of a request has ended."""

    event_id: str
    request_id: str
    tenant: str
    count: int
    published: tuple[int, ...]
    """Ordinals, ascending; the four lists together are 1..count."""
    failed: tuple[int, ...]
    cancelled: tuple[int, ...]
    expired: tuple[int, ...]
    completed_at: datetime
    session: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackGiven:
    """A person's word on one pattern."""

    event_id: str
    """Named by the producer; the same id is the same word."""
    request_id: str
    ordinal: int
    tenant: str
    kind: str
    """accepted, rejected, ordered or withdrawn."""
    happened_at: datetime
    reasons: tuple[str, ...] = ()
    reviewer: str | None = None
    """A pseudonym, never a name or an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """A wish to stop a request, or one pattern of it."""

    event_id: str
    request_id: str
    tenant: str
    happened_at: datetime
    ordinal: int = 0
    """0: every pattern of the request."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageMeasured:
    """Machine time of one worker in one state, at most 10 s long."""

    event_id: str
    """Derived from worker incarnation and interval number: redone work counts again."""
    worker: str
    incarnation: str
    interval: int
    """0, 1, 2, ... within an incarnation."""
    stage: str
    pool: str
    device: str
    """cpu, or the accelerator's name."""
    state: str
    """starting, loading, warming, idle, busy, draining or failed."""
    started_at: datetime
    duration_us: int
    model: str = ""
    version: str = ""
    forwards: tuple[Forward, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantChanged:
    """What a tenant may ask for, whole; the newest event of a tenant is in force."""

    event_id: str
    tenant: str
    changed_at: datetime
    tiers: tuple[str, ...] = ()
    """Empty means every tier; likewise below."""
    models: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    model: str | None = None
    """Default family."""
    recipe: str | None = None
    """Default recipe."""
    canvas_px_max: int | None = None
    """Longest side."""
    variations_max: int | None = None
    consent: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChanged:
    """One entry of the pattern book."""

    event_id: str
    family: str
    epoch: int
    """Counts the changes of a family's aliases; 0 for a version's registration."""
    kind: str
    """version-registered or alias-moved."""
    changed_at: datetime
    version: str = ""
    """The version registered, or the stable one from now on."""
    canary: str | None = None
    """The canary version from now on, if there is one."""
    share: float = 0.0
    """Share of sessions on the canary, 0 to 1."""
    salt: str = ""
    experiment: str | None = None
    sha256: str = ""
    actor: str = ""
    reason: str = ""
    tile_px: int = 0
    """Side the version was trained at; 0 where unknown."""


Record: TypeAlias = (
    PatternRequested
    | PatternRouted
    | TileGenerated
    | AssetPublished
    | PatternFailed
    | RequestCompleted
    | FeedbackGiven
    | CancelRequested
    | UsageMeasured
    | TenantChanged
    | RegistryChanged
)

RECORDS: Final[tuple[type[Record], ...]] = (
    PatternRequested,
    PatternRouted,
    TileGenerated,
    AssetPublished,
    PatternFailed,
    RequestCompleted,
    FeedbackGiven,
    CancelRequested,
    UsageMeasured,
    TenantChanged,
    RegistryChanged,
)
