"""Draws with the model in training or a shipped folder, for looking and for measuring.

Refuses to serve: batching, queues and adapters belong to the loom.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from inference.seamless import make_seamless
from training.lattice import Lattice


def advised(folder: Path) -> tuple[int, float]:
    """Denoising steps and guidance that a model's own card advises."""
    facts = json.loads((folder / "heddle.json").read_text(encoding="utf-8"))
    return int(facts["steps"]), float(facts["guidance"])


class Drawer:
    """A pipeline whose convolutions wrap; one lattice per call."""

    def __init__(self, pipe: StableDiffusionPipeline) -> None:
        self.pipe = pipe
        self.pipe.set_progress_bar_config(disable=True)
        self.wrap = make_seamless(pipe)

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
        steps: int = 8,
        guidance: float = 1.5,
        tile_px: int | None = None,
    ) -> Tensor:
        """Tiles (B, 3, H, W) in 0..1; row i has the generator seeded with seed + i."""
        self.wrap.use(lattice)
        made: Tensor = self.pipe(
            list(prompts),
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=tile_px,
            width=tile_px,
            generator=[torch.Generator().manual_seed(seed + row) for row in range(len(prompts))],
            output_type="pt",
        ).images
        return made
