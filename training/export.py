"""Writes a trained model as an ordinary diffusers folder in half precision, safetensors only.

Refuses to write a folder whose weights exceed the bound for the repository.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from training import motifs, palette
from training.model import TILE_PX, refitted, scheduler
from training.vocabulary import write

WEIGHTS_BYTES_MAX = 24_000_000
SIZE_MULTIPLE_PX = 32
"""Straight tiles of these sizes wrap exactly, sheared ones of twice that; in between the coarsest
grid, which holds no strokes, may not, and the seam gate sees no difference (docs/model-card.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The trained parts of one model."""

    autoencoder: AutoencoderKL
    unet: UNet2DConditionModel
    text: CLIPTextModel
    tokenizer: CLIPTokenizer
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What our loader and the console read beside the diffusers files (heddle.json)."""

    name: str = "swatch"
    version: str = "0.2.0"
    steps: int = 8
    guidance: float = 1.5


def pipeline(parts: Parts) -> StableDiffusionPipeline:
    """The stock pipeline around the parts; it draws with seams until it is made seamless.

    The autoencoder gets room for the channels of the UNet that are no picture (`training.waves`).
    """
    autoencoder = refitted(parts.autoencoder, parts.unet.config.in_channels)
    autoencoder.register_to_config(scaling_factor=round(1.0 / parts.spread, 5))
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=parts.text,
        tokenizer=parts.tokenizer,
        unet=parts.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(parts: Parts, folder: Path, card: Card) -> int:
    """Write the folder and answer the bytes of its weights; changes the parts to half precision."""
    pipe = pipeline(parts).to(torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    facts = {
        "name": card.name,
        "version": card.version,
        "tile_px": TILE_PX,
        "size_multiple_px": SIZE_MULTIPLE_PX,
        "steps": card.steps,
        "guidance": card.guidance,
        "motifs": list(motifs.NAMES),
        "colours": list(palette.NAMES),
    }
    (folder / "heddle.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    # Older readers of CLIP tokenizers want the two files that tokenizer.json was made from.
    write(folder / "tokenizer")
    _say_full_precision(folder / "text_encoder" / "config.json")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    if size_bytes > WEIGHTS_BYTES_MAX:
        raise ValueError(f"weights are {size_bytes} bytes, more than {WEIGHTS_BYTES_MAX}")
    return size_bytes


def _say_full_precision(config: Path) -> None:
    """Let a loader that is not told a type use float32, as diffusers does for the other parts.

    transformers would follow the saved half precision, and the parts could not be multiplied.
    """
    facts = json.loads(config.read_text(encoding="utf-8"))
    facts["dtype"] = "float32"
    config.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
