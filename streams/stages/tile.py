"""From a finished tile to the shelf and back: gates, files, manifest, event.

The event is made from the manifest as read back, because another worker may have been first and a
GPU does not promise the same bits twice.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from assets import keys
from assets.manifest import recall, settle
from postproc.figures import Figure, refuse
from postproc.files import PrintSize, write_png
from postproc.gates import tile_gates
from postproc.lattice import parse_lattice
from schemas import names
from schemas.plain import from_plain, to_plain
from schemas.records import File, Gate, Pattern, Resolution, TileGenerated
from streams.stages.refusal import now

if TYPE_CHECKING:
    from assets.store import AssetStore
    from inference.engine import Tile
    from streams.stages.job import Job

STAGE: Final = "generate"
PNG: Final = "image/png"


def manifest_key(pattern: Pattern, stage: str) -> str:
    """Where a stage's manifest of a pattern lies."""
    return keys.manifest_key(
        pattern.tenant, pattern.request_id, ordinal=pattern.ordinal, stage=stage
    )


def settled(store: AssetStore, pattern: Pattern) -> TileGenerated | None:
    """The event of a tile that is on the shelf already; None where it is not."""
    manifest = recall(store, manifest_key(pattern, STAGE))
    return None if manifest is None else from_plain(TileGenerated, manifest["event"])


def judge(tile: Tile, job: Job) -> None:
    """The gates that the tile alone decides. Raises Rejected; the job keeps all figures."""
    figures = tile_gates(tile.pixels, parse_lattice(job.order.pattern.lattice))
    job.gates = gates_of(figures)
    refuse(figures)


def gates_of(figures: list[Figure] | tuple[Figure, ...]) -> tuple[Gate, ...]:
    """The table's figures as they travel."""
    return tuple(
        Gate(
            name=figure.name,
            artefact=figure.artefact,
            figure=figure.figure,
            limit=0.0 if figure.limit is None else figure.limit,
            comparison=figure.comparison,
            passed=figure.passed,
            unit=figure.unit,
        )
        for figure in figures
    )


def settle_tile(store: AssetStore, job: Job, tile: Tile) -> TileGenerated:
    """File first, manifest last; the event as the shelf has it. Raises Transient, Unusable."""
    pattern = job.order.pattern
    file = _put_tile(store, pattern, tile)
    key = manifest_key(pattern, STAGE)
    event = TileGenerated(
        event_id=names.event_id(job.pattern_id, STAGE, "TileGenerated"),
        pattern=pattern,
        file=file,
        gates=job.gates,
        seed=job.seed(),
        attempt=job.attempt,
        steps=tile.steps,
        guidance=tile.guidance,
        model_hash=tile.model_hash,
        manifest_key=key,
        generated_at=now(),
        gpu_us=job.gpu_us,
        batch_rows=tile.batch_rows,
        batch_slot=tile.batch_slot,
        adapters=job.order.adapters,
    )
    manifest = settle(store, key, _manifest(job, tile, event))
    return from_plain(TileGenerated, manifest["event"])


def _put_tile(store: AssetStore, pattern: Pattern, tile: Tile) -> File:
    height_px, width_px = tile.pixels.shape[:2]
    size = PrintSize(
        width_px=width_px,
        height_px=height_px,
        width_um=pattern.repeat_width_um,
        height_um=pattern.repeat_height_um,
    )
    data = write_png(tile.pixels, size)
    digest = hashlib.sha256(data).hexdigest()
    key = keys.content_key(pattern.tenant, digest, extension="png")
    store.put(key, data, media_type=PNG)
    px, um = size.resolution()
    return File(
        role="tile",
        key=key,
        display_name=f"{pattern.pattern_id}-tile.png",
        media_type=PNG,
        size_bytes=len(data),
        sha256=digest,
        width_px=width_px,
        height_px=height_px,
        repeat_width_um=pattern.repeat_width_um,
        repeat_height_um=pattern.repeat_height_um,
        resolution=Resolution(px=px, um=um),
    )


def _manifest(job: Job, tile: Tile, event: TileGenerated) -> dict[str, Any]:
    """Everything needed to make the tile again; on the tenant's own shelf, so with the prompt."""
    return {
        "manifest": 1,
        "stage": STAGE,
        "event": to_plain(event),
        "prompt": to_plain(job.order.prompt),
        "negative_prompt": to_plain(job.order.negative_prompt),
        "given_seed": job.order.given_seed,
        "solver": tile.solver,
        "versions": dict(tile.versions),
        "tokens_cut": tile.tokens_cut,
    }
