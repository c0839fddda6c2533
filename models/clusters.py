"""Lloyd's algorithm (k-means)."""

import torch
from torch import Tensor


def lloyd(points: Tensor, centres: Tensor, rounds: int) -> tuple[Tensor, float]:
    """Which centre each point is nearest to after some rounds, and the mean squared distance. [N, D], [K, D] -> [N]."""
    distances, nearest = torch.cdist(points, centres).min(1)
    for _ in range(rounds - 1):
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        counts = nearest.bincount(minlength=len(centres))[:, None]
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
        distances, nearest = torch.cdist(points, centres).min(1)
    return nearest, distances.square().mean().item()


def k_means(points: Tensor, count: int, rounds: int = 20, restarts: int = 5) -> Tensor:
    """The best of several starts from `count` of the points; the same for the same points. [N, D] -> [N]."""
    generator = torch.Generator().manual_seed(0)
    starts = [points[torch.randperm(len(points), generator=generator)[:count]] for _ in range(restarts)]
    return min((lloyd(points, centres, rounds) for centres in starts), key=lambda found: found[1])[0]
