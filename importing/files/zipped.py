"""Checkpoints as torch has written them since 1.6: a zip file, in which nothing is compressed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from torch import Tensor

from importing.errors import NotImportable
from importing.files import described
from importing.files.described import Storage
from importing.files.mapped import Mapped
from importing.files.tree import Tree, check_claims

_LARGEST_DIRECTORY = 2**23
"""Bytes of the list of a file's entries, some 70 for each tensor."""
_END, _END_64, _LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"


def read(mapped: Mapped) -> Tree:
    """
    Raises:
        NotImportable: it is damaged, compressed, or claims more than it holds.
    """
    entries = _entries(mapped)
    pickles = [name for name in entries if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(pickles) != 1:
        raise NotImportable("it is a zip file, and no PyTorch checkpoint: it has no data.pkl")
    (name,) = pickles
    if any(entry.startswith(f"{name.removesuffix('data.pkl')}code/") for entry in entries):
        raise NotImportable("it is a TorchScript program; save `network.state_dict()` instead")
    root = name.removesuffix("data.pkl")
    if f"{root}byteorder" in entries and _whole(mapped, entries[f"{root}byteorder"]) != b"little":
        raise NotImportable("its numbers are in big-endian order")
    start, length = entries[name]
    if length > described.LARGEST:
        raise NotImportable("there is more in it than in any checkpoint")
    tree = described.load(io.BytesIO(mapped.bytes(start, length)))

    def elements(storage: Storage) -> Tensor:
        start, length = entries.get(f"{root}data/{storage.key}", (0, -1))
        if length < storage.length * storage.dtype.itemsize:
            raise NotImportable(f"it is cut off, or damaged: storage {storage.key} is shorter than it says")
        return mapped.elements(start, storage.length, storage.dtype)

    real = described.realised(tree, elements)
    check_claims(real, len(mapped))
    return real


def _entries(mapped: Mapped) -> Mapping[str, tuple[int, int]]:
    """Where each entry begins, and how many bytes it has."""
    if _directory_length(mapped) > _LARGEST_DIRECTORY:
        raise NotImportable("there is more in it than in any checkpoint")
    try:
        with zipfile.ZipFile(mapped.stream()) as opened:
            listed = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise NotImportable(f"it is no PyTorch checkpoint, or a damaged one ({error})") from None
    if packed := next((each for each in listed if each.compress_type != zipfile.ZIP_STORED), None):
        raise NotImportable(
            f"it is a compressed zip file, of {sum(each.file_size for each in listed):,} bytes when unpacked "
            f"({packed.filename}); torch compresses nothing: unpack it, or save the weights again"
        )
    total = sum(each.file_size for each in listed)
    if total > len(mapped):
        raise NotImportable(f"its entries claim {total:,} bytes, and the file has {len(mapped):,}")
    found: dict[str, tuple[int, int]] = {}
    for each in listed:
        header = mapped.bytes(each.header_offset, 30)
        skipped = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        found[each.filename] = (each.header_offset + 30 + skipped, each.file_size)
    return found


def _directory_length(mapped: Mapped) -> int:
    """Bytes of the list of entries, which is read before zipfile makes objects of all of it."""
    tail_at = max(0, len(mapped) - 2**16 - 22)
    tail = mapped.bytes(tail_at, len(mapped) - tail_at)
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + 22:
        raise NotImportable("it is cut off: a zip file without an end")
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    locator = tail[max(0, end - 20) : end]
    if locator.startswith(_LOCATOR_64):
        record = mapped.bytes(int.from_bytes(locator[8:16], "little"), 56)
        if not record.startswith(_END_64):
            raise NotImportable("it is damaged: a zip file without an end")
        length = max(length if length != 2**32 - 1 else 0, int.from_bytes(record[40:48], "little"))
    return length


def _whole(mapped: Mapped, entry: tuple[int, int]) -> bytes:
    start, length = entry
    return mapped.bytes(start, min(length, 2**10))
