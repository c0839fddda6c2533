"""Labels as networks take them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def one_hot(labels: Tensor | None, classes: int, dtype: torch.dtype) -> Tensor:
    """[N] class indices -> [N, classes]: 1 at the label, else 0.

    Raises:
        ValueError: there are none.
    """
    if labels is None:
        raise ValueError(f"the network has {classes} classes, and needs a label for each image")
    return F.one_hot(labels, classes).to(dtype)
