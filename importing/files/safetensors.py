"""Checkpoints in the safetensors format, whose own reader holds the header against the file."""

from __future__ import annotations

from pathlib import Path

import safetensors
from torch import Tensor

from importing.errors import NotImportable

_LARGEST_HEADER = 2**23
"""Bytes; some 100 for each tensor."""


def begins(start: bytes, size: int) -> bool:
    """Whether a file of so many bytes that begins so is one of them: the header's length, and then JSON."""
    return size > 10 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") + 8 <= size


def read(path: Path) -> dict[str, Tensor]:
    """The tensors by name.

    Raises:
        NotImportable: it is damaged, or claims more than it holds.
    """
    with path.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    if header > _LARGEST_HEADER:
        raise NotImportable("there is more in it than in any checkpoint")
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (it is no mapping)
    except (safetensors.SafetensorError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise NotImportable(f"it is a damaged safetensors file ({error})") from None
