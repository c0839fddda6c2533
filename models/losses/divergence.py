"""The divergences of f-GAN (Nowozin et al. 2016, arXiv 1606.00709, tables 1, 2 and 6), and how each is played for.

D_f(P‖Q) = E_q f(p/q) is bounded from below by E_p T - E_q f*(T) for any T, and equals it at T = f'(p/q) (equation 4).
T = g_f(V) keeps a network's free output V in the domain of the conjugate f*.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Divergence:
    """One row of the table; all three are elementwise."""

    f: Function
    """Convex with f(1) = 0, of a ratio of densities."""
    activation: Function
    """g_f, increasing: V to T."""
    conjugate: Function
    """f*(g_f(V)) as a function of V: put together, neither overflows where the other would have saved it."""


DIVERGENCES: dict[str, Divergence] = {
    "kl": Divergence(
        f=lambda u: u * u.log(),
        activation=lambda v: v,
        conjugate=lambda v: (v - 1).exp(),
    ),
    "reverse-kl": Divergence(
        f=lambda u: -u.log(),
        activation=lambda v: -(-v).exp(),
        conjugate=lambda v: v - 1,
    ),
    "pearson": Divergence(
        f=lambda u: (u - 1).square(),
        activation=lambda v: v,
        conjugate=lambda v: v.square() / 4 + v,
    ),
    "neyman": Divergence(
        f=lambda u: (1 - u).square() / u,
        activation=lambda v: 1 - (-v).exp(),
        conjugate=lambda v: 2 - 2 * (-v / 2).exp(),
    ),
    "squared-hellinger": Divergence(
        f=lambda u: (u.sqrt() - 1).square(),
        activation=lambda v: 1 - (-v).exp(),
        conjugate=lambda v: v.exp() - 1,
    ),
    "jensen-shannon": Divergence(
        f=lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        activation=lambda v: math.log(2) - F.softplus(-v),
        conjugate=lambda v: F.softplus(v) - math.log(2),
    ),
    "gan": Divergence(
        f=lambda u: u * u.log() - (u + 1) * (u + 1).log() + math.log(4),
        activation=lambda v: -F.softplus(-v),
        conjugate=lambda v: F.softplus(v) - math.log(4),
    ),
}
"""By the paper's names. Where the paper's `gan` has f(1) = -log 4, ours has 0, which shifts D_f and no gradient."""
