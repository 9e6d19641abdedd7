"""Model folders with tiny random weights, in the layouts that published models have.

Small enough to build in a second, whole enough that every code path of the real ones runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from inference.diffusion import DiffusionEngine
from inference.engine import Row, Tile
from inference.whole import run

TILE_PX = 64
"""32 latents, as the tiny VAE halves once."""
_WIDTH = 32


def build_sd(folder: Path, *, prediction: str = "v_prediction", seed: int = 0) -> Path:
    """A Stable Diffusion 1.x directory (v-prediction as in 2.x unless told)."""
    torch.manual_seed(seed)
    pipe: Any = StableDiffusionPipeline(
        vae=_vae(),
        unet=_unet({"cross_attention_dim": _WIDTH}),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=_tokenizer(folder / "words"),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type=prediction,
            timestep_spacing="trailing",
            rescale_betas_zero_snr=prediction == "v_prediction",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    write_card(folder, {"steps": 4, "guidance": 3.0})
    return folder


def build_xl(folder: Path, *, seed: int = 0) -> Path:
    """A Stable Diffusion XL directory: two text encoders, added conditions."""
    torch.manual_seed(seed)
    pipe: Any = StableDiffusionXLPipeline(
        vae=_vae(),
        unet=_unet(
            {
                "cross_attention_dim": 2 * _WIDTH,
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": 8,
                "projection_class_embeddings_input_dim": 6 * 8 + _WIDTH,
                "transformer_layers_per_block": 1,
                "use_linear_projection": True,
            }
        ),
        text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(folder / "words"),
        tokenizer_2=_tokenizer(folder / "words"),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="epsilon",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    write_card(folder, {"steps": 4, "guidance": 5.0})
    return folder


def write_card(folder: Path, words: Mapping[str, Any]) -> None:
    """The folder's heddle.json."""
    (folder / "heddle.json").write_text(json.dumps(words))


def save_lora(path: Path, *, kohya: bool, has_conv: bool = True, seed: int = 1) -> Path:
    """A LoRA on the first down block of either tiny UNet: one attention layer, one convolution."""
    torch.manual_seed(seed)
    layers: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": ((16,), (16,))
    }
    if has_conv:
        layers["down_blocks.0.resnets.0.conv2"] = ((16, 3, 3), (16, 1, 1))
        layers["down_blocks.0.downsamplers.0.conv"] = ((16, 3, 3), (16, 1, 1))
    tensors: dict[str, torch.Tensor] = {}
    for layer, (below, above) in layers.items():
        down = torch.randn(4, *below)
        up = torch.randn(above[0], 4, *above[1:]) * 0.3
        if kohya:
            name = "lora_unet_" + layer.replace(".", "_")
            tensors[f"{name}.lora_down.weight"] = down
            tensors[f"{name}.lora_up.weight"] = up
            tensors[f"{name}.alpha"] = torch.tensor(4.0)
        else:
            tensors[f"unet.{layer}.lora_A.weight"] = down
            tensors[f"unet.{layer}.lora_B.weight"] = up
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def row(**changes: Any) -> Row:
    """A row for the tiny models."""
    facts: dict[str, Any] = {
        "pattern_id": "r.1",
        "attempt": 1,
        "prompt": "navy dots on cream",
        "seed": 7,
        "lattice": "straight",
        "width_px": TILE_PX,
        "height_px": TILE_PX,
        "steps": 3,
        "model": "sd",
    }
    return Row(**(facts | changes))


def _unet(extra: Mapping[str, Any]) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=TILE_PX // 2,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **extra,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=TILE_PX,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=600,
        hidden_size=_WIDTH,
        projection_dim=_WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """Every byte is a token, as itself and at the end of a word; no merges."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable]
    letters += [chr(256 + place) for place in range(256 - len(letters))]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    )
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def drawn(engine: DiffusionEngine, rows: Sequence[Row]) -> list[Tile]:
    """The rows' tiles; fails where one of them ended otherwise."""
    ends = run(engine, rows).ends
    tiles = [end for end in ends if isinstance(end, Tile)]
    assert len(tiles) == len(ends), ends
    return tiles
