"""The translator of DiscoGAN (arXiv 1703.05192, section 3.1): a convolutional encoder and decoder."""

from itertools import pairwise

from torch import Tensor, nn

from models.nn.init import normal_
from models.nn.native import native


class Hourglass(nn.Module):
    """[N, C, H, W] in [-1, 1] -> the same, through maps of a sixteenth of the side; H, W multiples of 16.

    With instance norm, so that an image never depends on its batch (the paper: batch norm).

    Args:
        width: channels of the outermost feature map (the paper's 64), doubled at each halving up to `width * 8`.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        steps = list(pairwise((width, width * 2, width * 4, width * 8)))
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for narrow, wide in steps:
            layers += [
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1),
                nn.InstanceNorm2d(wide, affine=True),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        for narrow, wide in reversed(steps):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),
                nn.InstanceNorm2d(narrow, affine=True),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.net = nn.Sequential(*layers)
        normal_(self)
        self.native = native(5 * width + 60, multiple=16, least=32)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)
