"""What an operator may choose about the loom. Read from nowhere: the caller fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

EngineKind = Literal["diffusion", "stand-in"]
Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

BUILT_IN_FOLDER: Final = Path(__file__).parent / "builtin"
"""Holds one folder per model that ships with the product."""
BUILT_IN_ADAPTERS: Final = BUILT_IN_FOLDER / "adapters"
"""Holds the adapters of the built-in model that ship with the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoomSettings:
    """Everything `build_engine` needs."""

    models_folders: tuple[Path, ...] = (BUILT_IN_FOLDER,)
    """Each holds model folders; for one name the earlier folder wins."""
    default_model: str = "swatch"
    """What `warm` loads."""
    adapters_folders: tuple[Path, ...] = (BUILT_IN_ADAPTERS,)
    """Each holds `<name>.safetensors`; for one name the earlier folder wins."""
    device: Device = "auto"
    """auto: a GPU when there is one, else the CPU."""
    dtype: Dtype = "auto"
    """Of text encoder and UNet; the VAE always decodes in float32. auto: float32 on a CPU,
    float16 on a GPU."""
    threads: int = 0
    """CPU threads of one forward. 0: half of this process's cores, at least 1. Never as many as
    there are cores on a machine that does anything else: torch's threads wait for each other by
    spinning, and one that is not running holds up all (measured: 50 times slower)."""
    rows_max: int = 8
    models_max: int = 2
    """Most models held in memory; the one used longest ago leaves first."""
    adapters_resident_max: int = 16
    """Most adapters held per model; likewise."""
    step_ms: float = 0.0
    """Stand-in only: what a step costs."""
