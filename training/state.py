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


def save_half(path: Path, module: nn.Module, *, bytes_max: int, **facts: str) -> int:
    """Write a module that ships, in half precision with its facts; answers the bytes.

    Raises ValueError where they are more than `bytes_max`.
    """
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in module.state_dict().items()
    }
    save_file(kept, path, metadata=facts)
    path.chmod(0o644)
    size_bytes = path.stat().st_size
    if size_bytes > bytes_max:
        raise ValueError(f"{path.name} has {size_bytes} bytes, more than {bytes_max}")
    return size_bytes


def facts_of(path: Path) -> dict[str, str]:
    """What a file of weights says of itself."""
    with safe_open(path, framework="pt") as opened:
        return dict(opened.metadata() or {})


def load_half(path: Path, module: nn.Module) -> None:
    """Load what `save_half` wrote, into full precision."""
    module.load_state_dict(
        {
            name: value.float() if value.is_floating_point() else value
            for name, value in load_file(path).items()
        }
    )
