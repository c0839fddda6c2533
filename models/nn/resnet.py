"""The residual translator of CycleGAN (arXiv 1703.10593, section 7.1, after Johnson et al., arXiv 1603.08155)."""

from typing import Literal

import torch
from torch import Tensor, nn

from models.nn.init import normal_
from models.nn.native import native
from models.nn.norm import Norm, norm_layer
from models.noise import Stream

Padding = Literal["reflect", "replicate", "zero"]
Doubling = Literal["transposed", "resized"]
_PADS = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d, "zero": nn.ZeroPad2d}
_HALF = 4
"""Layers of a residual block up to its second padding."""


class ResidualBlock(nn.Module):
    """x + f(x), f = two padded 3x3 convolutions with norms. [N, C, H, W] -> the same.

    Args:
        dropout: the share that is dropped between them, if it is told what to draw from.
    """

    def __init__(self, channels: int, norm: Norm = "instance", padding: Padding = "reflect", dropout: float = 0):
        super().__init__()
        pad = _PADS[padding]
        self.dropout = dropout
        self.net = nn.Sequential(
            pad(1), nn.Conv2d(channels, channels, 3), norm_layer(norm, channels), nn.ReLU(inplace=True),
            pad(1), nn.Conv2d(channels, channels, 3), norm_layer(norm, channels),
        )  # fmt: skip

    def forward(self, x: Tensor, drops: Stream | None = None) -> Tensor:
        if drops is None or not self.dropout:
            return x + self.net(x)
        hidden = self.net[:_HALF](x)
        return x + self.net[_HALF:](hidden * drops.dropout(hidden.shape[1:], self.dropout).to(hidden.dtype))


def _doubled(inputs: int, outputs: int, doubling: Doubling) -> list[nn.Module]:
    """[N, inputs, H, W] -> [N, outputs, 2 H, 2 W]."""
    if doubling == "resized":
        return [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1)]
    return [nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)]


class ResNetTranslator(nn.Module):
    """[N, C, H, W] in [-1, 1] -> the same; H, W multiples of 4. Two halvings, `blocks` residual blocks, two doublings.

    Args:
        channels: that go in, conditions included.
        width: channels of the first feature map (the paper's 64).
        blocks: 6 for 128 pixels, 9 for 256 (the paper's choice).
        padding: of the residual blocks.
        outer: padding of the first and the last layer.
        first: norm of the first layer, `norm` if absent; instance norm hides constant maps, "none" lets them through.
        doubling: by transposed convolutions, as the paper has it, or by resizing before a convolution, which leaves no
            grid in flat areas (Odena et al. 2016, doi 10.23915/distill.00003).
        out_channels: as many as go in, if absent.
        dropout: the share that each residual block drops when it serves.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        blocks: int,
        norm: Norm = "instance",
        padding: Padding = "reflect",
        outer: Padding = "reflect",
        first: Norm | None = None,
        doubling: Doubling = "transposed",
        out_channels: int | None = None,
        dropout: float = 0,
    ):
        super().__init__()
        wide = width * 4

        def normed(features: int, norm: Norm = norm) -> list[nn.Module]:
            return [norm_layer(norm, features), nn.ReLU(inplace=True)]

        self.net = nn.Sequential(
            _PADS[outer](3), nn.Conv2d(channels, width, 7), *normed(width, first or norm),
            nn.Conv2d(width, width * 2, 3, stride=2, padding=1), *normed(width * 2),
            nn.Conv2d(width * 2, wide, 3, stride=2, padding=1), *normed(wide),
            *[ResidualBlock(wide, norm, padding, dropout) for _ in range(blocks)],
            *_doubled(wide, width * 2, doubling), *normed(width * 2),
            *_doubled(width * 2, width, doubling), *normed(width),
            _PADS[outer](3), nn.Conv2d(width, out_channels or channels, 7), nn.Tanh(),
        )  # fmt: skip
        normal_(self)
        local = norm in ("batch", "none") and first in (None, "batch", "none") and not dropout
        # Each layer looks past its pixels as far as its kernel's edge, at the side that its map has: 1 for whole, 2 for
        # halved, 4 for halved twice.
        reach = 3 + 1 + 2 + 4 * 2 * blocks + 4 + 2 + 3
        self.native = native(13 * width + 180, multiple=4, least=16, reach=reach if local else None)

    def forward(self, images: Tensor, *conditions: Tensor, drops: Stream | None = None) -> Tensor:
        """
        Args:
            conditions: [N, c, H, W] that join the images, as further channels.
            drops: what dropout is drawn from when it serves, the first block's first; if absent there is none.
        """
        x = torch.cat([images, *conditions], dim=1) if conditions else images
        for layer in self.net:
            x = layer(x, drops) if isinstance(layer, ResidualBlock) else layer(x)
        return x
