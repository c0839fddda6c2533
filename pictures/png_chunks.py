"""A PNG without what decides no pixel: text, histograms, private chunks, further frames of an animation.

Metadata may be huge, compressed, or broken; none of that is a reason to refuse a picture, or memory to spend on it.
"""

from __future__ import annotations

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 2**20
"""Bytes of an ICC profile, decompressed; a larger one is left out."""
_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"eXIf"})
_SMALL = 2**16
"""Longest colour chunk or EXIF block that is looked at."""


class PixelChunks(io.RawIOBase):
    """The file as a decoder should see it: a readable, seekable view that copies nothing.

    `cicp` are the four numbers of a cICP chunk (PNG, third edition, 11.3.2.6): primaries, transfer, matrix, range.
    """

    def __init__(self, file: BinaryIO):
        self.cicp: tuple[int, int, int, int] | None = None
        self._file = file
        self._parts: list[tuple[int, int]] = [(0, len(SIGNATURE))]
        self._starts = [0]
        self._length = len(SIGNATURE)
        self._at = 0
        for kind, offset, length in self._chunks():
            if self._is_kept(kind, offset + 8, length):
                self._parts.append((offset, length + 12))
                self._starts.append(self._length)
                self._length += length + 12

    def _chunks(self) -> Iterator[tuple[bytes, int, int]]:
        """Type, offset and length of the data of each chunk, up to the end or to where the file is cut off."""
        end, offset = self._file.seek(0, io.SEEK_END), len(SIGNATURE)
        while offset + 8 <= end:
            self._file.seek(offset)
            length, kind = struct.unpack(">I4s", self._file.read(8))
            yield kind, offset, length
            offset += length + 12
            if kind == b"IEND":
                return

    def _is_kept(self, kind: bytes, start: int, length: int) -> bool:
        if kind in (b"IDAT", b"PLTE", b"IHDR", b"IEND"):
            return True
        if kind not in _KEPT and kind not in (b"iCCP", b"cICP"):
            return False
        self._file.seek(start)
        if kind == b"iCCP":
            return length <= MAX_PROFILE and self._is_whole(kind, start, length) and self._fits(start, length)
        if length > _SMALL or not self._is_whole(kind, start, length):
            return False
        if kind == b"cICP" and length == 4:
            self._file.seek(start)
            first, second, third, fourth = self._file.read(4)
            self.cicp = first, second, third, fourth
        return kind in _KEPT

    def _is_whole(self, kind: bytes, start: int, length: int) -> bool:
        self._file.seek(start)
        data, checksum = self._file.read(length), self._file.read(4)
        return len(checksum) == 4 and zlib.crc32(data, zlib.crc32(kind)) == int.from_bytes(checksum, "big")

    def _fits(self, start: int, length: int) -> bool:
        """Whether a profile is no larger than it may be, decompressed."""
        self._file.seek(start)
        name, _, rest = self._file.read(length).partition(b"\0")
        unpacker = zlib.decompressobj()
        try:
            size = len(unpacker.decompress(rest[1:], MAX_PROFILE + 1))
        except zlib.error:
            return False
        return len(name) < 80 and size <= MAX_PROFILE

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._length:
            return 0
        place = bisect_right(self._starts, self._at) - 1
        within = self._at - self._starts[place]
        offset, length = self._parts[place]
        self._file.seek(offset + within)
        data = self._file.read(min(len(buffer), length - within))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
