"""What a checkpoint holds, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from importing.errors import NotImportable

Tree = Any
"""Tensors, numbers, texts and what stands for other things, in mappings and lists."""

DEEPEST = 32
MOST_PLACES = 1_000_000


class Inert:
    """Stands in a tree for an object of a settings class: it was not made, and none of its code has run."""

    def __init__(self, *args: object, **keywords: object):
        """Whatever the object would have been made of is dropped."""

    def __setitem__(self, key: object, value: object) -> None:
        """Dropped, too."""

    def __setstate__(self, state: object) -> None:
        """Dropped, too."""

    def append(self, value: object) -> None:
        """Dropped, too."""

    def extend(self, values: object) -> None:
        """Dropped, too."""


def tensors(tree: Tree) -> Iterator[Tensor]:
    """Every tensor of a tree, once for each place where it stands.

    Raises:
        NotImportable: it is nested too deep, or has too many places.
    """
    places = 0
    waiting: list[tuple[Tree, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        places += 1
        if depth > DEEPEST or places > MOST_PLACES:
            raise NotImportable("it is nested deeper, or has more in it, than checkpoints are")
        if isinstance(node, Tensor):
            yield node
        elif isinstance(node, dict):
            waiting += [(each, depth + 1) for each in node.values()]
        elif isinstance(node, list | tuple | set):
            waiting += [(each, depth + 1) for each in node]


def check_claims(tree: Tree, size: int) -> None:
    """Holds what a tree's tensors claim together against the bytes of the file.

    Tensors that share a storage, as tied weights do, may claim each byte a few times.

    Raises:
        NotImportable: they claim more.
    """
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors(tree))
    if claimed > _SHARING * size:
        raise NotImportable(f"its tensors claim {claimed:,} bytes, and the file has {size:,}")


_SHARING = 4
