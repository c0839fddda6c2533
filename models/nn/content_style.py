"""What an image shows and how it shows it, apart: the networks of MUNIT (arXiv 1804.04732, appendix B.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.init import he_
from models.nn.native import native
from models.nn.resnet import ResidualBlock


def _normed(inputs: int, outputs: int, side: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, side, stride=stride, padding=(side - 1) // 2, padding_mode="reflect")
    return [convolution, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


class ContentEncoder(nn.Module):
    """[N, C, H, W] -> the content [N, width * 4, H / 4, W / 4]. Its instance norms leave out what is style."""

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        self.net = nn.Sequential(
            *_normed(channels, width, 7),
            *_normed(width, width * 2, 4, stride=2),
            *_normed(width * 2, width * 4, 4, stride=2),
            *[ResidualBlock(width * 4) for _ in range(blocks)],
        )
        he_(self)
        self.native = native(16 * width + 180, multiple=4, least=16)
        """With a decoder behind it."""

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class StyleEncoder(nn.Module):
    """[N, C, H, W] -> [N, outputs]: four halvings without norms, which would remove the style, and a mean over all."""

    def __init__(self, channels: int, width: int, outputs: int):
        super().__init__()

        def halved(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.ReLU(inplace=True)]

        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 7, padding=3), nn.ReLU(inplace=True),
            *halved(width, width * 2), *halved(width * 2, width * 4),
            *halved(width * 4, width * 4), *halved(width * 4, width * 4),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width * 4, outputs),
        )  # fmt: skip
        he_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class AdaptiveNorm(nn.Module):
    """Instance norm whose scale and shift come from elsewhere (AdaIN, arXiv 1703.06868, eq. 8). [N, C, H, W]."""

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """`scale` and `shift` [N, C]; a scale of 0 leaves the spread as it is normed."""
        return F.instance_norm(x) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]


class _StyledBlock(nn.Module):
    """A residual block whose norms a style scales and shifts. [N, C, H, W] and [N, 4 C] -> [N, C, H, W]."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm = AdaptiveNorm()

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        scale_1, shift_1, scale_2, shift_2 = modulation.chunk(4, dim=1)
        inner = F.relu(self.norm(self.first(x), scale_1, shift_1))
        return x + self.norm(self.second(inner), scale_2, shift_2)


class Upsampler(nn.Module):
    """Content [N, width * 4, H / 4, W / 4] -> images [N, C, H, W] in [-1, 1].

    Layers are normed over all channels (group norm of one group), which keeps the scales that a style set. Their
    kernels are of 3 x 3, the paper's of 5 x 5.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()

        def doubled(inputs: int, outputs: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
            return [nn.Upsample(scale_factor=2), convolution, nn.GroupNorm(1, outputs), nn.ReLU(inplace=True)]

        self.net = nn.Sequential(
            *doubled(width * 4, width * 2), *doubled(width * 2, width),
            nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"), nn.Tanh(),
        )  # fmt: skip
        he_(self)

    def forward(self, content: Tensor) -> Tensor:
        return self.net(content)


class StyledDecoder(nn.Module):
    """Content [N, width * 4, h, w] and style [N, style] -> images [N, C, 4 h, 4 w] in [-1, 1]."""

    def __init__(self, channels: int, width: int, blocks: int, style: int):
        super().__init__()
        wide = width * 4
        self.blocks = nn.ModuleList(_StyledBlock(wide) for _ in range(blocks))
        self.teller = nn.Sequential(
            nn.Linear(style, wide), nn.ReLU(inplace=True),
            nn.Linear(wide, wide), nn.ReLU(inplace=True),
            nn.Linear(wide, 4 * wide * blocks),
        )  # fmt: skip
        self.up = Upsampler(channels, width)
        he_(self)

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        for block, modulation in zip(self.blocks, self.teller(style).chunk(len(self.blocks), dim=1), strict=True):
            content = block(content, modulation)
        return self.up(content)
