"""What codes know of the classes that no label was given for."""

import torch
from torch import Tensor

_ROWS = 500


def neighbour_accuracy(codes: Tensor, labels: Tensor, references: Tensor, theirs: Tensor) -> float:
    """How often the nearest of the reference codes is of the same class (as in BiGAN, arXiv 1605.09782, sec. 4.2).

    [N, D], [N], [M, D], [M].
    """
    nearest = torch.cat([torch.cdist(rows, references).argmin(1) for rows in codes.split(_ROWS)])
    return (theirs[nearest] == labels).float().mean().item()


def cluster_error(clusters: Tensor, labels: Tensor) -> float:
    """Share of points that are not of their cluster's most frequent class (as in InfoGAN, arXiv 1606.03657, sec. 7.2).

    [N], [N].
    """
    counts = torch.zeros(int(clusters.max()) + 1, int(labels.max()) + 1)
    counts.index_put_((clusters, labels), torch.ones(len(labels)), accumulate=True)
    return 1 - (counts.max(1).values.sum() / len(labels)).item()
