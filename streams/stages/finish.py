"""finish: a tile becomes the files of its recipe. Raises at the first gate that fails.

The same work runs on our own runner and under Faust. Processor time is spent in a pool of processes
that never load torch; this side only moves bytes between shelf and pool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from assets import keys
from assets.manifest import recall, settle
from postproc.decode import decode_picture
from postproc.finish import Finished, Order, finish
from postproc.remake import means
from schemas import names
from schemas.errors import Rejected, Undecodable
from schemas.plain import from_plain, to_plain
from schemas.records import AssetPublished, File, Resolution, TileGenerated
from streams.stages.finish_order import Table, order_of
from streams.stages.known import Neighbours
from streams.stages.refusal import failed, now
from streams.stages.tile import gates_of, manifest_key

if TYPE_CHECKING:
    from assets.store import AssetStore
    from postproc.products import Artefact
    from postproc.recipe import Recipe
    from streams.kafka.events import Events
    from streams.kafka.message import Message, Output
    from streams.stages.pool import CountedPool

__all__ = ["STAGE", "Finish", "Table", "finish_bytes"]

STAGE: Final = "finish"
TILE_BYTES_MAX: Final = 64 << 20
_EXTENSIONS: Final = {
    "image/png": "png",
    "image/tiff": "tif",
    "image/svg+xml": "svg",
    "application/json": "json",
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/octet-stream": "ase",
    "application/c2pa": "c2pa",
}


class Finish:
    """The work of one tile; safe to run on several threads."""

    name = STAGE

    def __init__(
        self, *, events: Events, store: AssetStore, pool: CountedPool, table: Table
    ) -> None:
        self._events, self._store, self._pool, self._table = events, store, pool, table
        self._known = Neighbours(store)

    def open(self) -> None:
        """Shelf reachable. Raises Unusable, Transient."""
        self._store.check()

    def close(self) -> None:
        """Stop the pool."""
        self._pool.close()

    def __call__(self, message: Message) -> Sequence[Output]:
        """The asset event. Raises Rejected (a failed gate: no dead letter), Transient."""
        tile = self._events.record(message, TileGenerated)
        key = manifest_key(tile.pattern, STAGE)
        manifest = recall(self._store, key)
        if manifest is None:
            manifest = settle(self._store, key, self._manifest(tile, key))
        self._known.add(tile.pattern, manifest.get("fingerprint", ""))
        return [self._events.output(from_plain(AssetPublished, manifest["event"]))]

    def failure(self, message: Message, refused: Rejected, *, attempts: int) -> Output | None:
        """PatternFailed of the tile's pattern; None where the tile's event cannot be read."""
        if isinstance(refused, Undecodable):
            return None
        tile = self._events.record(message, TileGenerated)
        event = failed(tile.pattern, STAGE, refused, at=now(), attempts=attempts)
        event = replace(event, gates=tile.gates, gpu_us=tile.gpu_us, cpu_us=refused.cpu_us)
        return self._events.output(event)

    def _manifest(self, tile: TileGenerated, key: str) -> dict[str, Any]:
        recipe = self._recipe(tile)
        order = order_of(tile.pattern, self._table, self._known.others(tile.pattern))
        data = self._store.get(tile.file.key, size_bytes_max=TILE_BYTES_MAX)
        finished: Finished = self._pool.run(
            tile.pattern.pattern_id, finish_bytes, data, recipe, order
        )
        files = tuple(self._put(tile, artefact) for artefact in finished.artefacts)
        palette = finished.palette.inks if finished.palette else ()
        event = AssetPublished(
            event_id=names.event_id(tile.pattern.pattern_id, STAGE, "AssetPublished"),
            pattern=tile.pattern,
            files=(tile.file, *files),
            gates=(*tile.gates, *gates_of(finished.figures)),
            seed=tile.seed,
            attempt=tile.attempt,
            steps=tile.steps,
            guidance=tile.guidance,
            model_hash=tile.model_hash,
            recipe_hash=finished.recipe_hash,
            manifest_key=key,
            generated_at=tile.generated_at,
            published_at=now(),
            gpu_us=tile.gpu_us,
            cpu_us=finished.cpu_us,
            batch_rows=tile.batch_rows,
            batch_slot=tile.batch_slot,
            adapters=tile.adapters,
            palette=tuple(ink.hex for ink in palette),
        )
        return {
            "manifest": 1,
            "stage": STAGE,
            "event": to_plain(event),
            "made_from": tile.manifest_key,
            **means(order, recipe),
            "fingerprint": finished.fingerprint,
        }

    def _recipe(self, tile: TileGenerated) -> Recipe:
        recipe = self._table.recipes.get(tile.pattern.recipe)
        if recipe is None:
            limit = "one of " + ", ".join(sorted(self._table.recipes))
            reason = f"recipe {tile.pattern.recipe} is unknown"
            raise Rejected(reason, field="recipe", limit=limit)
        return recipe

    def _put(self, tile: TileGenerated, artefact: Artefact) -> File:
        digest = hashlib.sha256(artefact.data).hexdigest()
        extension = _EXTENSIONS[artefact.media_type]
        key = keys.content_key(tile.pattern.tenant, digest, extension=extension)
        self._store.put(key, artefact.data, media_type=artefact.media_type)
        known = artefact.resolution_um > 0
        return File(
            role=artefact.role,
            key=key,
            display_name=artefact.display_name,
            media_type=artefact.media_type,
            size_bytes=len(artefact.data),
            sha256=digest,
            width_px=artefact.width_px,
            height_px=artefact.height_px,
            repeat_width_um=artefact.repeat_width_um,
            repeat_height_um=artefact.repeat_height_um,
            resolution=Resolution(px=artefact.resolution_px, um=artefact.resolution_um)
            if known
            else None,
            colourway=artefact.colourway,
        )


def finish_bytes(data: bytes, recipe: Recipe, order: Order) -> Finished:
    """A tile's PNG through a recipe: what a process of the pool does."""
    return finish(decode_picture(data), recipe, order)
