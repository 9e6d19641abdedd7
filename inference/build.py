"""From settings to an engine. The one place that knows which engines there are.

Importing this file never loads torch; building the diffusion engine does (2 to 14 s).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from inference.engine import Engine
from inference.stand_in import StandIn

EngineKind = Literal["diffusion", "stand-in"]
Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

BUILT_IN_FOLDER: Final = Path(__file__).parent / "builtin"
"""Holds one folder per model that ships with the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoomSettings:
    """What an operator may choose about the loom."""

    models_folders: tuple[Path, ...] = (BUILT_IN_FOLDER,)
    """Each holds model folders; for one name the earlier folder wins."""
    default_model: str = "swatch"
    """What `warm` loads."""
    adapters_folder: Path | None = None
    """Holds `<name>.safetensors`. None: this engine has no adapters."""
    device: Device = "auto"
    """auto: a GPU when there is one, else the CPU."""
    dtype: Dtype = "auto"
    """auto: float32 on a CPU, float16 on a GPU."""
    threads: int = 0
    """CPU threads of one forward. 0: as many as torch thinks fit."""
    rows_max: int = 8
    models_max: int = 2
    """Most models held in memory; the one used longest ago leaves first."""
    step_ms: float = 0.0
    """Stand-in only: what a step costs."""


def build_engine(kind: EngineKind, settings: LoomSettings | None = None) -> Engine:
    """An engine, not yet warm. Raises Unusable for a device that is not there."""
    settings = settings or LoomSettings()
    if kind == "stand-in":
        return StandIn(rows_max=settings.rows_max, step_ms=settings.step_ms)
    from inference.diffusion import DiffusionEngine  # noqa: PLC0415  (torch loads here)

    return DiffusionEngine(settings)
