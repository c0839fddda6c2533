"""The networks of the official MUNIT (Huang et al. 2018, arXiv 1804.04732) and UNIT (Liu et al., arXiv 1703.00848)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.card import SOURCE_AND_TARGET, Direction
from models.nn.layers import Layers
from models.nn.native import native
from models.nn.published.network import NetworkConfig
from models.nn.resnet import Padding
from pictures.formats import Channels
from pictures.framing import Native

_STYLE_HALVINGS = 4


class _Sizes(NetworkConfig):
    width: int
    halvings: int
    blocks: int
    channels: Channels = 3
    padding: Padding = "reflect"

    @property
    def native(self) -> Native:
        """The pictures that the networks take."""
        return native(24 * self.width + 180, multiple=2**self.halvings, least=4 * 2**self.halvings)


class MUNITConfig(_Sizes):
    """Of a `MUNIT`."""

    network: Literal["munit"] = "munit"
    style: int
    mlp: int
    mlp_layers: int = 3

    def build(self) -> MUNIT:
        """The networks of both domains."""
        return MUNIT(self)


class UNITConfig(_Sizes):
    """Of a `UNIT`."""

    network: Literal["unit"] = "unit"

    def build(self) -> UNIT:
        """The networks of both domains."""
        return UNIT(self)


class MUNIT(nn.Module):
    """An auto-encoder of contents and styles for each domain. Images [N, C, H, W] in [-1, 1], styles [N, style]."""

    def __init__(self, config: MUNITConfig):
        super().__init__()
        self.a, self.b = _Styled(config), _Styled(config)

    def forward(self, images: Tensor, direction: Direction, style: Tensor) -> Tensor:
        source, target = SOURCE_AND_TARGET[direction]
        return self._of(target).decode(self._of(source).enc_content(images), style)

    def style(self, images: Tensor, direction: Direction) -> Tensor:
        """The styles of images of the domain that is translated to, [N, style]."""
        return self._of(SOURCE_AND_TARGET[direction][1]).enc_style(images).flatten(1)

    def _of(self, domain: Literal["a", "b"]) -> _Styled:
        return self.a if domain == "a" else self.b


class UNIT(nn.Module):
    """An auto-encoder for each domain, whose codes mean the same. Images [N, C, H, W] in [-1, 1]."""

    def __init__(self, config: UNITConfig):
        super().__init__()
        self.a, self.b = _Plain(config), _Plain(config)

    def forward(self, images: Tensor, direction: Direction) -> Tensor:
        there, back = (self.a, self.b) if direction == "AtoB" else (self.b, self.a)
        return back.dec(there.enc(images))


class _Styled(nn.Module):
    def __init__(self, config: MUNITConfig):
        super().__init__()
        wide = config.width * 2**config.halvings
        self.enc_style = _StyleEncoder(config)
        self.enc_content = _ContentEncoder(config)
        self.dec = _Decoder(config)
        told = 2 * 2 * config.blocks * wide
        hidden = [config.style, *[config.mlp] * (config.mlp_layers - 1)]
        layers = [_Dense(inputs, outputs, rectified=True) for inputs, outputs in pairwise(hidden)]
        self.mlp = _Chain(*layers, _Dense(hidden[-1], told, rectified=False))

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        return self.dec(content, self.mlp(style))


class _Plain(nn.Module):
    def __init__(self, config: UNITConfig):
        super().__init__()
        self.enc, self.dec = _ContentEncoder(config), _Decoder(config)


class _Chain(nn.Module):
    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _StyleEncoder(_Chain):
    """[N, C, H, W] -> [N, style, 1, 1]; without norms, which would take the style away."""

    def __init__(self, config: MUNITConfig):
        width, padding = config.width, config.padding
        layers: list[nn.Module] = [_Convolution(config.channels, width, 7, padding=padding)]
        for halving in range(_STYLE_HALVINGS):
            outputs = width * 2 if halving < 2 else width
            layers.append(_Convolution(width, outputs, 4, 2, padding))
            width = outputs
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, config.style, 1))


class _ContentEncoder(_Chain):
    def __init__(self, config: _Sizes):
        width, padding = config.width, config.padding
        layers: list[nn.Module] = [_Convolution(config.channels, width, 7, padding=padding, norm="instance")]
        for _ in range(config.halvings):
            layers.append(_Convolution(width, width * 2, 4, 2, padding, "instance"))
            width *= 2
        super().__init__(*layers, _Blocks(config, width))


class _Decoder(nn.Module):
    """Contents, and for each norm of a block its shift and its scale in turn, to images."""

    def __init__(self, config: _Sizes):
        super().__init__()
        width = config.width * 2**config.halvings
        layers: list[nn.Module] = [_Blocks(config, width)]
        for _ in range(config.halvings):
            layers += [nn.Upsample(scale_factor=2), _Convolution(width, width // 2, 5, 1, config.padding, "layer")]
            width //= 2
        last = _Convolution(width, config.channels, 7, padding=config.padding, norm="none", activation=False)
        self.model = nn.Sequential(*layers, last)

    def forward(self, content: Tensor, told: Tensor | None = None) -> Tensor:
        blocks, *others = self.model
        x = blocks(content, told)
        for layer in others:
            x = layer(x)
        return x.tanh()


class _Blocks(nn.Module):
    def __init__(self, config: _Sizes, width: int):
        super().__init__()
        self.model = Layers(_Block(config, width) for _ in range(config.blocks))

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        parts = [None] * len(self.model) if told is None else told.chunk(len(self.model), dim=1)
        for block, part in zip(self.model, parts, strict=True):
            x = block(x, part)
        return x


class _Block(nn.Module):
    def __init__(self, config: _Sizes, width: int):
        super().__init__()
        self.model = Layers(_Convolution(width, width, 3, 1, config.padding, activation=False) for _ in range(2))

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """`told` [N, 4 * width]: shift and scale of the first norm, and of the second; 0 and 1 if None."""
        first, second = self.model
        parts = (None,) * 4 if told is None else told.chunk(4, dim=1)
        inner = F.relu(_normed(first(x), parts[0], parts[1]))
        return x + _normed(second(inner), parts[2], parts[3])


def _normed(x: Tensor, shift: Tensor | None, scale: Tensor | None) -> Tensor:
    normed = F.instance_norm(x)
    if shift is None or scale is None:
        return normed
    return normed * scale[:, :, None, None] + shift[:, :, None, None]


class _Convolution(nn.Module):
    """A padded convolution, with a norm that has weights in the file (`layer`) or none, and a rectifier."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int,
        stride: int = 1,
        padding: Padding = "reflect",
        norm: Literal["none", "instance", "layer"] = "none",
        activation: bool = True,
    ):
        super().__init__()
        self.padding: Literal["constant", "reflect", "replicate"] = "constant" if padding == "zero" else padding
        self.around = 1 if side == 4 else side // 2
        self.conv = nn.Conv2d(inputs, outputs, side, stride)
        self.norm = {"none": nn.Identity, "instance": nn.InstanceNorm2d, "layer": _LayerNorm}[norm](outputs)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(F.pad(x, (self.around,) * 4, mode=self.padding)))
        return F.relu(x) if self.activation else x


class _LayerNorm(nn.Module):
    """Over all of an image's numbers, by their standard deviation without bias; a scale and shift for each channel."""

    def __init__(self, features: int):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        mean, deviation = flat.mean(1)[:, None, None, None], flat.std(1)[:, None, None, None]
        return (x - mean) / (deviation + 1e-5) * self.gamma[:, None, None] + self.beta[:, None, None]


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int, rectified: bool):
        super().__init__()
        self.fc, self.rectified = nn.Linear(inputs, outputs), rectified

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.fc(x)) if self.rectified else self.fc(x)
