"""A translator that says where to change its input (AttentionGAN, Tang et al. 2019, arXiv 1911.11897, scheme I)."""

import torch
from torch import Tensor, nn


class MaskedChange(nn.Module):
    """x + m (f(x) - x): where the mask m is 0 an image stays as it is. [N, C, H, W] -> the same.

    Args:
        network: images [N, C, H, W] -> [N, C + 1, H, W] in [-1, 1], f(x) and below it the mask.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.parts(images)[0]

    def parts(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The changed images, and the masks [N, 1, H, W] in [0, 1]."""
        made = self.network(images).float()
        content, mask = made[:, :-1], (1 + made[:, -1:]) / 2
        return torch.lerp(images, content, mask), mask
