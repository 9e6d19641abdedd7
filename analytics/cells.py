"""Cells that several tables have in common. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import Rejected

if TYPE_CHECKING:
    from schemas.records import AssetPublished, Pattern, TileGenerated

    from .rows import Source


_YEAR_MIN: Final = 1970
_YEAR_MAX: Final = 2200


def check_year(field: str, moment: datetime) -> None:
    """Raises Rejected for a time that the tables cannot hold, or that nobody can reckon with."""
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
        limit = f"years {_YEAR_MIN} to {_YEAR_MAX}"
        raise Rejected(f"{field} is in the year {moment.year}", field=field, limit=limit)


def source_cells(source: Source) -> dict[str, Any]:
    """Where the record was read."""
    return {
        "_topic": source.topic,
        "_partition": source.partition,
        "_offset": source.offset,
        "_timestamp": source.timestamp,
    }


def pattern_cells(pattern: Pattern) -> dict[str, Any]:
    """What a pattern is, for grouping: everything but addresses of people and machines."""
    return {
        "request_id": pattern.request_id,
        "ordinal": pattern.ordinal,
        "variations": pattern.count,
        "tenant": pattern.tenant,
        "session": pattern.session,
        "labels": dict(pattern.labels),
        "tier": pattern.tier,
        "pool": pattern.pool,
        "lattice": pattern.lattice,
        "repeat_width_um": pattern.repeat_width_um,
        "repeat_height_um": pattern.repeat_height_um,
        "canvas_width_px": pattern.canvas_width_px,
        "canvas_height_px": pattern.canvas_height_px,
        "model": pattern.model,
        "version": pattern.version,
        "recipe": pattern.recipe,
        "consent": pattern.consent,
        "experiment": pattern.experiment or "",
        "arm": pattern.arm,
        "arm_probability": pattern.arm_probability,
        "epoch": pattern.epoch,
        "prompt_hash": pattern.prompt_hash,
        "prompt_length": pattern.prompt_length,
        "payload_hash": pattern.payload_hash,
        "requested_at": pattern.requested_at,
    }


def result_cells(record: TileGenerated | AssetPublished) -> dict[str, Any]:
    """How a tile was made."""
    return {
        "attempt": record.attempt,
        "steps": record.steps,
        "guidance": record.guidance,
        "seed": record.seed,
        "model_hash": record.model_hash,
        "manifest_key": record.manifest_key,
        "gpu_us": record.gpu_us,
        "batch_rows": record.batch_rows,
        "batch_slot": record.batch_slot,
        "adapters": [one.name for one in record.adapters],
        "gates": [(g.name, g.artefact, g.figure, g.limit, g.passed) for g in record.gates],
    }
