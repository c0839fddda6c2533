"""Two-player objectives: what a discriminator and a generator minimise, given logits. Names as in the papers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class Adversarial(ABC):
    """A pair of losses on discriminator outputs of any shape; both return scalars to minimise."""

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimises on its outputs for real and for generated images."""

    @abstractmethod
    def generator(self, fake: Tensor) -> Tensor:
        """What the generator minimises on the discriminator's outputs for its images."""


class NonSaturating(Adversarial):
    """-log D(x) - log(1 - D(G(z))) against -log D(G(z)) (arXiv 1406.2661, section 3).

    Args:
        smoothing: one-sided label smoothing; real targets become 1 - smoothing (arXiv 1606.03498, section 3.4).
    """

    def __init__(self, smoothing: float = 0.0):
        self.smoothing = smoothing

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        target = torch.full_like(real, 1 - self.smoothing)
        return F.binary_cross_entropy_with_logits(real, target) + F.softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


class LeastSquares(Adversarial):
    """½(D(x) - 1)² + ½D(G(z))² against ½(D(G(z)) - 1)² (LSGAN, arXiv 1611.04076, equation 9)."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())

    def generator(self, fake: Tensor) -> Tensor:
        return 0.5 * (fake - 1).square().mean()


class Wasserstein(Adversarial):
    """E f(G(z)) - E f(x) against -E f(G(z)); f needs a penalty or clipping besides (WGAN, arXiv 1701.07875, eq. 3)."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class PerScale(Adversarial):
    """Another pair, averaged over a discriminator's scales: both take a list of outputs, one per scale."""

    def __init__(self, pair: Adversarial):
        self.pair = pair

    def discriminator(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
        return sum(map(self.pair.discriminator, real, fake)) / len(real)

    def generator(self, fake: Sequence[Tensor]) -> Tensor:
        return sum(map(self.pair.generator, fake)) / len(fake)


ADVERSARIAL: dict[str, type[Adversarial]] = {
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "wasserstein": Wasserstein,
}
"""The pairs by the names that settings use."""
