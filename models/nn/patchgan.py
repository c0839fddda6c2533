"""The PatchGAN discriminator (pix2pix, arXiv 1611.07004, section 3.2.2): one verdict per overlapping patch."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.init import normal_


class PatchGAN(nn.Module):
    """[N, C, H, W] -> logits [N, 1, h, w]; three halvings see patches of 70 x 70 pixels, two see 34 x 34.

    Args:
        halvings: strided layers before the two of stride one.
    """

    def __init__(self, channels: int, width: int = 64, halvings: int = 3):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        features = width
        for level in range(1, halvings + 1):
            wider = width * min(2**level, 8)
            layers += [
                nn.Conv2d(features, wider, 4, stride=2 if level < halvings else 1, padding=1),
                nn.InstanceNorm2d(wider, affine=True),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            features = wider
        layers += [nn.Conv2d(features, 1, 4, padding=1)]
        self.net = nn.Sequential(*layers)
        normal_(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def features(self, images: Tensor) -> list[Tensor]:
        """What each hidden layer makes of the images, and the logits: [N, c, h, w] each."""
        found = []
        for layer in self.net:
            images = layer(images)
            if isinstance(layer, nn.LeakyReLU):
                found.append(images)
        return [*found, images]


class MultiScalePatchGAN(nn.Module):
    """Several discriminators, each of which sees the image at half the side of the one before.

    pix2pixHD (arXiv 1711.11585, section 3.2); MUNIT and BicycleGAN use it. [N, C, H, W] -> logits [N, 1, h, w] each.
    """

    def __init__(self, channels: int, width: int = 64, halvings: int = 3, scales: int = 2):
        super().__init__()
        self.scales = nn.ModuleList(PatchGAN(channels, width, halvings) for _ in range(scales))

    def forward(self, images: Tensor) -> list[Tensor]:
        verdicts = []
        for scale in self.scales:
            verdicts.append(scale(images))
            images = F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
        return verdicts
