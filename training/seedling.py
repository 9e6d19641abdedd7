"""A starting point for the autoencoder that already passes colour: block averages in, blocks out.

Group normalisation forgets flat colour, which is most of what a swatch is, and a net that starts
at random takes thousands of steps to win it back. Here six channels carry plus and minus red,
green and blue, because silu(x) - silu(-x) = x, and two carry a large constant, next to which the
colours hardly move a group's variance. Needs one group per normalisation and 9 channels or more.
"""

from __future__ import annotations

import math

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

CARRIED = 8
CONSTANT = 6.0


@torch.no_grad()
def plant(model: AutoencoderKL) -> None:
    """Overwrite the carrying channels of a fresh model in place; the other channels stay random."""
    for name, part in model.named_modules():
        if name.endswith("conv2") and isinstance(part, nn.Conv2d):
            part.weight.mul_(0.1)
        elif name.endswith("conv_shortcut"):
            _carry(part, torch.ones(1, 1))
        elif "downsamplers" in name and isinstance(part, nn.Conv2d):
            # Padded on the right and below alone: taps 0 and 1 are the block's own two pixels.
            _carry(part, torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 0]]) / 4)
        elif "upsamplers" in name and isinstance(part, nn.Conv2d):
            line = torch.tensor([1.0, 2, 1]) / 4
            _carry(part, line[:, None] * line[None, :])
    for half in (model.encoder, model.decoder):
        _open(half.conv_in)
        _close(half.conv_norm_out, half.conv_out)
    for part in (model.quant_conv, model.post_quant_conv):
        part.weight.copy_(torch.eye(part.weight.shape[0])[:, :, None, None])
        part.bias.zero_()


def _carry(conv: nn.Conv2d, taps: Tensor) -> None:
    """Let the carried channels through under the given taps, untouched by the other channels."""
    bias = _bias(conv)
    conv.weight[:CARRIED] = 0
    bias[:CARRIED] = 0
    for channel in range(CARRIED):
        conv.weight[channel, channel] = taps


def _bias(conv: nn.Conv2d) -> Tensor:
    if conv.bias is None:
        raise ValueError("a convolution of the autoencoder has no bias to carry the constant")
    return conv.bias


def _open(conv: nn.Conv2d) -> None:
    """Split the first three inputs into plus and minus, and add the constant pair."""
    bias = _bias(conv)
    conv.weight[:CARRIED] = 0
    bias[:CARRIED] = 0
    for channel in range(3):
        conv.weight[2 * channel, channel, 1, 1] = 1
        conv.weight[2 * channel + 1, channel, 1, 1] = -1
    bias[6], bias[7] = CONSTANT, -CONSTANT


def _close(norm: nn.GroupNorm, conv: nn.Conv2d) -> None:
    """Join plus and minus into the first three outputs."""
    spread = CONSTANT * math.sqrt(2 / norm.num_channels)
    norm.weight[:6] = spread
    conv.weight[:, :CARRIED] *= 0.1
    conv.weight[:3] *= 0.1
    _bias(conv)[:3] = 0
    for channel in range(3):
        conv.weight[channel, :6] = 0
        conv.weight[channel, 2 * channel, 1, 1] = 1
        conv.weight[channel, 2 * channel + 1, 1, 1] = -1
