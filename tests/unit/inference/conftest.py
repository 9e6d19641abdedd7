"""Tiny model folders, built once per run and never written to afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inference.diffusion import DiffusionEngine
from inference.settings import LoomSettings
from tests.unit.inference.tiny import build_sd, build_xl, save_lora

# Two spinning threads on a busy machine are many times slower than one.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/sd, models/xl and adapters/{peft,kohya,linear}.safetensors."""
    folder = tmp_path_factory.mktemp("loom")
    build_sd(folder / "models" / "sd")
    build_xl(folder / "models" / "xl")
    save_lora(folder / "adapters" / "peft.safetensors", kohya=False)
    save_lora(folder / "adapters" / "kohya.safetensors", kohya=True, seed=2)
    save_lora(folder / "adapters" / "linear.safetensors", kohya=False, has_conv=False, seed=3)
    return folder


@pytest.fixture(scope="session")
def settings(shelf: Path) -> LoomSettings:
    """A loom on the CPU with the tiny models."""
    return LoomSettings(
        models_folders=(shelf / "models",),
        default_model="sd",
        adapters_folders=(shelf / "adapters",),
        device="cpu",
        threads=1,
        adapters_resident_max=2,
    )


@pytest.fixture(scope="session")
def shared_engine(settings: LoomSettings) -> DiffusionEngine:
    """One engine for tests that leave it as they found it: idle."""
    return DiffusionEngine(settings)
