"""The networks of a Context Encoder (Pathak et al. 2016, arXiv 1604.07379): a hole, predicted from around it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.nn.init import he_

PLACES = 8
"""Places along a side of the innermost map."""


class ChannelWise(nn.Module):
    """Each channel's map to another of its own, every place from all places (section 3.1).

    [N, channels, side, side] -> [N, channels, out_side, out_side].

    Far fewer numbers than a layer that joins all channels, too; a 1x1 convolution behind it joins them.
    """

    def __init__(self, channels: int, side: int, out_side: int):
        super().__init__()
        self.side = out_side
        self.weight = nn.Parameter(torch.randn(channels, side**2, out_side**2) / side)
        self.bias = nn.Parameter(torch.zeros(channels, out_side**2))

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.einsum("nci,cio->nco", x.flatten(2), self.weight.to(x.dtype)) + self.bias.to(x.dtype)
        return mixed.unflatten(2, (self.side, self.side))


def _rectified(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)
    return [conv, nn.LeakyReLU(0.2, inplace=True)]


class ContextFiller(nn.Module):
    """Images [N, C, size, size] that are 0 in their middle -> that middle, [N, C, side, side] in [-1, 1].

    An encoder that halves the picture to 8x8 places, a layer by which each of them knows of all, and a decoder that
    doubles by resizing before a convolution, which leaves no grid (doi 10.23915/distill.00003). The paper has 6x6
    places of 227 pixels and stops at 4x4 of 128; with 8x8 rows and columns of windows can go on through the hole.

    Args:
        size: 8 times a power of two.
        side: of what is made; a multiple of `size // 16`.
        width: channels of the first map; they double at each halving.
    """

    def __init__(self, channels: int, size: int, side: int, width: int):
        super().__init__()
        halvings = (size // PLACES).bit_length() - 1
        doublings = halvings - 1
        if size != PLACES * 2**halvings or side % 2**doublings:
            raise ValueError(f"size {size} must be {PLACES} times a power of two, and side {side} of half that power")
        widths = [width * 2**level for level in range(halvings)]
        wide = widths[-1]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((channels, *widths)):
            layers += _rectified(inputs, outputs, kernel=4, stride=2)
        layers += [ChannelWise(wide, PLACES, side // 2**doublings), *_rectified(wide, wide, kernel=1)]
        for inputs, outputs in pairwise(reversed(widths)):
            layers += [nn.Upsample(scale_factor=2.0), *_rectified(inputs, outputs, kernel=3)]
        self.net = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())
        he_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)
