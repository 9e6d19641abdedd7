"""A finish stage in a process of its own, without a broker: finishes one pattern, then waits.

`python -m tests.unit.streams.stages.finishing_child SHELF REQUEST_ID [TENANT]` prints the nearest
neighbour's name and distance, as the event has them, and stays until it is killed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from assets import keys
from assets.folder import FolderStore
from postproc.files import PrintSize, write_png
from postproc.recipe import parse_recipe
from schemas.records import AssetPublished, File, Gate, Pattern, TileGenerated
from streams.stages.finish import Finish, Table

SIDE_PX = 64
RECIPE = """
name = "compare"
version = 1
summary = "The gates and the comparison alone."
[[step]]
do = "check-tile"
[[step]]
do = "compare"
"""


@dataclass(frozen=True)
class Passed:
    """The message that is its own record."""

    tile: TileGenerated


class Plain:
    """Events without a codec: a record goes in and out as it is."""

    def record(self, message: Passed, _kind: type) -> TileGenerated:
        """The record of a message."""
        return message.tile

    def output(self, event: AssetPublished) -> AssetPublished:
        """What would be produced."""
        return event


class Inline:
    """A pool that works where it is asked."""

    def run(self, _key: str, work: Any, *given: Any) -> Any:
        """The work's answer."""
        return work(*given)


def art() -> bytes:
    """A PNG of two soft waves, the same in every process."""
    down, across = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX * 2 * np.pi
    field = np.sin(across) + np.cos(2 * down)
    share = (1 / (1 + np.exp(-6 * field)))[..., None]
    rgb = np.rint(np.array([30, 50, 90]) * share + np.array([240, 230, 210]) * (1 - share))
    size = PrintSize(width_px=SIDE_PX, height_px=SIDE_PX, width_um=64_000, height_um=64_000)
    return write_png(rgb.astype(np.uint8), size)


def finished(shelf: Path, request_id: str, tenant: str = "mill") -> Gate:
    """The figure of likeness in the event of one pattern, finished by a stage that just began."""
    store, data = FolderStore(shelf), art()
    pattern = Pattern(
        request_id=request_id, ordinal=1, count=1, tenant=tenant, lattice="straight",
        repeat_width_um=64_000, repeat_height_um=64_000, recipe="compare",
    )  # fmt: skip
    key = keys.content_key_of(tenant, data, extension="png")
    store.put(key, data, media_type="image/png")
    file = File(
        role="tile", key=key, display_name="tile.png", media_type="image/png",
        size_bytes=len(data), sha256=keys.sha256_in(key) or "",
    )  # fmt: skip
    tile = TileGenerated(
        event_id="e", pattern=pattern, file=file, gates=(), seed=7, attempt=1, steps=20,
        guidance=5.0, model_hash="m", manifest_key="k", gpu_us=1, batch_rows=1, batch_slot=0,
        generated_at=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    recipe = parse_recipe(RECIPE, source="compare")
    stand_ins: dict[str, Any] = {"events": Plain(), "pool": Inline()}
    stage = Finish(store=store, table=Table(recipes={"compare": recipe}), **stand_ins)
    message: Any = Passed(tile)
    asset: Any = stage(message)[0]
    return next(gate for gate in asset.gates if gate.name == "nearest_likeness")


if __name__ == "__main__":
    gate = finished(Path(sys.argv[1]), *sys.argv[2:])
    sys.stdout.write(f"{gate.artefact} {gate.figure}\n")
    sys.stdout.flush()
    sys.stdin.read()
