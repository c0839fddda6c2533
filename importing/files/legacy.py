"""Checkpoints as torch wrote them before 1.6: some pickles, and then the storages one after another."""

from __future__ import annotations

import io

from torch import Tensor

from importing.errors import NotImportable
from importing.files import described
from importing.files.described import Description, Storage
from importing.files.mapped import Mapped
from importing.files.tree import Tree, check_claims

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def read(mapped: Mapped) -> Tree:
    """
    Raises:
        NotImportable: it is a pickle of something else, damaged, or claims more than it holds.
    """
    stream = io.BytesIO(mapped.bytes(0, min(len(mapped), described.LARGEST)))
    if described.load(stream) != _MAGIC:
        raise NotImportable("it is a pickle, and no PyTorch checkpoint")
    if described.load(stream) != _PROTOCOL:
        raise NotImportable("it is a PyTorch checkpoint of no known version")
    system = described.load(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise NotImportable("its numbers are in big-endian order")
    tree = described.load(stream)
    keys = described.load(stream)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise NotImportable("it is a damaged PyTorch checkpoint")
    kinds = {storage.key: storage for storage in _storages(tree)}
    found: dict[str, Tensor] = {}
    place = stream.tell()
    for key in keys:
        storage = kinds.get(key)
        if storage is None:
            raise NotImportable("it holds a storage that no tensor is of")
        count = int.from_bytes(mapped.bytes(place, 8), "little")
        if count != storage.length:
            raise NotImportable(f"it is damaged: storage {key} is not as long as it says")
        found[key] = mapped.elements(place + 8, count, storage.dtype)
        place += 8 + count * storage.dtype.itemsize

    def elements(storage: Storage) -> Tensor:
        if storage.key not in found:
            raise NotImportable(f"it is cut off: it has no storage {storage.key}")
        return found[storage.key]

    real = described.realised(tree, elements)
    check_claims(real, len(mapped))
    return real


def _storages(tree: Tree) -> list[Storage]:
    """Those of all tensors; one that two of them read as unlike kinds is refused."""
    found: dict[str, Storage] = {}
    waiting: list[Tree] = [tree]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, Description):
            if found.setdefault(node.storage.key, node.storage) != node.storage:
                raise NotImportable(f"it is damaged: storage {node.storage.key} is of two kinds")
        elif isinstance(node, dict | list | tuple) and id(node) not in seen:
            seen.add(id(node))
            waiting += dict.values(node) if isinstance(node, dict) else node
    return list(found.values())
