"""The generator of the official StarGAN (Choi et al. 2017, arXiv 1711.09020, table 4)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.nn.native import native
from models.nn.published.network import NetworkConfig


class Config(NetworkConfig):
    """Of a `Generator`."""

    network: Literal["stargan"] = "stargan"
    width: int
    blocks: int
    classes: int
    statistics: Literal["stored", "picture"] = "picture"
    """What its instance norms normalise by; its own test goes by each picture's."""

    def build(self) -> Generator:
        """The network."""
        return Generator(self)


class Generator(nn.Module):
    """Images [N, 3, H, W] in [-1, 1] and what they are to be [N, classes] -> [N, 3, H, W]; H and W multiples of 4."""

    channels = 3

    def __init__(self, config: Config):
        super().__init__()
        self.classes, width = config.classes, config.width
        stored = config.statistics == "stored"

        def normed(features: int) -> list[nn.Module]:
            return [nn.InstanceNorm2d(features, affine=True, track_running_stats=stored), nn.ReLU()]

        layers: list[nn.Module] = [nn.Conv2d(3 + config.classes, width, 7, padding=3, bias=False), *normed(width)]
        for wide in (width * 2, width * 4):
            layers += [nn.Conv2d(wide // 2, wide, 4, 2, 1, bias=False), *normed(wide)]
        layers += [_Block(width * 4, stored) for _ in range(config.blocks)]
        for wide in (width * 4, width * 2):
            layers += [nn.ConvTranspose2d(wide, wide // 2, 4, 2, 1, bias=False), *normed(wide // 2)]
        layers += [nn.Conv2d(width, 3, 7, padding=3, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)
        self.native = native(16 * width + 180, multiple=4, least=16)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        maps = targets[:, :, None, None].to(images.dtype).expand(-1, -1, *images.shape[2:])
        return self.main(torch.cat([images, maps], dim=1))


class _Block(nn.Module):
    def __init__(self, features: int, stored: bool):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.InstanceNorm2d(features, affine=True, track_running_stats=stored), nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
            nn.InstanceNorm2d(features, affine=True, track_running_stats=stored),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x)
