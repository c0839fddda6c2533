"""StarGAN's discriminator (arXiv 1711.09020, section 7.2): verdicts on patches, and what domain an image is of."""

import torch
from torch import Tensor, nn

from models.nn.init import he_


class ClassifyingCritic(nn.Module):
    """[N, C, size, size] -> verdicts [N, 1, h, w] and logits [N, classes]. No norms, which a gradient penalty forbids.

    Its first weights keep the scale: without norms DCGAN's, of 0.02, would be too small to learn from soon.
    Its layers leak with a slope of 0.2, the paper's with 0.01.

    Args:
        halvings: strided layers; the maps before the two heads have size / 2 ** halvings pixels on a side.
        projection: whether a verdict is on an image as one of its domains (arXiv 1802.05637, equation 3).
    """

    def __init__(self, channels: int, size: int, classes: int, width: int, halvings: int, projection: bool = False):
        super().__init__()
        self.projection = projection
        layers: list[nn.Module] = []
        features = channels
        for level in range(halvings):
            wider = width * 2**level
            layers += [nn.Conv2d(features, wider, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
            features = wider
        self.trunk = nn.Sequential(*layers)
        self.verdict = nn.Conv2d(features, 1 + classes * projection, 3, padding=1, bias=False)
        self.head = nn.Conv2d(features, classes, size // 2**halvings, bias=False)
        he_(self)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """`labels` [N, classes] of 0 and 1: what the images are said to be, which only projection asks for."""
        seen = self.trunk(images)
        verdicts = self.verdict(seen)
        if self.projection:
            whole, parts = verdicts.split([1, labels.shape[1]], dim=1)
            verdicts = whole + torch.einsum("nkhw,nk->nhw", parts, labels.to(parts.dtype))[:, None]
        return verdicts, self.head(seen).flatten(1)
