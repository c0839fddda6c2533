"""Telling a discriminator how alike the images of a batch are (Salimans et al. 2016, arXiv 1606.03498, section 3.2)."""

import torch
from torch import Tensor, nn


class MinibatchDiscrimination(nn.Module):
    """[N, F] -> [N, F + kernels]: beside its features, each image's closeness to the others of its batch.

    A generator that makes one image over and over is found out, as no image alone would give it away. For training
    only: what is said of an image depends on its batch.
    """

    def __init__(self, features: int, kernels: int, dimensions: int = 5):
        super().__init__()
        self.kernels = kernels
        self.project = nn.Linear(features, kernels * dimensions, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        rows = self.project(features).float().unflatten(1, (self.kernels, -1))
        apart = (rows[:, None] - rows[None]).abs().sum(3)
        others = (-apart).exp().sum(1) - 1
        return torch.cat([features, others.to(features.dtype)], dim=1)


def head(features: int, outputs: int, kernels: int = 0) -> nn.Module:
    """The last layers of a discriminator, [N, features] -> [N, outputs], with minibatch discrimination if `kernels`."""
    if not kernels:
        return nn.Linear(features, outputs)
    return nn.Sequential(MinibatchDiscrimination(features, kernels), nn.Linear(features + kernels, outputs))
