"""The official BicycleGAN (Zhu et al. 2017, arXiv 1711.11586): a U-Net that sees a style, and an encoder of styles."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.native import native
from models.nn.norm import Norm, norm_layer
from models.nn.published.network import NetworkConfig
from pictures.formats import Channels
from pictures.framing import Native

_MOST = 4
"""Times the width that a map of the encoder has at most."""


class Config(NetworkConfig):
    """Of a `BicycleGAN`."""

    network: Literal["bicyclegan-published"] = "bicyclegan-published"
    latent: int
    width: int
    halvings: int
    seen: Literal["input", "all"]
    """Where the U-Net sees the style: beside its input, or before each halving."""
    norm: Norm = "instance"
    bilinear: bool = False
    """Whether it doubles by resizing; else by transposed convolutions."""
    takes: Channels = 3
    makes: Channels = 3
    encoder_width: int = 0
    """0 without an encoder: then styles are drawn, and not taken from pictures."""
    encoder_blocks: int = 0
    encoder_norm: Norm = "instance"

    @property
    def native(self) -> Native:
        """The pictures that the generator takes."""
        return native(16 * self.width + 60, multiple=2**self.halvings, least=2**self.halvings)

    def build(self) -> BicycleGAN:
        """The generator, and the encoder if there is one."""
        return BicycleGAN(self)


class BicycleGAN(nn.Module):
    """Images [N, C, H, W] in [-1, 1] and styles [N, latent] to images; H and W multiples of 2 ** halvings."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        widths = [config.width * min(2**level, 8) for level in range(config.halvings)]
        level: _Level | None = None
        for depth in reversed(range(1, config.halvings)):
            level = _Level(config, widths[depth - 1], widths[depth], widths[depth - 1], level)
        self.generator = _Level(config, config.takes, widths[0], config.makes, level, outermost=True)
        self.encoder = _Encoder(config) if config.encoder_width else None

    def forward(self, images: Tensor, style: Tensor) -> Tensor:
        return self.generator(images, style)

    def style(self, images: Tensor) -> Tensor:
        """The styles of images of the domain that is translated to, [N, latent].

        Raises:
            ValueError: there is no encoder.
        """
        if self.encoder is None:
            raise ValueError("it was imported without an encoder, so it reads no style off a picture")
        return self.encoder(images)


class _Level(nn.Module):
    """One halving and its doubling, around the next level; its input is joined to its output."""

    def __init__(
        self, config: Config, inputs: int, features: int, outputs: int, inner: _Level | None, outermost: bool = False
    ):
        super().__init__()
        self.sees = outermost or config.seen == "all"
        self.outermost = outermost
        halved = nn.Conv2d(inputs + config.latent * self.sees, features, 4, stride=2, padding=1)
        normed = [] if config.norm == "none" else [norm_layer(config.norm, features)]
        self.down = nn.Sequential(
            *([] if outermost else [nn.LeakyReLU(0.2)]), halved, *([] if outermost or inner is None else normed)
        )
        self.submodule = inner
        joined = features if inner is None else features * 2
        doubled = (
            [nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReflectionPad2d(1), nn.Conv2d(joined, outputs, 3)]
            if config.bilinear
            else [nn.ConvTranspose2d(joined, outputs, 4, stride=2, padding=1)]
        )
        last = [nn.Tanh()] if outermost else [] if config.norm == "none" else [norm_layer(config.norm, outputs)]
        self.up = nn.Sequential(nn.ReLU(), *doubled, *last)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        maps = style[:, :, None, None].to(x.dtype).expand(-1, -1, *x.shape[2:])
        inner = self.down(torch.cat([x, maps], dim=1) if self.sees else x)
        if self.submodule is not None:
            inner = self.submodule(inner, style)
        return self.up(inner) if self.outermost else torch.cat([self.up(inner), x], dim=1)


class _Encoder(nn.Module):
    """[N, C, H, W] -> the mean of the style, [N, latent]. Pictures of its own size end in 8 x 8 maps."""

    def __init__(self, config: Config):
        super().__init__()
        width = config.encoder_width
        layers: list[nn.Module] = [nn.Conv2d(config.makes, width, 4, stride=2, padding=1)]
        for block in range(1, config.encoder_blocks):
            inputs, outputs = width * min(_MOST, block), width * min(_MOST, block + 1)
            layers.append(_EncoderBlock(inputs, outputs, config.encoder_norm))
        self.conv = nn.Sequential(*layers)
        last = width * min(_MOST, config.encoder_blocks)
        self.fc = nn.Sequential(nn.Linear(last, config.latent))
        self.fcVar = nn.Sequential(nn.Linear(last, config.latent))

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(F.leaky_relu(self.conv(images), 0.2).mean((2, 3)))


class _EncoderBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, norm: Norm):
        super().__init__()

        def normed() -> list[nn.Module]:
            return [*([] if norm == "none" else [norm_layer(norm, inputs)]), nn.LeakyReLU(0.2)]

        halved = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.AvgPool2d(2))
        self.conv = nn.Sequential(*normed(), nn.Conv2d(inputs, inputs, 3, padding=1), *normed(), halved)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.shortcut(x)
