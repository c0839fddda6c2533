"""Losses on the activations of a feature network: what an image shows, and in what manner. Activations [N, C, H, W]."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Activations = Mapping[str, Tensor]
"""Of one batch, by the layers' names."""


def gram(activations: Tensor) -> Tensor:
    """How channels go together, wherever they do: the mean over the pixels of their products, [N, C, C].

    Gatys et al. 2015 (arXiv 1508.06576, equation 3), as a mean so that pictures of any size compare.
    """
    flat = activations.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def style_loss(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """Squared distance of the Gram matrices, of each layer as a share of the wanted one's square; their mean. [N].

    The paper's equation 5; relative, so that no layer counts more for its scale (0 is alike, 1 as far as no picture at
    all).
    """
    shares = [_apart(found[name], wanted[name]) for name in wanted]
    return torch.stack(shares).mean(0)


def content_loss(found: Activations, wanted: Activations) -> Tensor:
    """Squared distance of the activations (the paper's equation 1), relative as in `style_loss`. [N]."""
    shares = [_apart(found[name].float(), wanted[name].float()) for name in wanted]
    return torch.stack(shares).mean(0)


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, across and down. [N, C, H, W] -> [N]."""
    down, across = images.diff(dim=2), images.diff(dim=3)
    return down.square().flatten(1).mean(1) + across.square().flatten(1).mean(1)


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """‖found - wanted‖² / ‖wanted‖², [N]."""
    return (found - wanted).square().flatten(1).sum(1) / wanted.square().flatten(1).sum(1).clamp(min=1e-8)
