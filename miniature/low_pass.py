"""A start for the VAE's training: weights by which it already shrinks and enlarges pictures.

From random weights most of a short training goes into learning that output pixels lie where input
pixels do. So eight channels carry the picture through every level unchanged but for its size: red,
green and blue, their negatives, and two constants that keep the norms from swallowing contrast.
Training adds the detail.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

#: Red, green, blue, their negatives, +CONSTANT, -CONSTANT.
CARRIED = 8
_CONSTANT = 4.0
_BOX = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]) / 4
_TENT = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
_POINT = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])


@torch.no_grad()
def start_as_low_pass(vae: AutoencoderKL) -> None:
    """Set the weights in place; latents 0 to 2 become the picture at an eighth of its size."""
    for half in (vae.encoder, vae.decoder):
        _spread(half.conv_in)
        for module in half.modules():
            _carry(module)
        _gather(half.conv_out)
    # Each half gathers the picture divided by the deviation that its last norm saw.
    pixels = torch.nn.functional.interpolate(torch.rand(8, 3, 16, 16) * 2 - 1, scale_factor=8)
    for conv in (vae.quant_conv, vae.post_quant_conv):
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[range(4), range(4)] = 1.0
    # Noise as large as the signal would hide the latents from the decoder in the first steps.
    vae.quant_conv.bias[4:] = -6.0
    latents = vae.encode(pixels).latent_dist.mode()
    vae.encoder.conv_out.weight[:3] *= _slope(latents[:, :3], pixels[..., ::8, ::8])
    latents = vae.encode(pixels).latent_dist.mode()
    vae.decoder.conv_out.weight *= _slope(vae.decode(latents).sample, pixels)


def _carry(module: Any) -> None:
    """Let the carried channels pass a module of diffusers unchanged; silence what it would add."""
    kind = type(module).__name__
    if kind == "ResnetBlock2D":
        _zero(module.conv2)
        if module.conv_shortcut is not None:
            _identity(module.conv_shortcut, torch.ones(1, 1))
    elif kind == "Attention":
        _zero(module.to_out[0])
    elif kind == "Downsample2D":
        _identity(module.conv, _BOX)
    elif kind == "Upsample2D":
        _identity(module.conv, _TENT)


def _zero(layer: Any) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def _identity(conv: Any, kernel: Tensor) -> None:
    """Each carried channel passes alone, through `kernel`."""
    conv.weight[:CARRIED] = 0
    conv.bias[:CARRIED] = 0
    for channel in range(CARRIED):
        conv.weight[channel, channel] = kernel


def _spread(conv: Any) -> None:
    """From the first three input channels to the carried ones."""
    conv.weight[:CARRIED] = 0
    conv.bias[:CARRIED] = 0
    for channel in range(3):
        conv.weight[channel, channel] = _POINT
        conv.weight[channel + 3, channel] = -_POINT
    conv.bias[6], conv.bias[7] = _CONSTANT, -_CONSTANT


def _gather(conv: Any) -> None:
    """Undo the activation before the last convolution: silu(x) - silu(-x) = x."""
    conv.weight[:3] *= 0.02
    conv.bias[:3] = 0
    for channel in range(3):
        conv.weight[channel, channel] += _POINT
        conv.weight[channel, channel + 3] -= _POINT


def _slope(found: Tensor, wanted: Tensor) -> float:
    return float((found * wanted).sum() / (found * found).sum())
