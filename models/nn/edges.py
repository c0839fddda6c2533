"""The edges of a picture, as a drawing: structure that any picture gives for free."""

import torch
import torch.nn.functional as F
from torch import Tensor

FAINTEST, STRONGEST = 0.15, 0.6
"""Slopes, of pictures in [-1, 1] per pixel, below which there is no line and from which on it is black."""


def edges(images: Tensor) -> Tensor:
    """Black lines on white where any channel is steep (Sobel). Differentiable.

    [N, C, H, W] in [-1, 1] -> [N, 1, H, W] in [-1, 1].
    """
    across = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    kernels = torch.stack([across, across.T])[:, None]
    channels = F.pad(images.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    slopes = (F.conv2d(channels, kernels).square().sum(1) + 1e-8).sqrt().unflatten(0, images.shape[:2])
    steepest = slopes.amax(1, keepdim=True)
    return 1 - 2 * ((steepest - FAINTEST) / (STRONGEST - FAINTEST)).clamp(0, 1)
