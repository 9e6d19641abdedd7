"""Records as rows: which tables an event goes to, and with which cells. Pure.

Every record becomes one row in `raw_offsets` and one in its own table (usage: one more per pattern
and attempt that had a share).
What cannot count is put into quarantine instead, with field and limit, so that one bad event never
holds up its neighbours. No cell ever holds a prompt: hash and length only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from schemas import records as kinds
from schemas.errors import Rejected
from schemas.limits import check_feedback
from schemas.names import payload_hash, prompt_digest

from .cells import check_year, pattern_cells, result_cells, source_cells
from .moments import check_claims
from .usage import finish_rows, usage_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.records import Record

    from .prices import PriceBook

Row = tuple[str, dict[str, Any]]
"""Table and its cells."""
_BITS: Final = {
    **dict.fromkeys(("attempt", "attempts", "piece"), 8),
    **dict.fromkeys(
        ("ordinal", "variations", "steps", "batch_rows", "batch_slot", "files", "colours"), 16
    ),
    **dict.fromkeys(
        ("seed", "gpu_us", "cpu_us", "epoch", "interval", "duration_us", "_offset", "tile_bytes",
         "files_bytes"),
        64,
    ),
}  # fmt: skip
"""Width of unsigned columns; 32 where not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a record was read."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    """The broker's."""


def rows_of(record: Record | None, source: Source, prices: PriceBook) -> list[Row]:
    """All rows of one record; None stands for an offset that held nothing to record."""
    event_id = "" if record is None else _event_id(record)
    seen: Row = ("raw_offsets", {**source_cells(source), "event_id": event_id})
    if record is None:
        return [seen]
    try:
        rows = _rows(record, source, prices)
        check_claims(record, source.timestamp)
        for _, cells in rows:
            _check_widths(cells)
    except Rejected as refusal:
        return [seen, _quarantined(record, source, refusal)]
    return [seen, *rows]


def _rows(record: Record, source: Source, prices: PriceBook) -> list[Row]:
    base = {**source_cells(source), "event_id": _event_id(record)}
    if isinstance(record, kinds.UsageMeasured):
        return usage_rows(record, base, prices)
    table, cells = _TABLES[type(record)]
    if isinstance(record, kinds.FeedbackGiven):
        check_feedback(record)
    rows = [(table, {**base, **cells(record)})]
    if isinstance(record, kinds.AssetPublished | kinds.PatternFailed):
        rows += _of_the_table(record, source, prices)
    return rows


def _of_the_table(
    record: kinds.AssetPublished | kinds.PatternFailed, source: Source, prices: PriceBook
) -> list[Row]:
    """The end counts whatever its processor time says: that alone may stand in quarantine."""
    base = {**source_cells(source), "event_id": _event_id(record)}
    try:
        return finish_rows(record, base, prices)
    except Rejected as refusal:
        return [_quarantined(record, source, refusal)]


def _event_id(record: Record) -> str:
    if isinstance(record, kinds.PatternRequested):
        # The producer names the request, not the event: the same wish twice is the same event.
        return f"{record.request_id}/{payload_hash(record)}"
    return record.event_id


def _requested(record: kinds.PatternRequested) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "tenant": record.tenant,
        "session": record.session,
        "labels": dict(record.labels),
        "tier": record.tier,
        "lattice": record.repeat.lattice,
        "repeat_width_um": record.repeat.width_um,
        "repeat_height_um": record.repeat.height_um,
        "variations": record.variations,
        "model": record.model or "",
        "recipe": record.recipe or "",
        "consent": record.consent,
        "prompt_hash": prompt_digest(record.prompt),
        "prompt_length": len(record.prompt.text or ""),
        "payload_hash": payload_hash(record),
    }


def _routed(record: kinds.PatternRouted) -> dict[str, Any]:
    return {
        **pattern_cells(record.pattern),
        "seed": record.seed,
        "steps": record.steps,
        "guidance": record.guidance,
        "adapters": [one.name for one in record.adapters],
    }


def _generated(record: kinds.TileGenerated) -> dict[str, Any]:
    return {
        **pattern_cells(record.pattern),
        **result_cells(record),
        "generated_at": record.generated_at,
        "tile_bytes": record.file.size_bytes,
    }


def _published(record: kinds.AssetPublished) -> dict[str, Any]:
    return {
        **pattern_cells(record.pattern),
        **result_cells(record),
        "generated_at": record.generated_at,
        "published_at": record.published_at,
        "recipe_hash": record.recipe_hash,
        "cpu_us": record.cpu_us,
        "files": len(record.files),
        "files_bytes": sum(one.size_bytes for one in record.files),
        "colours": len(record.palette),
    }


def _failed(record: kinds.PatternFailed) -> dict[str, Any]:
    return {
        **pattern_cells(record.pattern),
        "failed_at": record.failed_at,
        "stage": record.stage,
        "outcome": record.outcome,
        "reason": record.reason,
        "field": record.field,
        "limit_text": record.limit,
        "attempts": record.attempts,
        "gpu_us": record.gpu_us,
        "cpu_us": record.cpu_us,
        "gates": [(g.name, g.artefact, g.figure, g.limit, g.passed) for g in record.gates],
    }


def _completed(record: kinds.RequestCompleted) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "tenant": record.tenant,
        "session": record.session,
        "labels": dict(record.labels),
        "variations": record.count,
        "published": list(record.published),
        "failed": list(record.failed),
        "cancelled": list(record.cancelled),
        "expired": list(record.expired),
        "completed_at": record.completed_at,
    }


def _feedback(record: kinds.FeedbackGiven) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "ordinal": record.ordinal,
        "tenant": record.tenant,
        "kind": record.kind,
        "happened_at": record.happened_at,
        "reasons": list(record.reasons),
        "reviewer": record.reviewer,
    }


def _cancel(record: kinds.CancelRequested) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "ordinal": record.ordinal,
        "tenant": record.tenant,
        "happened_at": record.happened_at,
        "reason": record.reason,
    }


def _tenant(record: kinds.TenantChanged) -> dict[str, Any]:
    return {
        "tenant": record.tenant,
        "changed_at": record.changed_at,
        "tiers": list(record.tiers),
        "models": list(record.models),
        "recipes": list(record.recipes),
        "model": record.model,
        "recipe": record.recipe,
        "canvas_px_max": record.canvas_px_max,
        "variations_max": record.variations_max,
        "consent": record.consent,
        "active": record.active,
    }


def _registry(record: kinds.RegistryChanged) -> dict[str, Any]:
    return {
        "family": record.family,
        "epoch": record.epoch,
        "kind": record.kind,
        "changed_at": record.changed_at,
        "version": record.version,
        "canary": record.canary,
        "share": record.share,
        "salt": record.salt,
        "experiment": record.experiment,
        "sha256": record.sha256,
        "actor": record.actor,
        "reason": record.reason,
    }


_TABLES: Final[dict[type[Any], tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    kinds.PatternRequested: ("raw_requested", _requested),
    kinds.PatternRouted: ("raw_routed", _routed),
    kinds.TileGenerated: ("raw_generated", _generated),
    kinds.AssetPublished: ("raw_published", _published),
    kinds.PatternFailed: ("raw_failed", _failed),
    kinds.RequestCompleted: ("raw_completed", _completed),
    kinds.FeedbackGiven: ("raw_feedback", _feedback),
    kinds.CancelRequested: ("raw_cancel", _cancel),
    kinds.TenantChanged: ("raw_tenants", _tenant),
    kinds.RegistryChanged: ("raw_registry", _registry),
}


def _check_widths(cells: dict[str, Any]) -> None:
    for name, value in cells.items():
        if isinstance(value, int) and not 0 <= value < 1 << _BITS.get(name, 32):
            limit = f"0 to {(1 << _BITS.get(name, 32)) - 1}"
            raise Rejected(f"{name} is {value}", field=name, limit=limit)
        if isinstance(value, datetime):
            check_year(name, value)


def _quarantined(record: Record, source: Source, refusal: Rejected) -> Row:
    pattern = getattr(record, "pattern", None)
    return (
        "raw_quarantine",
        {
            **source_cells(source),
            "event_id": _event_id(record),
            "record": type(record).__name__,
            "tenant": getattr(pattern or record, "tenant", ""),
            "subject_id": _subject(record),
            "field": refusal.field,
            "limit": refusal.limit,
            "reason": refusal.reason,
        },
    )


def _subject(record: Record) -> str:
    pattern = getattr(record, "pattern", None)
    if pattern is not None:
        return str(pattern.pattern_id)
    if isinstance(record, kinds.UsageMeasured):
        return f"{record.incarnation}/{record.interval}"
    name = getattr(record, "request_id", "")
    return f"{name}.{record.ordinal}" if hasattr(record, "ordinal") else str(name)
