"""Sums of loss terms."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def total(terms: Iterable[Tensor]) -> Tensor:
    """The sum of scalar terms, of one at least."""
    return torch.stack(list(terms)).sum()
