"""Checkpoints as safetensors, and a running average of weights. Refuses pickle in any form."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class Average:
    """An exponential moving average of a module's weights, kept as a second module."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay = decay
        self._steps = 0

    def copy_from(self, module: nn.Module) -> None:
        """Start again from the module's weights."""
        self.model.load_state_dict(module.state_dict())

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """Move a little towards the module; the first steps move faster."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        mine, theirs = list(self.model.parameters()), list(module.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)


def save_state(path: Path, module: nn.Module, step: int, **extra: Tensor) -> None:
    """Write the module's weights and its step count; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()
    }
    draft = path.with_suffix(".draft")
    save_file({**weights, **extra}, draft, metadata={"step": str(step)})
    os.replace(draft, path)


def load_state(path: Path, module: nn.Module) -> int:
    """Load weights if the file exists; answers the step count, 0 where there is none."""
    if not path.exists():
        return 0
    module.load_state_dict(load_file(path))
    with safe_open(path, framework="pt") as opened:
        return int((opened.metadata() or {}).get("step", "0"))
