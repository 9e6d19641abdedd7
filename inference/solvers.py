"""Denoising solvers as tables of numbers, so that rows at different steps share one update. Pure.

Every solver here is linear in what it sees, so a step is six coefficients per row:

    x0   = clip(P * x + Q * out)                  the picture the model believes in
    next = A * x + D * out + B * x0 + C * x0_before

A row carries its own table (`Plan`), and a batch gathers one line from each row's table: step
counts, step indices, spacings and solvers may all differ inside one forward. DDIM with eta 0 is
formulas (12) and (16) of arXiv 2010.02502; DPM-Solver++(2M) is algorithm 2 of arXiv 2211.01095
(midpoint form, first order at both ends). Both are proven against diffusers' own schedulers, its
rounding of timesteps included. It refuses stochastic solvers: a tile is a function of its seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import Unusable

Floats = npt.NDArray[np.float64]
Solver = Literal["ddim", "dpmpp-2m"]
Spacing = Literal["trailing", "leading", "linspace"]
Prediction = Literal["epsilon", "v_prediction", "sample"]

COEFFICIENTS: Final = ("P", "Q", "A", "D", "B", "C")

_SOLVERS: Final[Mapping[str, Solver]] = {
    "DPMSolverMultistepScheduler": "dpmpp-2m",
    "DPMSolverSinglestepScheduler": "dpmpp-2m",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a model's `scheduler_config.json` says, whichever scheduler wrote it."""

    alphas: Floats
    """Cumulative products of (1 - beta), one per training timestep."""
    alpha_final: float
    """Taken past timestep 0 by DDIM."""
    prediction: Prediction
    spacing: Spacing
    steps_offset: int
    clip: float
    """x0 is kept within +-clip; infinite when the model does not clip."""
    solver: Solver
    """What this loom uses for the scheduler named in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One row's way from noise to picture."""

    solver: Solver
    timesteps: npt.NDArray[np.int64]
    """(steps,), falling."""
    table: Floats
    """(steps, 6): COEFFICIENTS in their order."""
    clip: float

    @property
    def steps(self) -> int:
        """Forwards that the row needs. May differ from the steps asked for only in `leading`."""
        return len(self.timesteps)


def schedule_from(config: Mapping[str, Any]) -> Schedule:
    """Read a diffusers scheduler config. Raises Unusable for what no solver here can follow."""
    prediction = config.get("prediction_type", "epsilon")
    spacing = config.get("timestep_spacing", "leading")
    known = prediction in ("epsilon", "v_prediction", "sample") and spacing in (
        "trailing",
        "leading",
        "linspace",
    )
    if not known or config.get("thresholding"):
        raise Unusable(
            "scheduler_config.json asks for something this loom cannot follow: "
            f"prediction_type {prediction!r}, timestep_spacing {spacing!r}, "
            f"thresholding {bool(config.get('thresholding'))}"
        )
    alphas: Floats = np.cumprod(1.0 - _betas(config), dtype=np.float64)
    if config.get("rescale_betas_zero_snr"):
        alphas = _zero_terminal_snr(alphas)
    # DDIM is the one scheduler that clips unless told not to; for latents everybody tells it.
    is_ddim = config.get("_class_name") == "DDIMScheduler"
    clips = bool(config.get("clip_sample", is_ddim))
    return Schedule(
        alphas=alphas,
        alpha_final=1.0 if config.get("set_alpha_to_one", True) else float(alphas[0]),
        prediction=prediction,
        spacing=spacing,
        steps_offset=int(config.get("steps_offset", 0)),
        clip=float(config.get("clip_sample_range", 1.0)) if clips else float("inf"),
        solver=_SOLVERS.get(str(config.get("_class_name")), "ddim"),
    )


def plan(schedule: Schedule, steps: int, *, solver: Solver | None = None) -> Plan:
    """The table of `steps` (1 .. training timesteps) steps from pure noise to a picture."""
    if not 1 <= steps <= len(schedule.alphas):
        msg = f"{steps} steps, the schedule has 1 .. {len(schedule.alphas)}"
        raise ValueError(msg)
    solver = solver or schedule.solver
    if solver == "ddim":
        timesteps, table = _ddim(schedule, steps)
    else:
        timesteps, table = _dpmpp_2m(schedule, steps)
    return Plan(solver=solver, timesteps=timesteps, table=table, clip=schedule.clip)


def _betas(config: Mapping[str, Any]) -> Floats:
    count = int(config.get("num_train_timesteps", 1000))
    trained = config.get("trained_betas")
    if trained is not None:
        return np.asarray(trained, np.float64)
    start, end = float(config.get("beta_start", 1e-4)), float(config.get("beta_end", 0.02))
    kind = config.get("beta_schedule", "linear")
    if kind == "linear":
        return np.linspace(start, end, count)
    if kind == "scaled_linear":
        return np.asarray(np.linspace(start**0.5, end**0.5, count) ** 2)
    if kind == "squaredcos_cap_v2":
        edges = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
        return np.asarray(np.minimum(1 - edges[1:] / edges[:-1], 0.999))
    raise Unusable(f"scheduler_config.json: beta_schedule {kind!r} is unknown to this loom")


def _zero_terminal_snr(alphas: Floats) -> Floats:
    """Shift and stretch so that the last step is pure noise (algorithm 1, arXiv 2305.08891)."""
    root = np.sqrt(alphas)
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return np.asarray(root**2)


def _timesteps(schedule: Schedule, steps: int, *, extra: int) -> npt.NDArray[np.int64]:
    """`extra`: DPM-Solver's own spacing leaves timestep 0 out, DDIM's does not."""
    count = len(schedule.alphas)
    if schedule.spacing == "trailing":
        spaced = np.round(np.arange(count, 0, -count / steps)) - 1
    elif schedule.spacing == "linspace":
        spaced = np.round(np.linspace(0, count - 1, steps + extra))[::-1][:steps]
    else:
        stride = count // (steps + extra)
        spaced = (np.arange(steps + extra) * stride)[::-1][:steps] + schedule.steps_offset
    return np.clip(spaced, 0, count - 1).astype(np.int64)


def _to_x0(schedule: Schedule, alpha: Floats) -> tuple[Floats, Floats]:
    """P and Q: x0 as a mix of the noisy picture and the model's answer."""
    signal, noise = np.sqrt(alpha), np.sqrt(1 - alpha)
    if schedule.prediction == "v_prediction":
        return signal, -noise
    if schedule.prediction == "sample":
        return np.zeros_like(alpha), np.ones_like(alpha)
    safe = np.maximum(signal, 2.0**-12)
    return 1 / safe, -noise / safe


def _to_noise(schedule: Schedule, alpha: Floats) -> tuple[Floats, Floats]:
    """The noise in the picture, as a mix of the noisy picture and the model's answer."""
    signal, noise = np.sqrt(alpha), np.sqrt(1 - alpha)
    if schedule.prediction == "v_prediction":
        return noise, signal
    if schedule.prediction == "sample":
        safe = np.maximum(noise, 2.0**-12)
        return 1 / safe, -signal / safe
    return np.zeros_like(alpha), np.ones_like(alpha)


def _ddim(schedule: Schedule, steps: int) -> tuple[npt.NDArray[np.int64], Floats]:
    timesteps = _timesteps(schedule, steps, extra=0)
    before = timesteps - len(schedule.alphas) // steps
    alpha = schedule.alphas[timesteps]
    alpha_next = np.where(before >= 0, schedule.alphas[np.maximum(before, 0)], schedule.alpha_final)
    to_x0, to_noise = _to_x0(schedule, alpha), _to_noise(schedule, alpha)
    kept = np.sqrt(1 - alpha_next)
    table = np.stack(
        [
            *to_x0,
            kept * to_noise[0],
            kept * to_noise[1],
            np.sqrt(alpha_next),
            np.zeros_like(alpha),
        ],
        axis=1,
    )
    return timesteps, table


def _dpmpp_2m(schedule: Schedule, steps: int) -> tuple[npt.NDArray[np.int64], Floats]:
    timesteps = _timesteps(schedule, steps, extra=1)
    # A schedule that ends in pure noise has no finite log-SNR there; diffusers floors it so too.
    alpha = np.maximum(schedule.alphas, 2.0**-24)[timesteps]
    signal, noise = np.sqrt(alpha), np.sqrt(1 - alpha)
    log_snr = np.log(signal) - np.log(noise)
    p, q = _to_x0(schedule, alpha)
    table = np.zeros((len(timesteps), 6))
    table[:, 0], table[:, 1] = p, q
    # The last step goes straight to its x0: no noise is left to remove after it.
    table[-1, 4] = 1.0
    for at in range(len(timesteps) - 1):
        ahead = log_snr[at + 1] - log_snr[at]
        pull = -signal[at + 1] * np.expm1(-ahead)
        # One previous x0 makes it second order; the first step has none.
        bend = ahead / (log_snr[at] - log_snr[at - 1]) / 2 if at else 0.0
        table[at, 2] = noise[at + 1] / noise[at]
        table[at, 4] = pull * (1 + bend)
        table[at, 5] = -pull * bend
    return timesteps, table
