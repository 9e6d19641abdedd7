"""The shapes of the built-in model, from stock diffusers and transformers classes alone.

Refuses custom modules: whatever is built here, plain diffusers must be able to load.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from training import waves

TILE_PX = 256
LATENT_STRIDE = 8
TOKENS_MAX = 48
PICTURE_CHANNELS = 4
"""Channels of a latent that the autoencoder fills; lattice waves (`training.waves`) follow them."""


def reduced(device: str) -> AbstractContextManager[object]:
    """Half the bits where the machine has arithmetic for them; elsewhere they cost time."""
    kind = device.partition(":")[0]
    if kind == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        return nullcontext()
    return torch.autocast(kind, torch.bfloat16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of one model; the default is the shipped one, `tiny` is for tests of seconds."""

    autoencoder: tuple[int, ...] = (16, 24, 48, 64)
    unet: tuple[int, ...] = (40, 64, 128, 128, 128)
    text_width: int = 128
    text_layers: int = 2
    groups: int = 8


SHIPPED = Shape()
TINY = Shape(
    autoencoder=(12, 12, 12, 12),
    unet=(8, 16, 16, 16, 16),
    text_width=16,
    text_layers=1,
    groups=4,
)


def autoencoder(shape: Shape) -> AutoencoderKL:
    """An f8 autoencoder of four channels and no attention, so that it is wrap-exact.

    One group per normalisation: more groups would each forget their own mean, which is colour.
    """
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=shape.autoencoder,
        layers_per_block=1,
        latent_channels=PICTURE_CHANNELS,
        norm_num_groups=1,
        sample_size=TILE_PX,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def refitted(source: AutoencoderKL, channels: int) -> AutoencoderKL:
    """The same autoencoder with more or fewer channels behind the picture's own.

    Further ones are encoded as zeros, and its decoder does not see them.
    """
    made = AutoencoderKL.from_config({**source.config, "latent_channels": channels})
    state = made.state_dict()
    for name, theirs in source.state_dict().items():
        mine = state[name]
        if mine.shape == theirs.shape:
            mine.copy_(theirs)
            continue
        to, at = (
            [_kept(size, latent) if size != other else torch.arange(size) for size, other in sides]
            for sides, latent in (
                (zip(mine.shape[:2], theirs.shape[:2], strict=True), channels),
                (zip(theirs.shape[:2], mine.shape[:2], strict=True), source.config.latent_channels),
            )
        )
        mine.zero_()
        if mine.ndim == 1:
            mine[to[0]] = theirs[at[0]]
        else:
            mine[to[0][:, None], to[1]] = theirs[at[0][:, None], at[1]]
    made.load_state_dict(state)
    return made.eval()


def _kept(size: int, channels: int) -> torch.Tensor:
    """Where the picture's channels stand: encoders answer means, and variances behind them."""
    own = torch.arange(PICTURE_CHANNELS)
    return own if size == channels else torch.cat([own, own + channels])


def unet(shape: Shape) -> UNet2DConditionModel:
    """A UNet that narrows to 2 x 2 for a whole tile, predicting v.

    Motifs stand two to the power of something to a side, so a grid of some level has one place for
    each of them, and attention, which has no positions, is their mean: noise folded over the whole
    tile, which is all there is to find a lattice by when noise is all there is. Deep levels cost
    little; the finest one, which costs most, has only its ends. The caption steers every level, not
    the deep ones alone: pooled, it joins the time embedding, which scales and shifts the features
    of every residual block. Half a tile, by which sheared wraps roll, is one place of the deepest
    grid, so that these stay exact.
    """
    deep = len(shape.unet) - 2
    return UNet2DConditionModel(
        sample_size=TILE_PX // LATENT_STRIDE,
        in_channels=PICTURE_CHANNELS + waves.CHANNELS,
        out_channels=PICTURE_CHANNELS + waves.CHANNELS,
        down_block_types=("DownBlock2D", "DownBlock2D", *("CrossAttnDownBlock2D",) * deep),
        up_block_types=(*("CrossAttnUpBlock2D",) * deep, "UpBlock2D", "UpBlock2D"),
        block_out_channels=shape.unet,
        layers_per_block=(0, *(1,) * (deep + 1)),
        attention_head_dim=4,
        cross_attention_dim=shape.text_width,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=shape.groups,
    )


def text_encoder(shape: Shape, vocabulary_size: int, end_token: int) -> CLIPTextModel:
    """A small causal text encoder over our own vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size,
            hidden_size=shape.text_width,
            intermediate_size=shape.text_width * 4,
            projection_dim=shape.text_width,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=4,
            max_position_embeddings=TOKENS_MAX,
            bos_token_id=end_token - 1,
            eos_token_id=end_token,
            pad_token_id=end_token,
        )
    )


def scheduler() -> DDIMScheduler:
    """v-prediction with zero terminal SNR, and timesteps that start at the terminal one."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )
