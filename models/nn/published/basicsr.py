"""Networks of BasicSR that enlarge pictures, and SRCNN. Inside, values are of 0 to 1."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.bicubic import Enlarge
from models.nn.colour import GAIN, luminance
from models.nn.native import MEMORY, native
from models.nn.published.network import NetworkConfig
from pictures.framing import Native

_MEAN = (0.4488, 0.4371, 0.4040)
"""Of the pictures of DIV2K, which EDSR takes off and puts on again."""


class EDSRConfig(NetworkConfig):
    """Of an `EDSR` (Lim et al. 2017, arXiv 1707.02921)."""

    network: Literal["edsr"] = "edsr"
    width: int
    blocks: int
    scale: int
    residual: float = 1.0
    """What a block's result is multiplied by before it is added."""

    def build(self) -> EDSR:
        """The network."""
        return EDSR(self)


class EDSR(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]."""

    mean: Tensor

    def __init__(self, config: EDSRConfig):
        super().__init__()
        self.scale, width = config.scale, config.width
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.conv_first = _conv(3, width)
        self.body = nn.Sequential(*[_Residual(width, config.residual) for _ in range(config.blocks)])
        self.conv_after_body = _conv(width, width)
        self.upsample = nn.Sequential(*_enlarging(config.scale, width))
        self.conv_last = _conv(width, 3)
        self.native = _native(width, config.scale, reach=2 * config.blocks + 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv_first(((images + 1) / 2 - self.mean) * 255)
        x = self.conv_last(self.upsample(x + self.conv_after_body(self.body(x))))
        return ((x / 255 + self.mean) * 2 - 1).clamp(-1, 1)


class SRResNetConfig(NetworkConfig):
    """Of an `SRResNet` (BasicSR's MSRResNet, after Ledig et al. 2016, arXiv 1609.04802)."""

    network: Literal["msrresnet"] = "msrresnet"
    width: int
    blocks: int
    scale: int

    def build(self) -> SRResNet:
        """The network."""
        return SRResNet(self)


class SRResNet(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]: what to add to the bilinear picture."""

    def __init__(self, config: SRResNetConfig):
        super().__init__()
        self.scale, width = config.scale, config.width
        self.conv_first = _conv(3, width)
        self.body = nn.Sequential(*[_Residual(width, 1.0) for _ in range(config.blocks)])
        self.step = 2 if config.scale == 4 else config.scale
        self.upconv1 = _conv(width, width * self.step**2)
        self.upconv2 = _conv(width, width * 4) if config.scale == 4 else None
        self.conv_hr, self.conv_last = _conv(width, width), _conv(width, 3)
        self.native = _native(width, config.scale, reach=2 * config.blocks + 5)

    def forward(self, images: Tensor) -> Tensor:
        pictures = (images + 1) / 2
        x = self.body(F.leaky_relu(self.conv_first(pictures), 0.1))
        for convolution in filter(None, (self.upconv1, self.upconv2)):
            x = F.leaky_relu(F.pixel_shuffle(convolution(x), self.step), 0.1)
        x = self.conv_last(F.leaky_relu(self.conv_hr(x), 0.1))
        x = x + F.interpolate(pictures, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return (x * 2 - 1).clamp(-1, 1)


class RRDBConfig(NetworkConfig):
    """Of an `RRDBNet` (ESRGAN, Wang et al. 2018, arXiv 1809.00219; Real-ESRGAN, arXiv 2107.10833)."""

    network: Literal["rrdbnet"] = "rrdbnet"
    width: int
    blocks: int
    growth: int = 32
    scale: Literal[1, 2, 4] = 4

    def build(self) -> RRDBNet:
        """The network."""
        return RRDBNet(self)


class RRDBNet(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]. It always enlarges four times; for less, pixels go into
    channels first, and H and W are multiples of 4 / scale."""

    def __init__(self, config: RRDBConfig):
        super().__init__()
        self.scale, self.packed, width = config.scale, 4 // config.scale, config.width
        self.conv_first = _conv(3 * self.packed**2, width)
        self.body = nn.Sequential(*[_RRDB(width, config.growth) for _ in range(config.blocks)])
        self.conv_body = _conv(width, width)
        self.conv_up1, self.conv_up2 = _conv(width, width), _conv(width, width)
        self.conv_hr, self.conv_last = _conv(width, width), _conv(width, 3)
        reach = (15 * config.blocks + 5) * self.packed
        self.native = _native(width, config.scale, reach, multiple=self.packed)

    def forward(self, images: Tensor) -> Tensor:
        pictures = (images + 1) / 2
        x = self.conv_first(F.pixel_unshuffle(pictures, self.packed) if self.packed > 1 else pictures)
        x = x + self.conv_body(self.body(x))
        for convolution in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(convolution(F.interpolate(x, scale_factor=2)), 0.2)
        return (self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2)) * 2 - 1).clamp(-1, 1)


class CompactConfig(NetworkConfig):
    """Of a `Compact` (BasicSR's SRVGGNetCompact, the small models of Real-ESRGAN)."""

    network: Literal["srvgg"] = "srvgg"
    width: int
    layers: int
    scale: int

    def build(self) -> Compact:
        """The network."""
        return Compact(self)


class Compact(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]: what to add to the picture with its pixels repeated."""

    def __init__(self, config: CompactConfig):
        super().__init__()
        self.scale, width = config.scale, config.width
        layers: list[nn.Module] = [_conv(3, width), nn.PReLU(width)]
        for _ in range(config.layers):
            layers += [_conv(width, width), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, _conv(width, 3 * config.scale**2))
        self.native = _native(width, config.scale, reach=config.layers + 2)

    def forward(self, images: Tensor) -> Tensor:
        pictures = (images + 1) / 2
        x = F.pixel_shuffle(self.body(pictures), self.scale) + F.interpolate(pictures, scale_factor=self.scale)
        return (x * 2 - 1).clamp(-1, 1)


class SRCNNConfig(NetworkConfig):
    """Of an `SRCNN` (Dong et al. 2015, arXiv 1501.00092); `sides` of its kernels."""

    network: Literal["srcnn-published"] = "srcnn-published"
    widths: tuple[int, int] = (64, 32)
    sides: tuple[int, int, int] = (9, 5, 5)
    scale: int = 3

    def build(self) -> SRCNN:
        """The network."""
        return SRCNN(self)


class SRCNN(nn.Module):
    """[N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W]: the luminance of the bicubic picture, made sharp."""

    def __init__(self, config: SRCNNConfig):
        super().__init__()
        self.scale, (first, second) = config.scale, config.widths
        self.enlarge = Enlarge(config.scale)
        self.conv1 = _conv(1, first, config.sides[0])
        self.conv2 = _conv(first, second, config.sides[1])
        self.conv3 = _conv(second, 1, config.sides[2])
        reach = Enlarge.reach + -(-sum(side // 2 for side in config.sides) // config.scale)
        self.native = native(8 * (first + second) * config.scale**2, reach=reach, default=True)

    def forward(self, images: Tensor) -> Tensor:
        enlarged = self.enlarge(images).clamp(-1, 1)
        before = (luminance(enlarged) + 1) / 2
        after = self.conv3(F.relu(self.conv2(F.relu(self.conv1(before))))).clamp(0, 1)
        return (enlarged + GAIN * 2 * (after - before)).clamp(-1, 1)


def _conv(inputs: int, outputs: int, side: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


def _enlarging(scale: int, width: int) -> list[nn.Module]:
    """Sub-pixel convolutions: one for three times, else one for each doubling."""
    if scale == 3:
        return [_conv(width, 9 * width), nn.PixelShuffle(3)]
    return [each for _ in range(scale.bit_length() - 1) for each in (_conv(width, 4 * width), nn.PixelShuffle(2))]


def _native(width: int, scale: int, reach: int, multiple: int = 1) -> Native:
    """In tiles, if these are a good deal larger than what they have to see around them.

    Its bytes are those of the last, largest maps and a few small ones: 14,336 for each pixel that an `RRDBNet` of 64
    channels makes four times as large, of which a pass of 192 x 192 took 14,639 in torch and 13,474 in ONNX Runtime.
    """
    bytes_per_pixel = 4 * width * (8 + 3 * scale**2)
    tiled = 6 * reach < (min(2**18, MEMORY // bytes_per_pixel)) ** 0.5
    return native(bytes_per_pixel, multiple=multiple, least=8, reach=reach if tiled else None, default=True)


class _Residual(nn.Module):
    def __init__(self, width: int, residual: float):
        super().__init__()
        self.conv1, self.conv2, self.residual = _conv(width, width), _conv(width, width), residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x))) * self.residual


class _Dense(nn.Module):
    def __init__(self, width: int, growth: int):
        super().__init__()
        for place in range(1, 5):
            self.add_module(f"conv{place}", _conv(width + (place - 1) * growth, growth))
        self.conv5 = _conv(width + 4 * growth, width)

    def forward(self, x: Tensor) -> Tensor:
        maps = x
        for place in range(1, 5):
            maps = torch.cat([maps, F.leaky_relu(self.get_submodule(f"conv{place}")(maps), 0.2)], dim=1)
        return self.conv5(maps) * 0.2 + x


class _RRDB(nn.Module):
    def __init__(self, width: int, growth: int):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_Dense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x
