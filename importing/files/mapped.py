"""A file's bytes in memory, without reading them before they are used."""

from __future__ import annotations

import io
import mmap
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from importing.errors import NotImportable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Mapped:
    """A file, mapped so that changes stay in this process. Tensors made of it keep it alive."""

    def __init__(self, descriptor: int, size: int):
        """
        Args:
            descriptor: of a regular file, opened for reading; it may be closed afterwards.
            size: bytes of the file, at least 1.
        """
        self._map = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)

    def __len__(self) -> int:
        return len(self._map)

    def __enter__(self) -> Mapped:
        return self

    def __exit__(self, *error: object) -> None:
        """Leaves the map to the tensors that were made of it."""

    def stream(self) -> io.BufferedReader:
        """The file's bytes to read from, those before where it stands included."""
        return io.BufferedReader(_Raw(self._map))

    def bytes(self, start: int, count: int) -> bytes:
        """A copy of some bytes. Raises `NotImportable` if the file has not so many."""
        if start < 0 or count < 0 or start + count > len(self._map):
            raise NotImportable("it is cut off: it says of itself that it is longer")
        return self._map[start : start + count]

    def elements(self, start: int, count: int, dtype: torch.dtype) -> Tensor:
        """[count] elements from byte `start` on, as a view. Raises `NotImportable` if the file has not so many."""
        length = count * dtype.itemsize
        if start < 0 or start + length > len(self._map):
            raise NotImportable("it is cut off: it says of itself that it is longer")
        if not count:
            return torch.empty(0, dtype=dtype)
        if start % dtype.itemsize:  # a file of an old version of torch; views have to be aligned
            return torch.frombuffer(bytearray(self._map[start : start + length]), dtype=dtype)
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=start)


class _Raw(io.RawIOBase):
    """A map as a stream."""

    def __init__(self, mapped: mmap.mmap):
        super().__init__()
        self._map, self._place = mapped, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._map)}[whence]
        if start + offset < 0:
            raise ValueError("a place before the start")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        buffer = memoryview(buffer)
        found = self._map[self._place : self._place + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)
