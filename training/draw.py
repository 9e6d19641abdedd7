"""Draws with the model in training or a shipped folder, for looking and for measuring.

Refuses to serve: batching, queues and adapters belong to the loom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from training.lattice import Lattice
from training.wrap import Wrap


class Drawer:
    """A pipeline whose convolutions wrap; one lattice per call."""

    def __init__(self, pipe: StableDiffusionPipeline) -> None:
        self._pipe = pipe
        self._pipe.set_progress_bar_config(disable=True)
        self._wrap = Wrap(pipe.unet, pipe.vae)

    @classmethod
    def load(cls, folder: Path) -> Drawer:
        """From a diffusers folder, in full precision on the CPU."""
        return cls(StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32))

    def draw(
        self,
        prompts: Sequence[str],
        lattice: Lattice = Lattice.STRAIGHT,
        *,
        seed: int = 0,
        steps: int = 16,
        guidance: float = 4.0,
    ) -> Tensor:
        """Tiles (B, 3, H, W) in 0..1; row i has the generator seeded with seed + i."""
        self._wrap.lattice = lattice
        made: Tensor = self._pipe(
            list(prompts),
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed + row) for row in range(len(prompts))],
            output_type="pt",
        ).images
        return made
