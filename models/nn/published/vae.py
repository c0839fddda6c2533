"""Variational auto-encoders: that of PyTorch's examples, and PyTorch-VAE's VanillaVAE (arXiv 1312.6114)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.published.network import NetworkConfig
from pictures.formats import Channels

Range = Literal["-1,1", "0,1"]
"""Of the values that pictures have for a network."""


class ExampleConfig(NetworkConfig):
    """Of an `ExampleVAE`."""

    network: Literal["vae-example"] = "vae-example"
    size: int = 28
    channels: Channels = 1
    width: int = 400
    latent: int = 20

    def build(self) -> ExampleVAE:
        """The network."""
        return ExampleVAE(self)


class ExampleVAE(nn.Module):
    """Perceptrons for images [N, C, size, size] in [-1, 1], which are of 0 to 1 inside, and codes [N, latent]."""

    def __init__(self, config: ExampleConfig):
        super().__init__()
        self.latent_shape, self.channels, self.side = (config.latent,), config.channels, config.size
        numbers = config.channels * config.size**2
        self.fc1 = nn.Linear(numbers, config.width)
        self.fc21, self.fc22 = nn.Linear(config.width, config.latent), nn.Linear(config.width, config.latent)
        self.fc3, self.fc4 = nn.Linear(config.latent, config.width), nn.Linear(config.width, numbers)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code, [N, latent] each."""
        hidden = F.relu(self.fc1((images.flatten(1) + 1) / 2))
        return self.fc21(hidden), self.fc22(hidden)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [N, latent] to images."""
        made = self.fc4(F.relu(self.fc3(codes))).sigmoid()
        return (made * 2 - 1).unflatten(1, (self.channels, self.side, self.side))


class VanillaConfig(NetworkConfig):
    """Of a `VanillaVAE`; `widths` of the encoder's maps."""

    network: Literal["vanilla-vae"] = "vanilla-vae"
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    latent: int = 128
    channels: Channels = 3
    values: Range = "-1,1"

    @property
    def size(self) -> int:
        """Side of the pictures: the innermost maps have 2 x 2 pixels."""
        return 2 ** (len(self.widths) + 1)

    def build(self) -> VanillaVAE:
        """The network."""
        return VanillaVAE(self)


class VanillaVAE(nn.Module):
    """Convolutions for images [N, C, size, size] in [-1, 1], and codes [N, latent]."""

    def __init__(self, config: VanillaConfig):
        super().__init__()
        self.latent_shape, self.channels, self.side = (config.latent,), config.channels, config.size
        self.values: Range = config.values
        widths, last = config.widths, config.widths[-1]
        self.encoder = nn.Sequential(*[_halved(*sides) for sides in pairwise((config.channels, *widths))])
        self.fc_mu, self.fc_var = nn.Linear(last * 4, config.latent), nn.Linear(last * 4, config.latent)
        self.decoder_input = nn.Linear(config.latent, last * 4)
        self.decoder = nn.Sequential(*[nn.Sequential(*_doubled(*sides)) for sides in pairwise(widths[::-1])])
        convolution = nn.Conv2d(widths[0], config.channels, 3, padding=1)
        self.final_layer = nn.Sequential(*_doubled(widths[0], widths[0]), convolution, nn.Tanh())

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code, [N, latent] each."""
        hidden = self.encoder((images + 1) / 2 if self.values == "0,1" else images).flatten(1)
        return self.fc_mu(hidden), self.fc_var(hidden)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [N, latent] to images."""
        made = self.final_layer(self.decoder(self.decoder_input(codes).unflatten(1, (-1, 2, 2))))
        return (made * 2 - 1).clamp(-1, 1) if self.values == "0,1" else made


def _halved(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU())


def _doubled(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU()]
