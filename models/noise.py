"""Noise that belongs to an image: drawn on the CPU from the image's own seed, so batch neighbours never change it."""

from collections.abc import Sequence

import torch
from torch import Tensor


def normal(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Standard normal noise, one row per seed. Returns [len(seeds), *shape] float32."""
    return torch.stack([torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def truncated(seeds: Sequence[int], shape: Sequence[int], threshold: float) -> Tensor:
    """Normal noise in which values beyond ±`threshold` are drawn again (BigGAN, arXiv 1809.11096, section 3.1).

    Args:
        threshold: above 0; the smaller, the more typical and the less varied the images.

    Returns:
        [len(seeds), *shape] float32 in [-threshold, threshold].
    """
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand(*shape, generator=generator, dtype=torch.float64)
        mass = torch.erf(torch.tensor(threshold, dtype=torch.float64) / 2**0.5)
        rows.append((torch.erfinv((2 * uniform - 1) * mass) * 2**0.5).float())  # inverse CDF: redrawing without a loop
    return torch.stack(rows)
