"""Two-player objectives: what a discriminator and a generator minimise, given its outputs. Names as in the papers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models.losses.divergence import DIVERGENCES, Divergence


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
    """-E f(x) + E f(G(z)) against -E f(G(z)) (WGAN, arXiv 1701.07875, equation 2), while a penalty bounds f's slope."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class Margin(Adversarial):
    """D(x) + [m - D(G(z))]₊ against D(G(z)) (EBGAN, arXiv 1609.03126, equations 1 and 2). D is an energy: low is real.

    Args:
        margin: energy from which the discriminator no longer cares for generated images.
    """

    def __init__(self, margin: float):
        self.margin = margin

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return real.mean() + F.relu(self.margin - fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return fake.mean()


class Variational(Adversarial):
    """-E T(x) + E f*(T(G(z))) against -E T(G(z)), T = g_f(V) of an f-divergence (f-GAN, arXiv 1606.00709, section 3.2).

    The generator's is the paper's practical form, which does not saturate: the usual trick, for every divergence.
    """

    def __init__(self, divergence: Divergence):
        self.divergence = divergence

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.divergence.conjugate(fake).mean() - self.divergence.activation(real).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -self.divergence.activation(fake).mean()


class PerScale:
    """A pair of losses, averaged over a discriminator's scales: both take a list of outputs, one per scale."""

    def __init__(self, pair: Adversarial):
        self.pair = pair

    def discriminator(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
        return reduce(torch.add, map(self.pair.discriminator, real, fake)) / len(real)

    def generator(self, fake: Sequence[Tensor]) -> Tensor:
        return reduce(torch.add, map(self.pair.generator, fake)) / len(fake)


Objective = Literal[
    "non-saturating",
    "least-squares",
    "wasserstein",
    "margin",
    "kl",
    "reverse-kl",
    "pearson",
    "neyman",
    "squared-hellinger",
    "jensen-shannon",
    "gan",
]
"""What a config may name: one of the classes above, or a divergence that is played for."""


def adversarial(name: Objective, smoothing: float = 0.0, margin: float = 10.0) -> Adversarial:
    """The objective by its name; `smoothing` counts for `non-saturating`, `margin` for `margin`."""
    if name in DIVERGENCES:
        return Variational(DIVERGENCES[name])
    return {
        "non-saturating": NonSaturating(smoothing),
        "least-squares": LeastSquares(),
        "wasserstein": Wasserstein(),
        "margin": Margin(margin),
    }[name]
