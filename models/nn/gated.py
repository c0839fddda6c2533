"""Convolutions that weigh what they see, and a network of them that fills in holes of any shape (Yu et al. 2018, arXiv
1806.03589)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.bounded import bounded
from models.nn.init import he_, zero
from models.nn.smooth import smoothed


class GatedConv2d(nn.Module):
    """φ(W_f * x) ⊙ σ(W_g * x) (equation 4), one gate for each place. [N, inputs, H, W] -> [N, outputs, h, w].

    A partial convolution (arXiv 1804.07723) knows of each place only whether anything near it is known; a gate learns
    how far the place is to be trusted. One for all channels costs half of one for each and does nearly as well (arXiv
    2005.09704, section 3.3); φ is a leaky rectifier, a tenth of the time of the paper's exponential one.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.features = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation)
        self.gate = nn.Conv2d(inputs, 1, kernel, stride, padding, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.features(x), 0.2) * self.gate(x).sigmoid()


class GatedFiller(nn.Module):
    """Images [N, C, H, W] in [-1, 1] and what is hidden of them, [N, 1, H, W] of 0 and 1 -> whole images in [-1, 1].

    It sees the holes filled smoothly (`models.nn.smooth`), and says what to change there: so the colours go on from
    what is around them, in pictures of a kind that it never saw, too. H and W are multiples of 8.

    Patches of 2x2 pixels are one place of the first map; two halvings, dilated convolutions that see past a hole of
    half the picture's side, and the way back up, where each map is joined by its mirror image and doubled by repeating
    pixels, which leaves no grid (doi 10.23915/distill.00003). Nothing is normalised: a hole has no statistics.

    Args:
        width: channels of the outermost map; four times as many of the innermost.
        dilations: of the convolutions between the halvings and the doublings.
    """

    def __init__(self, channels: int, width: int, dilations: tuple[int, ...]):
        super().__init__()
        self.outer = nn.Sequential(nn.PixelUnshuffle(2), GatedConv2d(4 * channels + 4, width, kernel=5))
        self.middle = nn.Sequential(GatedConv2d(width, 2 * width, stride=2), GatedConv2d(2 * width, 2 * width))
        wide = 4 * width
        self.inner = nn.Sequential(
            GatedConv2d(2 * width, wide, stride=2),
            *[GatedConv2d(wide, wide, dilation=dilation) for dilation in dilations],
            GatedConv2d(wide, 2 * width),
        )
        self.up = nn.ModuleList([GatedConv2d(4 * width, width), GatedConv2d(2 * width, width // 2)])
        he_(self)
        self.last = zero(nn.Conv2d(width // 2, channels, 3, padding=1))

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        smooth = smoothed(images, 1 - mask)
        outer = self.outer(torch.cat([smooth, mask], dim=1))
        middle = self.middle(outer)
        found = self.inner(middle)
        for level, joined in zip(self.up, (middle, outer), strict=True):
            found = level(torch.cat([F.interpolate(found, scale_factor=2.0), joined], dim=1))
        return bounded(smooth + mask * self.last(F.interpolate(found, scale_factor=2.0)).float())
