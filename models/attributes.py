"""What can be said of an image by a number: codes that a model has, and directions of its latent that were found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from models import card

_INSIDE = 1e-4
"""How far a quantile stays from 0 and 1, whose normal numbers are infinite."""


class LatentAttribute(ABC):
    """A property of an image that can be set in its latent."""

    @property
    @abstractmethod
    def record(self) -> card.Attribute:
        """The values that it takes."""

    @abstractmethod
    def put(self, latent: Tensor, value: float) -> Tensor:
        """The latents [N, *latent_shape] with the attribute set."""


@dataclass(frozen=True)
class Code(LatentAttribute):
    """A uniform number in [-1, 1]: the quantile of the latent's number at `place`."""

    place: int

    @property
    def record(self) -> card.Attribute:
        return card.Attribute(low=-1, high=1, told="a code that the model found without labels")

    def value(self, latent: Tensor) -> Tensor:
        """[N, D] -> [N]."""
        return 2 * torch.special.ndtr(latent[:, self.place]) - 1

    def put(self, latent: Tensor, value: float) -> Tensor:
        return _with(latent, self.place, (value + 1) / 2)


@dataclass(frozen=True)
class Category(LatentAttribute):
    """One of `count` equally frequent kinds: a quantile of the latent's number at `place`."""

    place: int
    count: int

    @property
    def record(self) -> card.Attribute:
        return card.Attribute(low=0, high=self.count - 1, whole=True, told="a kind that the model found without labels")

    def value(self, latent: Tensor) -> Tensor:
        """[N, D] -> [N], whole numbers."""
        return (torch.special.ndtr(latent[:, self.place]) * self.count).floor().clamp(max=self.count - 1)

    def put(self, latent: Tensor, value: float) -> Tensor:
        return _with(latent, self.place, (value + 0.5) / self.count)


@dataclass(frozen=True)
class LatentDirection(LatentAttribute):
    """A vector [*latent_shape] that is added so many times; 0 leaves the latent where it is."""

    vector: Tensor
    values: card.Attribute

    @property
    def record(self) -> card.Attribute:
        return self.values

    def put(self, latent: Tensor, value: float) -> Tensor:
        return latent + value * self.vector


def _with(latent: Tensor, place: int, quantile: float) -> Tensor:
    """The latents [N, D] with the normal number of this quantile at `place`."""
    number = torch.special.ndtri(torch.tensor(quantile).clamp(_INSIDE, 1 - _INSIDE))
    return latent.index_fill(1, torch.tensor([place]), number)
