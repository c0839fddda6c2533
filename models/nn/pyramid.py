"""Networks of a Laplacian pyramid of GANs (Denton et al. 2015, arXiv 1506.05751, section 4.2)."""

import torch
from torch import Tensor, nn

from models.nn.init import normal_


class CoarseGenerator(nn.Module):
    """[N, latent] -> [N, channels, side, side] in [-1, 1]: two fully connected hidden layers."""

    def __init__(self, latent: int, channels: int, side: int, hidden: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, channels * side * side), nn.Tanh(), nn.Unflatten(1, (channels, side, side)),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        return self.net(latent)


class CoarseDiscriminator(nn.Module):
    """[N, channels, side, side] -> logits [N]."""

    def __init__(self, channels: int, side: int, hidden: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * side * side, hidden), nn.LeakyReLU(0.2), nn.Dropout(0.3),
            nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), nn.Dropout(0.3),
            nn.Linear(hidden, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images).flatten()


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
