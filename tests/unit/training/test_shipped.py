"""The model that ships: an ordinary diffusers folder within its bounds, loaded without our code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline

from inference.seamless import make_seamless
from training import motifs, palette

FOLDER = Path(__file__).parents[3] / "inference" / "builtin" / "swatch"


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    loaded = DiffusionPipeline.from_pretrained(FOLDER)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_weights_are_small_and_safe() -> None:
    """At most 24 MB of safetensors, and no other kind of weights."""
    sizes = [path.stat().st_size for path in FOLDER.rglob("*.safetensors")]
    assert 0 < sum(sizes) <= 24_000_000
    assert not [path for path in FOLDER.rglob("*") if path.suffix in {".bin", ".ckpt", ".pt"}]


def test_facts_name_what_the_model_knows() -> None:
    """heddle.json tells the tile, the advised steps and the words that are safe to use."""
    facts = json.loads((FOLDER / "heddle.json").read_text(encoding="utf-8"))
    assert facts["tile_px"] == 256
    assert facts["motifs"] == list(motifs.NAMES)
    assert facts["colours"] == list(palette.NAMES)
    assert facts["steps"] > 0
    assert facts["guidance"] > 1


def test_plain_diffusers_loads_and_draws(pipe: StableDiffusionPipeline) -> None:
    """The stock pipeline class, a square tile, finite numbers, and no safety checker to fetch."""
    assert type(pipe) is StableDiffusionPipeline
    tile = pipe("red hearts on white", num_inference_steps=2, output_type="pt").images
    assert tile.shape == (1, 3, 256, 256)
    assert torch.isfinite(tile).all()


@pytest.mark.parametrize("prompt", ["", "🧵" * 50, "日本の波", "word " * 2_000])
def test_any_prompt_gives_a_picture(pipe: StableDiffusionPipeline, prompt: str) -> None:
    """Empty, foreign, emoji and very long prompts are drawn as something, never a crash."""
    tile = pipe(prompt, num_inference_steps=1, height=64, width=64, output_type="pt").images
    assert torch.isfinite(tile).all()


def test_the_wrap_removes_the_seam(pipe: StableDiffusionPipeline) -> None:
    """Decoded with wrapped convolutions, a tile moved by half is the same picture moved by half."""
    channels = pipe.vae.config.latent_channels
    latents = torch.randn(1, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    with make_seamless(pipe, "straight"), torch.no_grad():
        still = pipe.vae.decode(latents).sample
        moved = pipe.vae.decode(latents.roll(8, -1)).sample
    assert (moved - still.roll(64, -1)).abs().max() < 1e-3
