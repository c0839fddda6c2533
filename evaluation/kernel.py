"""The kernel distance between clouds of features (KID's formula, Bińkowski et al. 2018, arXiv 1801.01401, sec. 3)."""

import torch
from torch import Tensor


def kernel_distance(first: Tensor, second: Tensor, subsets: int = 50, size: int = 1000) -> float:
    """The unbiased squared MMD with kernel (xᵀy/D + 1)³, mean over random subsets. [N, D], [M, D]; may be below 0.

    Unlike the Fréchet distance it has no bias that depends on N. Only with Inception's features is it the KID.
    """
    generator = torch.Generator().manual_seed(0)
    size = min(size, len(first), len(second))

    def drawn(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=generator)[:size]].double()

    return sum(_squared_mmd(drawn(first), drawn(second)) for _ in range(subsets)) / subsets


def _squared_mmd(x: Tensor, y: Tensor) -> float:
    count, dimensions = x.shape

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / dimensions + 1) ** 3

    def within(a: Tensor) -> Tensor:
        whole = kernel(a, a)
        return (whole.sum() - whole.trace()) / (count * (count - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())
