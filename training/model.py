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
    unet: tuple[int, ...] = (96, 128, 128)
    text_width: int = 128
    text_layers: int = 2
    groups: int = 8


SHIPPED = Shape()
TINY = Shape(
    autoencoder=(12, 12, 12, 12),
    unet=(8, 16, 16),
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
    """A UNet of few and wide levels, predicting v.

    Once lattice waves say where in the repeat a place lies, what to draw there is a matter of that
    place and of the caption: so most of the width is at the finest grid, and there every place asks
    the caption's words for its colour. No grid but the coarsest compares places with each other,
    which the waves themselves need in order to be found in noise. The caption, pooled, also joins
    the time embedding, which scales and shifts the features of every residual block. Half a
    quarter tile, by which sheared wraps roll, is one place of the coarsest grid, so that these
    stay exact.
    """
    fine, *coarse = shape.unet
    return UNet2DConditionModel(
        sample_size=TILE_PX // LATENT_STRIDE,
        in_channels=PICTURE_CHANNELS + waves.CHANNELS,
        out_channels=PICTURE_CHANNELS + waves.CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", *("DownBlock2D" for _ in coarse)),
        up_block_types=(*("UpBlock2D" for _ in coarse), "CrossAttnUpBlock2D"),
        block_out_channels=(fine, *coarse),
        layers_per_block=1,
        only_cross_attention=True,
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
