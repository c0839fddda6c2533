"""Networks that enlarge pictures of any size: convolutions alone, and nothing that normalises over the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.nn.bicubic import Enlarge
from models.nn.colour import GAIN, luminance
from models.nn.init import zero
from models.nn.native import native


def _conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class Sharpener(nn.Module):
    """SRCNN (Dong et al. 2015, arXiv 1501.00092, section 3.1): three convolutions on an enlarged picture's luminance.

    They say what to add (VDSR, arXiv 1511.04587, section 3.2), nothing at first; colour stays bicubic, as in the paper.
    [N, 3, H, W] -> the same.

    Args:
        width: feature maps of the first layer (the paper's n₁ = 64); the second has half as many.
    """

    reach = 4 + 2 + 2
    """How many pixels away a pixel is still looked at."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(
            _conv(1, width, 9), nn.ReLU(inplace=True),
            _conv(width, width // 2, 5), nn.ReLU(inplace=True),
            zero(_conv(width // 2, 1, 5)),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return images + GAIN * self.net(luminance(images)).float()


class _Block(nn.Module):
    """x + f(x) without norms (EDSR, arXiv 1707.02921, figure 2c); f is small at first. [N, C, H, W] -> the same."""

    def __init__(self, width: int):
        super().__init__()
        first, last = _conv(width, width), _conv(width, width)
        with torch.no_grad():
            last.weight.mul_(0.1)
        self.net = nn.Sequential(first, nn.ReLU(inplace=True), last)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


def _head(width: int, scale: int) -> nn.Module:
    """Features [N, width, H, W] -> what to add to the enlarged picture, [N, 3, scale * H, scale * W], by sub-pixel
    convolution (arXiv 1609.05158); nothing at first, and so no grid that would have to be unlearned."""
    return nn.Sequential(zero(_conv(width, 3 * scale**2)), nn.PixelShuffle(scale))


class ResidualUpscaler(nn.Module):
    """EDSR with one body for all scales (MDSR, Lim et al. 2017, arXiv 1707.02921, section 3.3), smaller, added to the
    bicubic picture. [N, 3, H, W] in [-1, 1] -> [N, 3, scale * H, scale * W].

    Args:
        width: feature maps (the paper's baseline has 64).
        blocks: residual blocks (the paper's baseline has 16).
    """

    def __init__(self, width: int, blocks: int, scales: tuple[int, ...]):
        super().__init__()
        reach = 1 + 2 * blocks + 1 + 1
        self.native = native(4 * (4 * width + max(scales) ** 2 * 12), reach=reach, default=True)
        self.first = _conv(3, width)
        self.body = nn.Sequential(*[_Block(width) for _ in range(blocks)], _conv(width, width))
        self.heads = nn.ModuleDict({str(scale): _head(width, scale) for scale in scales})
        self.enlarge = nn.ModuleDict({str(scale): Enlarge(scale) for scale in scales})

    def forward(self, images: Tensor, scale: int) -> Tensor:
        features = self.first(images)
        features = features + self.body(features)
        return self.enlarge[str(scale)](images) + self.heads[str(scale)](features).float()
