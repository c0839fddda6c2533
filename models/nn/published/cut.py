"""The ResNet generator of CUT and FastCUT (Park et al. 2020, arXiv 2007.15651), which halves and doubles by blurring.

The filters are those of Zhang 2019 (arXiv 1904.11486); they stand in its files, too.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.native import native
from models.nn.norm import Norm, norm_layer
from models.nn.published.network import NetworkConfig
from models.nn.resnet import Padding
from pictures.formats import Channels

_PADS: dict[Padding, type[nn.Module]] = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d}


class Config(NetworkConfig):
    """Of a `Generator`."""

    network: Literal["cut"] = "cut"
    width: int
    blocks: int
    norm: Norm = "instance"
    padding: Padding = "reflect"
    dropout: bool = False
    """Whether it was trained with dropout, which shifts the places of layers. It is off when it serves."""
    blurred_up: bool = True
    """Whether it doubles by blurring; else by transposed convolutions."""
    takes: Channels = 3
    makes: Channels = 3

    def build(self) -> Generator:
        """The network."""
        return Generator(self)


class Generator(nn.Module):
    """[N, C, H, W] in [-1, 1] -> the same; H and W multiples of 4."""

    def __init__(self, config: Config):
        super().__init__()
        width, norm = config.width, config.norm
        bias = norm == "instance"

        def normed(features: int) -> list[nn.Module]:
            return [norm_layer(norm, features), nn.ReLU()]

        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(config.takes, width, 7, bias=bias), *normed(width)]
        for wide in (width * 2, width * 4):
            layers += [nn.Conv2d(wide // 2, wide, 3, padding=1, bias=bias), *normed(wide), _Halving(wide)]
        layers += [_Block(config, bias) for _ in range(config.blocks)]
        for wide in (width * 4, width * 2):
            if config.blurred_up:
                layers += [_Doubling(wide), nn.Conv2d(wide, wide // 2, 3, padding=1, bias=bias)]
            else:
                layers += [nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, 1, bias=bias)]
            layers += normed(wide // 2)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, config.makes, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)
        self.native = native(32 * width + 180, multiple=4, least=16)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class _Block(nn.Module):
    def __init__(self, config: Config, bias: bool):
        super().__init__()
        layers: list[nn.Module] = []
        for first in (True, False):
            pad = [] if config.padding == "zero" else [_PADS[config.padding](1)]
            convolution = nn.Conv2d(config.width * 4, config.width * 4, 3, padding=0 if pad else 1, bias=bias)
            layers += [*pad, convolution, norm_layer(config.norm, config.width * 4)]
            if first:
                layers += [nn.ReLU(), *([nn.Identity()] if config.dropout else [])]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class _Halving(nn.Module):
    """[N, C, H, W] -> [N, C, H / 2, W / 2], by a binomial filter of 3 x 3."""

    filt: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filt", _binomial([1, 2, 1]).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


class _Doubling(nn.Module):
    """[N, C, H, W] -> [N, C, 2 H, 2 W], by a binomial filter of 4 x 4."""

    filt: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filt", 4 * _binomial([1, 3, 3, 1]).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(padded, self.filt, stride=2, padding=2, groups=x.shape[1])[:, :, 1:-1, 1:-1]


def _binomial(row: list[int]) -> Tensor:
    """[1, side, side], adding up to 1."""
    line = torch.tensor(row, dtype=torch.float32) / sum(row)
    return (line[:, None] * line)[None]
