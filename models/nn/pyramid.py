"""What adds detail in a Laplacian pyramid of GANs (Denton et al. 2015, arXiv 1506.05751, section 4.2)."""

import torch
from torch import Tensor, nn

from models.nn.init import normal_


class _Block(nn.Module):
    """x + f(x), f = two 3x3 convolutions with batch norm."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class ResidualGenerator(nn.Module):
    """A blurred image and a plane of noise to the detail that the image lacks (the paper's h).

    [N, channels, S, S] and [N, 1, S, S] -> [N, channels, S, S]. It works on patches of 2x2 pixels as one, which costs a
    quarter of the paper's convolutions at full size.
    """

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d((channels + 1) * 4, width, 3, padding=1), nn.ReLU(),
            *[_Block(width) for _ in range(blocks)],
            nn.ReLU(), nn.Conv2d(width, channels * 4, 3, padding=1),
            nn.PixelShuffle(2),
        )  # fmt: skip
        normal_(self)

    def forward(self, low: Tensor, noise: Tensor) -> Tensor:
        return self.net(torch.cat([low, noise], dim=1))
