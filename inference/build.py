"""From settings to an engine. The one place that knows which engines there are.

Importing this file never loads torch; building the diffusion engine does (2 to 14 s).
"""

from __future__ import annotations

from typing import get_args

from inference.engine import Engine
from inference.settings import BUILT_IN_FOLDER, Device, Dtype, EngineKind, LoomSettings
from inference.stand_in import StandIn
from schemas.errors import Unusable

__all__ = [
    "BUILT_IN_FOLDER",
    "Device",
    "Dtype",
    "EngineKind",
    "LoomSettings",
    "build_engine",
]


def build_engine(kind: EngineKind, settings: LoomSettings | None = None) -> Engine:
    """An engine, not yet warm. Raises Unusable for a device or folder that is not there."""
    settings = settings or LoomSettings()
    if kind == "stand-in":
        return StandIn(rows_max=settings.rows_max, step_ms=settings.step_ms)
    if kind != "diffusion":
        raise Unusable(f"engine is set to {kind!r}, it may be {' | '.join(get_args(EngineKind))}")
    # Torch loads here and nowhere earlier.
    from inference.diffusion import DiffusionEngine  # noqa: PLC0415

    return DiffusionEngine(settings)
