"""The smooth fill of a hole (push and pull, Gortler et al. 1996, doi 10.1145/237170.237200, section 3.5)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def smoothed(images: Tensor, known: Tensor) -> Tensor:
    """Images with what is not known filled by a surface that goes on from what is: from the means of what is known, at
    every scale. [N, C, H, W] and [N, 1, H, W] of 0 and 1 -> [N, C, H, W]; with nothing known, 0."""
    shares, sums = known, images * known
    if images.shape[-1] % 2 or images.shape[-2] % 2 or min(images.shape[2:]) < 4:
        total = shares.sum((2, 3), keepdim=True).clamp(min=1)
        coarser = (sums.sum((2, 3), keepdim=True) / total).expand_as(images)
    else:
        shares, sums = F.avg_pool2d(shares, 2), F.avg_pool2d(sums, 2)
        seen = (shares > 0).to(images.dtype)
        means = sums / torch.where(shares > 0, shares, 1)
        coarser = F.interpolate(smoothed(means, seen), scale_factor=2.0, mode="bilinear")
    return torch.where(known > 0, images, coarser)
