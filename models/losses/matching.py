"""Losses on what a discriminator sees in images rather than on its verdict. Features are [N, F]."""

import torch
import torch.nn.functional as F
from torch import Tensor


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """‖E h(x) - E h(G(z))‖² (arXiv 1606.03498, section 3.1), as a mean over the features."""
    return F.mse_loss(fake.float().mean(0), real.float().mean(0))


def pull_away(features: Tensor) -> Tensor:
    """Mean squared cosine between the features of different images, 0 to 1 (EBGAN, arXiv 1609.03126, equation 4)."""
    directions = F.normalize(features.float(), dim=1)
    cosines = directions @ directions.T
    count = len(features)
    return (cosines.square().sum() - torch.diagonal(cosines).square().sum()) / (count * (count - 1))
