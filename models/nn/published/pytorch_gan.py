"""Generators of the collection PyTorch-GAN. Its batch norms have an epsilon of 0.8."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from models.nn.labels import one_hot
from models.nn.native import native
from models.nn.published.network import NetworkConfig
from pictures.formats import Channels

_EPSILON = 0.8


class PerceptronConfig(NetworkConfig):
    """Of a `PerceptronGenerator` (`gan`, `wgan`, `wgan_gp`, `cgan` and others); `widths` of its hidden layers."""

    network: Literal["pytorch-gan-perceptron"] = "pytorch-gan-perceptron"
    latent: int
    widths: tuple[int, ...]
    size: int
    channels: Channels = 1
    classes: int = 0

    def build(self) -> PerceptronGenerator:
        """The network."""
        return PerceptronGenerator(self)


class PerceptronGenerator(nn.Module):
    """Latents [N, latent], and [N] class indices if it has classes, to images [N, C, size, size] in [-1, 1]."""

    def __init__(self, config: PerceptronConfig):
        super().__init__()
        self.latent_shape, self.channels, self.side = (config.latent,), config.channels, config.size
        self.classes = config.classes
        if config.classes:
            self.label_emb = nn.Embedding(config.classes, config.classes)
        widths = config.widths
        layers: list[nn.Module] = [nn.Linear(config.latent + config.classes, widths[0]), nn.LeakyReLU(0.2)]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, _EPSILON), nn.LeakyReLU(0.2)]
        layers += [nn.Linear(widths[-1], config.channels * config.size**2), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            embedded = one_hot(labels, self.classes, latent.dtype) @ self.label_emb.weight
            latent = torch.cat([embedded, latent], dim=1)
        return self.model(latent).unflatten(1, (self.channels, self.side, self.side))


class GrowingConfig(NetworkConfig):
    """Of a `GrowingGenerator` (`dcgan`, and with classes `acgan`)."""

    network: Literal["pytorch-gan-growing"] = "pytorch-gan-growing"
    latent: int
    size: int
    widths: tuple[int, int] = (128, 64)
    channels: Channels = 1
    classes: int = 0

    def build(self) -> GrowingGenerator:
        """The network."""
        return GrowingGenerator(self)


class GrowingGenerator(nn.Module):
    """Latents [N, latent], times what stands for a class [N] if it has classes, to images [N, C, size, size]."""

    def __init__(self, config: GrowingConfig):
        super().__init__()
        self.latent_shape, self.channels, self.side = (config.latent,), config.channels, config.size
        self.classes, (wide, narrow) = config.classes, config.widths
        if config.classes:
            self.label_emb = nn.Embedding(config.classes, config.latent)
        self.l1 = nn.Sequential(nn.Linear(config.latent, wide * (config.size // 4) ** 2))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(wide),
            nn.Upsample(scale_factor=2), nn.Conv2d(wide, wide, 3, padding=1),
            nn.BatchNorm2d(wide, _EPSILON), nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1),
            nn.BatchNorm2d(narrow, _EPSILON), nn.LeakyReLU(0.2),
            nn.Conv2d(narrow, config.channels, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            latent = latent * (one_hot(labels, self.classes, latent.dtype) @ self.label_emb.weight)
        small = self.side // 4
        return self.conv_blocks(self.l1(latent).unflatten(1, (-1, small, small)))


class UNetConfig(NetworkConfig):
    """Of a `UNetGenerator` (`pix2pix`)."""

    network: Literal["pytorch-gan-unet"] = "pytorch-gan-unet"
    width: int = 64
    takes: Channels = 3
    makes: Channels = 3

    def build(self) -> UNetGenerator:
        """The network. Its dropout is off."""
        return UNetGenerator(self)


class UNetGenerator(nn.Module):
    """[N, C, H, W] in [-1, 1] -> the same; sides are multiples of 256, which it halves eight times.

    Unlike pix2pix's own it joins maps behind their norm and rectifier, and resizes before its last convolution.
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        down = [config.takes, *(config.width * min(2**level, 8) for level in range(8))]
        for level, (inputs, outputs) in enumerate(pairwise(down), start=1):
            self.add_module(f"down{level}", _halved(inputs, outputs, normed=1 < level < 8))
        inputs = down[8]
        for level in range(1, 8):
            outputs = down[8 - level]
            self.add_module(f"up{level}", _doubled(inputs, outputs))
            inputs = outputs * 2
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(inputs, config.makes, 4, padding=1),
            nn.Tanh(),
        )  # fmt: skip
        self.native = native(16 * config.width + 60, multiple=256, least=256)

    def forward(self, images: Tensor) -> Tensor:
        maps, x = [], images
        for level in range(1, 9):
            x = self.get_submodule(f"down{level}")(x)
            maps.append(x)
        maps.pop()
        for level in range(1, 8):
            x = torch.cat([self.get_submodule(f"up{level}")(x), maps.pop()], dim=1)
        return self.final(x)


def _halved(inputs: int, outputs: int, normed: bool) -> nn.Module:
    norm = [nn.InstanceNorm2d(outputs)] if normed else []
    return _Part(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), *norm, nn.LeakyReLU(0.2))


def _doubled(inputs: int, outputs: int) -> nn.Module:
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
    return _Part(convolution, nn.InstanceNorm2d(outputs), nn.ReLU())


class _Part(nn.Module):
    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
