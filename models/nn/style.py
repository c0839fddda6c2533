"""The style network of SS-GAN (Wang and Gupta 2016, arXiv 1603.05631, section 3.2)."""

import torch
from torch import Tensor, nn

from models.nn.init import normal_


class StyleGenerator(nn.Module):
    """Drawings [N, 1, S, S] and noise [N or 1, style] -> [N, channels, S, S] in [-1, 1]; S is a multiple of 8.

    The noise joins where the drawing is smallest; the way up sees the way down at the same size, so that lines stay.
    """

    def __init__(self, style: int, channels: int, width: int):
        super().__init__()

        def normed(layer: nn.Module, features: int) -> nn.Sequential:
            return nn.Sequential(layer, nn.BatchNorm2d(features), nn.LeakyReLU(0.2))

        def down(inputs: int, outputs: int) -> nn.Sequential:
            return normed(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), outputs)

        def up(inputs: int, outputs: int) -> nn.Sequential:
            return normed(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False), outputs)

        self.down = nn.ModuleList([down(1, width), down(width, 2 * width), down(2 * width, 4 * width)])
        self.join = nn.Sequential(
            normed(nn.Conv2d(4 * width + style, 4 * width, 3, padding=1, bias=False), 4 * width),
            normed(nn.Conv2d(4 * width, 4 * width, 3, padding=1, bias=False), 4 * width),
        )
        self.up = nn.ModuleList([up(4 * width, 2 * width), up(4 * width, width)])
        self.last = nn.Sequential(nn.ConvTranspose2d(2 * width, channels, 4, stride=2, padding=1), nn.Tanh())
        normal_(self)

    def forward(self, drawings: Tensor, style: Tensor) -> Tensor:
        half, quarter, eighth = (drawings := down(drawings) for down in self.down)
        everywhere = style[:, :, None, None].expand(eighth.shape[0], -1, *eighth.shape[2:])
        x = self.join(torch.cat([eighth, everywhere], dim=1))
        for up, mirrored in zip(self.up, (quarter, half), strict=True):
            x = torch.cat([up(x), mirrored], dim=1)
        return self.last(x)
