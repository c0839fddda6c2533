"""Files that are small and take much: of scans, of one tile, of one column."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def jpeg_of_scans(count: int, side: int = 4000) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    before = data.count(b"\xff\xda")
    return data[:end] + data[last:end] * (count - before) + data[end:]


def tiff_of_one_tile(side: int, picture: int = 100) -> bytes:
    """A TIFF of a small picture whose only tile has so many pixels a side."""
    packer = zlib.compressobj(1)
    tile = b"".join([packer.compress(bytes(side)) for _ in range(side)] + [packer.flush()])
    tags = [
        (256, 3, picture), (257, 3, picture), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, side), (323, 4, side), (324, 4, 0), (325, 4, len(tile)),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", start if tag == 324 else value)
        for tag, kind, value in tags
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + tile


def png_of_one_column(height: int) -> bytes:
    """A grey PNG of one pixel's width."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(2 * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
