"""How often a translation is recognised as the one that it should be, among others."""

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 16
"""Of the thumbnails that are compared."""
WAYS = 100
"""Truths among which a picture has to find its own."""


def thumbnails(images: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, D]: what sets each image, at `SIDE` pixels, apart from the mean of all, at length 1."""
    small = F.adaptive_avg_pool2d(images, SIDE).flatten(1)
    return F.normalize(small - small.mean(0), dim=1)


def retrieval(found: Tensor, truth: Tensor, ways: int = WAYS) -> float:
    """The chance that of `ways` truths, drawn with its own among them, a row's own is the nearest to it.

    Expected over all draws, in closed form: C(N-1-r, ways-1) / C(N-1, ways-1) with r of the N truths nearer than it.

    Args:
        found: features [N, D] of what was made, N at least `ways`.
        truth: features [N, D] of what should have been made, in the same order.
    """
    distances = torch.cdist(found.double(), truth.double())
    nearer = (distances < distances.diagonal()[:, None]).sum(1)
    others = torch.tensor(len(truth) - 1)
    chances = (_log_choices(others - nearer, ways - 1) - _log_choices(others, ways - 1)).exp()
    return chances.mean().item()


def _log_choices(count: Tensor, chosen: int) -> Tensor:
    """log C(count, chosen), -inf where there are too few."""
    rest = (count - chosen).double()
    choices = torch.lgamma(count.double() + 1) - torch.lgamma(rest.clamp_min(0) + 1)
    return torch.where(rest < 0, -torch.inf, choices - torch.lgamma(torch.tensor(chosen + 1.0, dtype=torch.float64)))
