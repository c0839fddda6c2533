"""Which device computes, and how networks lie in its memory."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def choose(name: str = "auto", number: int = 0) -> torch.device:
    """`cpu`, `cuda` or `cuda:N` as torch has it; of `auto` a GPU if there is one.

    Args:
        number: of a process among those of this machine. Where no GPU is named, each takes one in turn.

    Raises:
        RuntimeError: torch knows no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and (devices := torch.cuda.device_count()):
        name = f"cuda:{number % devices}"
    return torch.device(name)


def describe(device: torch.device) -> str:
    """Which kind of device it is: `cpu`, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def place(module: Module, device: torch.device) -> Module:
    """The module on a device, its images with channels last, which convolutions are quickest with."""
    layout: dict[str, Any] = {"memory_format": torch.channels_last}  # not in torch's types of `Module.to`
    return module.to(device, **layout)
