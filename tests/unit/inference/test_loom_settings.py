"""The loom's settings and models in memory: each limit and each mistake in plain words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.build import build_engine
from inference.diffusion import DiffusionEngine
from inference.loader import choose_device
from inference.settings import LoomSettings
from inference.whole import run
from schemas.errors import Transient, Unusable
from tests.unit.inference.tiny import drawn, row


def test_models_leave_when_others_come(settings: LoomSettings) -> None:
    """No more models in memory than allowed, and the returning one draws the same."""
    engine = DiffusionEngine(replace(settings, models_max=1))
    engine.add([row(steps=1)])
    with pytest.raises(ValueError, match="1 models at once"):
        engine.add([row(model="xl", steps=1)])
    engine.drop([0])
    first = drawn(engine, [row(steps=1)])[0]
    drawn(engine, [row(model="xl", steps=1)])
    assert list(engine._loaded) == ["xl@1"]
    assert np.array_equal(drawn(engine, [row(steps=1)])[0].pixels, first.pixels)


def test_a_missing_gpu_is_said_plainly(settings: LoomSettings) -> None:
    """cuda without a GPU is refused at start with what to do about it."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(Unusable, match="set it to cpu or auto"):
        DiffusionEngine(replace(settings, device="cuda"))
    assert choose_device(replace(settings, device="auto")) == (torch.device("cpu"), torch.float32)


def test_half_precision_is_a_setting(settings: LoomSettings) -> None:
    """bfloat16 weights draw nearly the same picture, and the tile does not band."""
    full = drawn(DiffusionEngine(settings), [row()])[0]
    half = drawn(DiffusionEngine(replace(settings, dtype="bfloat16")), [row()])[0]
    assert 0 < np.abs(full.pixels.astype(int) - half.pixels).mean() < 12


def test_an_unknown_default_model_is_unusable(settings: LoomSettings) -> None:
    """warm names the model that is not there and those that are."""
    with pytest.raises(Unusable, match=r"'rose'.*sd@1 \| xl@1"):
        DiffusionEngine(replace(settings, default_model="rose")).warm()


def test_a_model_that_cannot_be_loaded_waits_for_its_operator(
    settings: LoomSettings, shelf: Path, tmp_path: Path
) -> None:
    """A pickle in place of weights is Transient for its rows, Unusable at start; others go on."""
    for name in ("sd", "bad"):
        shutil.copytree(shelf / "models" / "sd", tmp_path / name)
    weights = tmp_path / "bad" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    engine = DiffusionEngine(replace(settings, models_folders=(tmp_path,)))
    with pytest.raises(Transient, match="bad@1 cannot be loaded"):
        run(engine, [row(model="bad")])
    drawn(engine, [row(steps=1)])
    broken = replace(settings, models_folders=(tmp_path,), default_model="bad")
    with pytest.raises(Unusable, match=r"diffusion_pytorch_model\.bin is refused"):
        DiffusionEngine(broken).warm()


@pytest.mark.parametrize(
    "change", [{"device": "tpu"}, {"dtype": "int4"}, {"models_folders": (Path("/nowhere"),)}]
)
def test_impossible_settings_are_said_plainly(
    settings: LoomSettings, change: dict[str, Any]
) -> None:
    """Each names the value and, where there are few, what it may be."""
    with pytest.raises(Unusable, match=r"tpu.*cuda|int4.*float16|nowhere"):
        DiffusionEngine(replace(settings, **change))
    with pytest.raises(Unusable, match=r"triton.*stand-in"):
        build_engine("triton", settings)
