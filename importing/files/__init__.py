"""Checkpoint files, read without running what they say and without making room for what they merely claim.

A file is mapped into memory, and its tensors are views of the map, once what it says of them has been held against its
own size. So a file costs as much memory as it has bytes, whatever it says.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from importing.errors import NotImportable
from importing.files import legacy, safetensors, zipped
from importing.files.mapped import Mapped
from importing.files.tree import Tree

LARGEST = 2**34
"""Bytes of a file that is read."""


def read(path: Path) -> Tree:
    """What a checkpoint holds: tensors by name, or those among settings and other states.

    Raises:
        NotImportable: it is no regular file, no checkpoint, or claims more than it holds.
    """
    with _opened(path) as mapped:
        start = mapped.bytes(0, min(16, len(mapped)))
        if start.startswith(b"PK\3\4"):
            return zipped.read(mapped)
        if safetensors.begins(start, len(mapped)):
            return safetensors.read(path)
        if start.startswith(b"\x80"):
            return legacy.read(mapped)
    raise NotImportable("it is no checkpoint: neither PyTorch's (.pth, .pt, .ckpt) nor safetensors")


def _opened(path: Path) -> Mapped:
    """
    Raises:
        NotImportable: it is a folder, pipe, device or socket, empty, too large, or cannot be opened.
    """
    try:
        kind = path.stat()  # of what a link points to
        if not stat.S_ISREG(kind.st_mode):
            raise NotImportable(f"it is {_KINDS.get(stat.S_IFMT(kind.st_mode), 'something else')}, not a file")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            size = os.fstat(descriptor).st_size
            if not size:
                raise NotImportable("it is empty")
            if size > LARGEST:
                raise NotImportable(f"it has {size:,} bytes, and {LARGEST:,} are the most")
            return Mapped(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NotImportable(f"it cannot be read: {error.strerror or error}") from None


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
