"""Which device computes."""

from __future__ import annotations

import torch


def choose(name: str = "auto") -> torch.device:
    """`cpu`, `cuda` or `cuda:N` as torch has it; of `auto` a GPU if there is one.

    Raises:
        RuntimeError: torch knows no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
