"""Losses on the activations of a feature network: what is shown, and in what manner. Activations are [N, C, H, W]."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Activations = Mapping[str, Tensor]
"""Of one batch, by the layers' names."""
Manner = Mapping[str, Tensor]
"""The same as `manner` gives it of each layer."""


def manner(activations: Tensor) -> Tensor:
    """The mean of each channel, and how channels go together around these, wherever they do: [N, C, 1 + C].

    The Gram matrices of Gatys et al. 2015 (arXiv 1508.06576, equation 3), which are of means and covariances in one,
    with the two apart: rectified activations have large means, beside which the rest would hardly count. They are means
    over the pixels, so that pictures of any size compare.
    """
    flat = activations.float().flatten(2)
    mean = flat.mean(2, keepdim=True)
    centred = flat - mean
    return torch.cat([mean, centred @ centred.transpose(1, 2) / flat.shape[2]], dim=2)


def style_loss(found: Manner, wanted: Manner) -> Tensor:
    """Squared distance of the means, and that of the covariances, each as a share of the wanted ones' square; the mean
    of both over the layers (the paper's equation 5). [N].

    Relative, so that no layer counts more for its scale: 0 is alike, 1 as far as a picture of nothing at all.
    """
    parts = [part for name in wanted for part in zip(_parts(found[name]), _parts(wanted[name]), strict=True)]
    return torch.stack([_apart(*part) for part in parts]).mean(0)


def content_loss(found: Activations, wanted: Activations) -> Tensor:
    """Squared distance of the activations (the paper's equation 1), relative as in `style_loss`. [N]."""
    shares = [_apart(found[name].float(), wanted[name].float()) for name in wanted]
    return torch.stack(shares).mean(0)


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, across and down. [N, C, H, W] -> [N]."""
    down, across = images.diff(dim=2), images.diff(dim=3)
    return down.square().flatten(1).mean(1) + across.square().flatten(1).mean(1)


def _parts(found: Tensor) -> tuple[Tensor, Tensor]:
    return found[:, :, 0], found[:, :, 1:]


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """‖found - wanted‖² / ‖wanted‖², [N]."""
    return (found - wanted).square().flatten(1).sum(1) / wanted.square().flatten(1).sum(1).clamp(min=1e-8)
