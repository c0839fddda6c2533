"""From noise to an image by a denoiser: samplers apart from the network that they call.

In all of this x = x₀ + σ n, n standard normal (the variance-exploding form; x / √(1 + σ²) is the variance-preserving
one of DDPM, whose samplers are the same in these terms: Karras et al. 2022, arXiv 2206.00364, appendix B and C.2).
A sampler goes down a list of noise levels σ₀ > σ₁ > … > 0 and calls the denoiser once for each but the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import log

from torch import Tensor

from models.noise import Stream

Denoise = Callable[[Tensor, float], Tensor]
"""(x [N, C, H, W], σ) -> E[x₀ | x], the same shape."""

Sampler = Callable[[Denoise, Tensor, Sequence[float], Stream], Iterator[tuple[Tensor, Tensor]]]
"""(denoiser, x at the first level, levels, more noise) -> after each level, x at the next and the denoiser's x₀."""


def karras_levels(count: int, highest: float, lowest: float, rho: float = 7.0) -> list[float]:
    """`count` noise levels that are evenly spaced in σ^(1/ρ), then 0 (arXiv 2206.00364, equation 5)."""
    first, last = highest ** (1 / rho), lowest ** (1 / rho)
    return [(first + index / max(count - 1, 1) * (last - first)) ** rho for index in range(count)] + [0.0]


def ddpm(denoise: Denoise, x: Tensor, levels: Sequence[float], noise: Stream) -> Iterator[tuple[Tensor, Tensor]]:
    """Ancestral sampling from q(x' | x, x₀), with the smaller variance (Ho et al. 2020, arXiv 2006.11239, eq. 7).

    Converges to the data's distribution as the levels grow dense; with few of them it is the poorest of the three.
    """
    for level, following in pairwise(levels):
        clean = denoise(x, level)
        kept = (following / level) ** 2
        spread = (kept * (level**2 - following**2)) ** 0.5
        x = kept * x + (1 - kept) * clean
        if spread:
            x = x + spread * noise.normal(x.shape[1:])
        yield x, clean


def ddim(denoise: Denoise, x: Tensor, levels: Sequence[float], noise: Stream) -> Iterator[tuple[Tensor, Tensor]]:
    """Euler steps along the probability flow, without noise (Song et al. 2020, arXiv 2010.02502, eq. 12, η = 0).

    Of first order. Levels that rise lead from an image back to its noise.
    """
    for level, following in pairwise(levels):
        clean = denoise(x, level)
        x = clean + following / level * (x - clean)
        yield x, clean


def dpm_solver(denoise: Denoise, x: Tensor, levels: Sequence[float], noise: Stream) -> Iterator[tuple[Tensor, Tensor]]:
    """DPM-Solver++(2M): the same flow, exact in its linear part, extrapolating x₀ from two levels (Lu et al. 2022,
    arXiv 2211.01095, algorithm 2). Of second order; the first step and the step to 0 are of first.
    """
    earlier: Tensor | None = None
    width = 0.0
    for level, following in pairwise(levels):
        clean = denoise(x, level)
        if following == 0:
            x = clean
        else:
            before, width = width, log(level / following)  # in the half-logarithm of the signal-to-noise ratio, -log σ
            guess = clean if earlier is None else clean + width / (2 * before) * (clean - earlier)
            x = following / level * x + (1 - following / level) * guess
        earlier = clean
        yield x, clean


SAMPLERS: dict[str, Sampler] = {"dpm-solver++": dpm_solver, "ddim": ddim, "ddpm": ddpm}
