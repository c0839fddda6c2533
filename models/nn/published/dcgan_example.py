"""The generator of the DCGAN in PyTorch's examples (after Radford et al. 2015, arXiv 1511.06434)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from models.nn.published.network import NetworkConfig
from pictures.formats import Channels


class Config(NetworkConfig):
    """Of a `Generator`; `widths` are the channels of its maps, of 4, 8, 16 … pixels."""

    network: Literal["dcgan-example"] = "dcgan-example"
    latent: int
    widths: tuple[int, ...]
    channels: Channels = 3

    @property
    def size(self) -> int:
        """Side of the pictures."""
        return 4 * 2 ** len(self.widths)

    def build(self) -> Generator:
        """The network."""
        return Generator(self)


class Generator(nn.Module):
    """Latents [N, latent] -> images [N, C, size, size] in [-1, 1], by transposed convolutions."""

    def __init__(self, config: Config):
        super().__init__()
        self.latent_shape, self.channels, self.side, self.classes = (config.latent,), config.channels, config.size, 0
        widths = config.widths
        layers: list[nn.Module] = [nn.ConvTranspose2d(config.latent, widths[0], 4, 1, 0, bias=False)]
        for inputs, outputs in pairwise((*widths, config.channels)):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.main(latent[:, :, None, None])
