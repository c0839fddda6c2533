"""Images cut off at -1 and 1, from where a network can still learn its way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def bounded(images: Tensor) -> Tensor:
    """What is beyond ±1, cut off; its gradient is kept where a descent would bring the value back.

    `clamp` keeps none: a place that once went too far would stay black or white for good.
    """
    return _Bounded.apply(images) if images.requires_grad else images.clamp(-1, 1)


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        ctx.save_for_backward(images)
        return images.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (images,), (gradient,) = ctx.saved_tensors, grad_outputs
        outwards = ((images < -1) & (gradient > 0)) | ((images > 1) & (gradient < 0))
        return gradient.masked_fill(outwards, 0)
