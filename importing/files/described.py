"""The pickle in a checkpoint, read so that it can describe tensors and make nothing else.

torch's own reader (`weights_only`) runs no code, but makes room for what the pickle says: for a tensor larger than its
storage, for a `bytearray` of any length. Here the names in a pickle stand for descriptions, which are checked before
there is a tensor. pickletools looks through it first, since Python's unpickler makes room up to whatever place of its
memo is named.
"""

from __future__ import annotations

import io
import itertools
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from textwrap import shorten
from typing import Any, NamedTuple

import torch
from torch import Tensor

from importing.errors import NotImportable
from importing.files.tree import DEEPEST, MOST_PLACES, Inert, Tree

LARGEST = 2**24
"""Bytes of a pickle that is read; that of a network of 1,000 layers has some 200,000."""
_MOST_OBJECTS = 500_000
"""That a pickle makes, each of which takes more memory than the byte that says so."""
_MOST_DIMENSIONS = 16

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

_SETTINGS = {
    ("argparse", "Namespace"),
    ("lightning.fabric.utilities.data", "AttributeDict"),
    ("lightning_fabric.utilities.data", "AttributeDict"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("pathlib", "Path"),
    ("pathlib", "PosixPath"),
    ("torch", "Size"),
    ("torch", "device"),
    ("_codecs", "encode"),
}
"""What stands beside the weights in files that trainings write, and is left out."""

_MAKERS = frozenset(
    {
        *("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE", "LIST", "DICT", "FROZENSET"),
        *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD"),
    }
)


class Storage(NamedTuple):
    """A run of elements that a pickle speaks of. (Like `Description` a tuple, which a pickle cannot change later.)"""

    key: str
    dtype: torch.dtype
    length: int


class Description(NamedTuple):
    """A tensor as a pickle describes it, checked: it lies within its storage, and no element stands for many."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def scan(stream: io.BytesIO) -> None:
    """Goes past one pickle, and holds it against the bounds above.

    Raises:
        NotImportable: it is damaged, or would take more memory than a checkpoint's.
    """
    operations = made = 0
    start = stream.tell()
    try:
        for operation, argument, _ in pickletools.genops(stream):
            operations += 1
            made += operation.name in _MAKERS
            if made > _MOST_OBJECTS or stream.tell() - start > LARGEST:
                raise NotImportable("there is more in it than in any checkpoint")
            if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= operations:
                raise NotImportable("its pickle is damaged")
    except NotImportable:
        raise
    except Exception as error:  # whatever pickletools meets in bytes that are something else
        raise NotImportable(f"it is no PyTorch checkpoint, or a damaged one ({shorten(str(error), 100)})") from None


def load(stream: io.BytesIO) -> Tree:
    """The next pickle of a stream: a tree with a `Description` in place of each tensor.

    Raises:
        NotImportable: it is damaged, too large, or holds more than weights and settings.
    """
    here = stream.tell()
    scan(stream)
    end = stream.tell()
    stream.seek(here)
    try:
        return _Unpickler(io.BytesIO(stream.read(end - here)), encoding="utf-8").load()
    except NotImportable:
        raise
    except Exception as error:  # whatever an unpickler meets in bytes that are something else
        raise NotImportable(f"it is no PyTorch checkpoint, or a damaged one ({type(error).__name__})") from None


def realised(tree: Tree, elements: Callable[[Storage], Tensor]) -> Tree:
    """The tree with tensors in place of their descriptions.

    Args:
        elements: gives those of a storage, [length].

    Raises:
        NotImportable: it is nested too deep, or has too many places.
    """
    known: dict[str, Tensor] = {}
    places = itertools.count()

    def real(node: Tree, depth: int) -> Tree:
        if depth > DEEPEST or next(places) > MOST_PLACES:
            raise NotImportable("it is nested deeper, or has more in it, than checkpoints are")
        if isinstance(node, Description):
            if node.storage.key not in known:
                known[node.storage.key] = elements(node.storage)
            return known[node.storage.key].as_strided(node.shape, node.strides, node.offset)
        if isinstance(node, dict):
            return {key: real(value, depth + 1) for key, value in dict.items(node)}
        if isinstance(node, list | tuple):
            return [real(value, depth + 1) for value in node]
        return node

    return real(tree, 0)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _DTYPES[name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return Inert
        if (module, name) in _SETTINGS:
            return Inert
        raise NotImportable(
            f"it holds more than weights ({module}.{name}); save `network.state_dict()` and nothing else"
        )

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str):
            raise NotImportable("one of its storages is of no known kind")
        if any(each is not None for each in view):
            raise NotImportable("it was saved by a version of torch before 0.4")
        return Storage(key, dtype, _whole(count))


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Description:
    """What `torch._utils._rebuild_tensor_v2` would make a tensor of."""
    if not isinstance(storage, Storage):
        raise NotImportable("one of its tensors has no storage")
    shape, strides = tuple(map(_whole, shape)), tuple(map(_whole, strides))
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise NotImportable("one of its tensors has no shape that a tensor has")
    described = Description(storage, _whole(offset), shape, strides)
    elements, reach = 1, described.offset + 1
    for side, stride in zip(shape, strides, strict=True):
        elements, reach = elements * side, reach + (side - 1) * stride
    if (elements and reach > storage.length) or elements > storage.length:
        raise NotImportable(
            f"one of its tensors claims to be {' x '.join(map(str, shape))}, {elements:,} numbers, and its storage has "
            f"{storage.length:,}; save a copy of an expanded tensor (`.contiguous()`)"
        )
    return described


def _parameter(described: Description, *rest: Any) -> Description:
    return described


def _of_type(rebuild: Any, kind: Any, arguments: tuple[Any, ...], state: Any) -> Description:
    """A tensor with attributes of its own, which are left out."""
    if rebuild is not _tensor:
        raise NotImportable("one of its tensors is of a kind that is not taken")
    return _tensor(*arguments)


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**62:
        raise NotImportable("one of its tensors has a size that is no number of elements")
    return number


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
    ("torch", "Tensor"): Inert,
    ("torch.nn.parameter", "Parameter"): Inert,
}
