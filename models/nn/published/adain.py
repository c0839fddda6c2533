"""Arbitrary style transfer (Huang and Belongie 2017, arXiv 1703.06868) in its widespread PyTorch version: an encoder,
the lower layers of a VGG-19 whose activations are scaled, and a decoder. Inside, values of pictures are of 0 to 1."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from models.nn.native import native
from models.nn.published.network import NetworkConfig

DEPTHS = (2, 2, 4, 1)
"""Convolutions of each stage of the encoder, up to relu4_1."""


class Config(NetworkConfig):
    """Of an `AdaIN`; `widths` of the encoder's stages."""

    network: Literal["adain-published"] = "adain-published"
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)

    def build(self) -> AdaIN:
        """The encoder and the decoder."""
        return AdaIN(self)


class AdaIN(nn.Module):
    """Images [N, 3, H, W] in [-1, 1] take on the statistics [N, 2, C] of other ones; H and W multiples of 8."""

    def __init__(self, config: Config):
        super().__init__()
        self.width = config.widths[-1]
        encoder: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
        inputs = 3
        for stage, (width, depth) in enumerate(zip(config.widths, DEPTHS, strict=True)):
            if stage:
                encoder.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            for _ in range(depth):
                encoder += [nn.ReflectionPad2d(1), nn.Conv2d(inputs, width, 3), nn.ReLU()]
                inputs = width
        self.encoder = nn.Sequential(*encoder)
        decoder: list[nn.Module] = []
        for (width, below), depth in zip(pairwise((*config.widths[::-1], 3)), DEPTHS[::-1], strict=True):
            for outputs in (*[width] * (depth - 1), below):
                decoder += [nn.ReflectionPad2d(1), nn.Conv2d(width, outputs, 3), nn.ReLU()]
            decoder.append(nn.Upsample(scale_factor=2))
        self.decoder = nn.Sequential(*decoder[:-2])  # the last convolution is followed by nothing
        self.native = native(40 * config.widths[0] + 200, multiple=8, least=16, default=True)

    def forward(self, images: Tensor, manner: Tensor, strength: Tensor) -> Tensor:
        """`strength` [N] is how far the features go from their own statistics to those of the manner."""
        content = self.encoder((images + 1) / 2)
        mean, deviation = _statistics(content)
        wanted_mean, wanted_deviation = (each[:, :, None, None] for each in manner.unbind(1))
        adapted = (content - mean) / deviation * wanted_deviation + wanted_mean
        return (self.decoder(torch.lerp(content, adapted, strength[:, None, None, None])) * 2 - 1).clamp(-1, 1)

    def manner(self, images: Tensor) -> Tensor:
        """Mean and standard deviation of the features of images, [N, 2, C]."""
        return torch.stack(_statistics(self.encoder((images + 1) / 2)), dim=1).flatten(2)


def _statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, [N, C, 1, 1] each."""
    variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True)
    return mean, (variance + 1e-5).sqrt()
