"""The loom's solver tables walk the same path as diffusers' own schedulers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from inference.solvers import Plan, plan, schedule_from
from schemas.errors import Unusable

BASE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
STEPS = (1, 2, 3, 7, 10, 20, 24, 30, 50)


def _model(sample: Tensor, timestep: int) -> Tensor:
    """Something smooth that looks at both its inputs."""
    return torch.sin(sample * 1.3 + timestep / 300) * 0.8


def _walk(one: Plan, noise: Tensor) -> Tensor:
    latents, before = noise.double(), torch.zeros_like(noise).double()
    for timestep, line in zip(one.timesteps, one.table, strict=True):
        p, q, a, d, b, c = (float(value) for value in line)
        out = _model(latents, int(timestep))
        picture = (p * latents + q * out).clamp(-one.clip, one.clip)
        latents, before = a * latents + d * out + b * picture + c * before, picture
    return latents


def _walk_theirs(scheduler: Any, steps: int, noise: Tensor) -> Tensor:
    scheduler.set_timesteps(steps)
    latents = noise.double()
    for timestep in scheduler.timesteps:
        out = _model(latents, int(timestep))
        latents = scheduler.step(out, timestep, latents).prev_sample.double()
    return latents


@pytest.fixture
def noise() -> Tensor:
    """Pure noise of a small latent."""
    return torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_ddim_is_diffusers_ddim(
    spacing: str, prediction: str, zero_snr: bool, noise: Tensor
) -> None:
    """Same timesteps and, within 1e-3 of float32 schedules, the same picture at any step count."""
    if zero_snr and prediction == "epsilon":
        pytest.skip("noise cannot be told from noise: diffusers divides by zero here")
    config = BASE | {
        "prediction_type": prediction,
        "timestep_spacing": spacing,
        "rescale_betas_zero_snr": zero_snr,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1 if spacing == "leading" else 0,
    }
    ours = schedule_from({"_class_name": "DDIMScheduler", **config})
    for steps in STEPS:
        theirs: Any = DDIMScheduler(**config)
        found = plan(ours, steps)
        expected = _walk_theirs(theirs, steps, noise)
        assert found.timesteps.tolist() == theirs.timesteps.tolist()
        assert torch.allclose(_walk(found, noise), expected, rtol=1e-3, atol=1e-3), steps


@pytest.mark.parametrize("clip", [0.5, 1.0])
def test_clipping_models_clip(clip: float, noise: Tensor) -> None:
    """A config that clips x0 is followed, at its own range."""
    config = BASE | {"clip_sample": True, "clip_sample_range": clip}
    found = plan(schedule_from({"_class_name": "DDIMScheduler", **config}), 10)
    expected = _walk_theirs(DDIMScheduler(**config), 10, noise)
    assert torch.allclose(_walk(found, noise), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_dpmpp_is_diffusers_dpmpp(spacing: str, prediction: str, noise: Tensor) -> None:
    """Second-order multistep with first order at both ends, as diffusers runs it.

    Its schedule lives in float32 and in log-SNR, so the tolerance is 5e-3.
    """
    config = BASE | {
        "prediction_type": prediction,
        "timestep_spacing": spacing,
        "steps_offset": 1 if spacing == "leading" else 0,
    }
    ours = schedule_from({"_class_name": "DPMSolverMultistepScheduler", **config})
    for steps in (2, 5, 10, 20, 25):
        theirs: Any = DPMSolverMultistepScheduler(**config)
        found = plan(ours, steps)
        expected = _walk_theirs(theirs, steps, noise)
        assert found.solver == "dpmpp-2m"
        assert found.timesteps.tolist() == theirs.timesteps.tolist()
        assert torch.allclose(_walk(found, noise), expected, rtol=5e-3, atol=5e-3), steps


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_beta_schedules_are_diffusers(kind: str) -> None:
    """The same cumulative alphas, within float32."""
    diffusers_own: Any = DDIMScheduler(beta_schedule=kind)
    theirs = diffusers_own.alphas_cumprod.numpy()
    ours = schedule_from({"beta_schedule": kind}).alphas
    assert np.allclose(ours, theirs, rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize(
    "config",
    [
        {"prediction_type": "flow"},
        {"timestep_spacing": "odd"},
        {"beta_schedule": "odd"},
        {"thresholding": True},
    ],
)
def test_what_no_table_can_follow_is_refused(config: dict[str, Any]) -> None:
    """An unknown word in a config is an error at load, not a wrong picture."""
    with pytest.raises(Unusable, match="scheduler_config"):
        schedule_from(config)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_step_counts_are_refused(steps: int) -> None:
    """Between one step and all training timesteps."""
    with pytest.raises(ValueError, match="steps"):
        plan(schedule_from({}), steps)
