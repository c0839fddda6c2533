"""The norms that translators are built with, by name."""

from __future__ import annotations

from typing import Literal

from torch import nn

Norm = Literal["instance", "affine-instance", "batch", "none"]
"""Instance norm (arXiv 1607.08022) without and with a learned scale and shift, batch norm (arXiv 1502.03167)."""


def norm_layer(norm: Norm, features: int) -> nn.Module:
    """The norm of a feature map [N, features, H, W]."""
    if norm == "batch":
        return nn.BatchNorm2d(features)
    if norm == "none":
        return nn.Identity()
    return nn.InstanceNorm2d(features, affine=norm == "affine-instance")
