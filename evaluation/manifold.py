"""Precision and recall of samples by nearest neighbours (Kynkäänniemi et al. 2019, arXiv 1904.06991, eqs. 1 and 2)."""

import torch
from torch import Tensor

_ROWS = 1000


def precision_recall(made: Tensor, real: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Share of made features within the manifold of the real, and of the real within that of the made. [N, D], [M, D].

    The manifold of a cloud is the union of balls around its points, each as wide as its k-th neighbour is far.
    """
    return _within(made, real, neighbours), _within(real, made, neighbours)


def _within(points: Tensor, cloud: Tensor, neighbours: int) -> float:
    reach = torch.cat([torch.cdist(rows, cloud).kthvalue(neighbours + 1).values for rows in cloud.split(_ROWS)])
    inside = torch.cat([(torch.cdist(rows, cloud) <= reach).any(1) for rows in points.split(_ROWS)])
    return inside.float().mean().item()
