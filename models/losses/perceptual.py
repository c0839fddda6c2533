"""How far apart images are in what a network sees of them (Johnson et al. 2016, arXiv 1603.08155, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from models.nn.vgg import VGG


class Perceptual:
    """The mean absolute difference of features, as a share of their mean in the real images; mean over the layers.

    Args:
        network: ready to serve; it is not trained.
        layers: whose features are compared.
    """

    def __init__(self, network: VGG, layers: Sequence[str]):
        self.network = network
        self.layers = tuple(layers)

    def __call__(self, images: Tensor, real: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] twice -> a scalar."""
        network = self.network.to(images.device)
        made, wanted = network.features(images, self.layers), network.features(real, self.layers)
        shares = [
            F.l1_loss(made[name].float(), wanted[name].float()) / wanted[name].float().abs().mean()
            for name in self.layers
        ]
        return reduce(torch.add, shares) / len(shares)
