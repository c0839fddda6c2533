"""The residual translator of CycleGAN (arXiv 1703.10593, section 7.1, after Johnson et al., arXiv 1603.08155)."""

from torch import Tensor, nn

from models.nn.init import normal_


class ResidualBlock(nn.Module):
    """x + f(x), f = two reflection-padded 3x3 convolutions with instance norm. [N, C, H, W] -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class ResNetTranslator(nn.Module):
    """[N, C, H, W] in [-1, 1] -> the same; H, W multiples of 4. Two halvings, `blocks` residual blocks, two doublings.

    Args:
        width: channels of the first feature map (the paper's 64).
        blocks: 6 for 128 pixels, 9 for 256 (the paper's choice).
    """

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        wide = width * 4

        def norm(features: int) -> list[nn.Module]:
            return [nn.InstanceNorm2d(features), nn.ReLU(inplace=True)]

        self.net = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), *norm(width),
            nn.Conv2d(width, width * 2, 3, stride=2, padding=1), *norm(width * 2),
            nn.Conv2d(width * 2, wide, 3, stride=2, padding=1), *norm(wide),
            *[ResidualBlock(wide) for _ in range(blocks)],
            nn.ConvTranspose2d(wide, width * 2, 3, stride=2, padding=1, output_padding=1), *norm(width * 2),
            nn.ConvTranspose2d(width * 2, width, 3, stride=2, padding=1, output_padding=1), *norm(width),
            nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh(),
        )  # fmt: skip
        normal_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)
