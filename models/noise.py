"""Noise that belongs to an image: drawn on the CPU from the image's own seed, so batch neighbours never change it."""

import hashlib
from collections.abc import Sequence

import numpy as np
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


class Stream:
    """More noise for each row of a latent, without end, drawn from what the row itself holds.

    So whatever is made from a latent depends on it alone, and on no batch neighbour, however many draws it takes.
    """

    def __init__(self, latent: Tensor):
        """
        Args:
            latent: [N, ...] float32.
        """
        keys = [hashlib.blake2b(row.numpy().tobytes(), digest_size=16).digest() for row in latent.cpu().contiguous()]
        self._generators = [np.random.Generator(np.random.Philox(key=int.from_bytes(key))) for key in keys]
        self._device = latent.device

    def normal(self, shape: Sequence[int]) -> Tensor:
        """The next [N, *shape] float32, standard normal."""
        rows = [torch.from_numpy(row.standard_normal(tuple(shape), np.float32)) for row in self._generators]
        return torch.stack(rows).to(self._device)

    def dropout(self, shape: Sequence[int], rate: float) -> Tensor:
        """The next factors of dropout, [N, *shape] float32: 0 with probability `rate`, else 1 / (1 - `rate`).

        Args:
            rate: in [0, 1).
        """
        rows = [torch.from_numpy(row.random(tuple(shape), np.float32)) for row in self._generators]
        return (torch.stack(rows).to(self._device) >= rate) / (1 - rate)
