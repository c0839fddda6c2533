"""The feed-forward network of style transfer, one for several paintings (arXiv 1603.08155, 1610.07629)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.bounded import bounded
from models.nn.init import he_, zero

_PACE = 4.0
_SPREAD = 0.025
"""Of the styles at first, so that they are not alike."""


class ConditionalNorm(nn.Module):
    """Instance norm with a scale and a shift for each style (Dumoulin et al. 2016, arXiv 1610.07629, equation 5).

    What is learned of them is a quarter of how far they are from 1 and 0. A step of Adam then moves them by four times
    as much as what all styles share: each style sees only its own share of the pictures.
    """

    def __init__(self, features: int, styles: int):
        super().__init__()
        self.scale = nn.Parameter(_SPREAD * torch.randn(styles, features))
        self.shift = nn.Parameter(_SPREAD * torch.randn(styles, features))

    def forward(self, x: Tensor, mixture: Tensor) -> Tensor:
        """[N, features, H, W] and the shares of the styles [N, styles] -> [N, features, H, W]."""
        scale, shift = 1 + _PACE * (mixture @ self.scale), _PACE * (mixture @ self.shift)
        return F.instance_norm(x) * scale[:, :, None, None] + shift[:, :, None, None]


class _Styled(nn.Module):
    """A padded convolution and its norm; of another size before or after, if asked for."""

    def __init__(self, inputs: int, outputs: int, side: int, styles: int, stride: int = 1):
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs, outputs, side, stride, padding=side // 2, padding_mode="reflect", bias=False
        )
        self.norm = ConditionalNorm(outputs, styles)

    def forward(self, x: Tensor, mixture: Tensor) -> Tensor:
        return self.norm(self.convolution(x), mixture)


class _Block(nn.Module):
    """A residual block. [N, C, H, W] -> the same."""

    def __init__(self, channels: int, styles: int):
        super().__init__()
        self.first = _Styled(channels, channels, 3, styles)
        self.second = _Styled(channels, channels, 3, styles)

    def forward(self, x: Tensor, mixture: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x, mixture)), mixture)


class Stylist(nn.Module):
    """[N, channels, H, W] in [-1, 1], of any size from 8 pixels on -> the same, in the manner of a mixture of styles.

    Two halvings, residual blocks and two doublings by resizing before a convolution, which leaves no grid (Odena et al.
    2016, doi 10.23915/distill.00003); every convolution pads by reflection. What is learned is the difference from the
    picture, which is 0 at first.

    Args:
        width: channels of the first layer.
        outer: side of the first and the last kernel.
    """

    def __init__(self, channels: int, styles: int, width: int, blocks: int, outer: int):
        super().__init__()
        wide = width * 4
        self.read = _Styled(channels, width, outer, styles)
        self.down = nn.ModuleList(
            [_Styled(width, width * 2, 3, styles, stride=2), _Styled(width * 2, wide, 3, styles, stride=2)]
        )
        self.blocks = nn.ModuleList(_Block(wide, styles) for _ in range(blocks))
        self.up = nn.ModuleList([_Styled(wide, width * 2, 3, styles), _Styled(width * 2, width, 3, styles)])
        self.write = nn.Conv2d(width, channels, outer, padding=outer // 2, padding_mode="reflect")
        he_(self)
        zero(self.write)

    def forward(self, images: Tensor, mixture: Tensor) -> Tensor:
        x, sizes = F.relu(self.read(images, mixture)), []
        for layer in self.down:
            sizes.append(x.shape[2:])
            x = F.relu(layer(x, mixture))
        for block in self.blocks:
            x = block(x, mixture)
        for layer, size in zip(self.up, reversed(sizes), strict=True):
            x = F.relu(layer(F.interpolate(x, size), mixture))
        return bounded(images + self.write(x).float())
