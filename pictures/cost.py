"""What it takes to decode a picture, judged from its header and without decoding anything: whether it is ordinary, and
whether it is too costly by any measure."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

ORDINARY = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""Formats of which ordinary pictures take milliseconds."""
ORDINARY_PIXELS = 4_000_000
"""Most pixels of an ordinary picture."""
ORDINARY_PHOTOGRAPH = 24_000_000
"""The same of a JPEG of one scan, which is decoded at a fraction of its size where that is enough."""
ORDINARY_SIDE = 16_384
ORDINARY_SCANS = 16
"""Scans of a JPEG; encoders of progressive ones make about ten."""
MAX_SCANS = 100
"""Each scan of a progressive JPEG goes over all pixels anew, however few bytes it has."""

_TILE = (322, 323)
"""TIFF's tags for the width and the height of a tile."""
_START_OF_SCAN = b"\xff\xda"


def is_ordinary(picture: Image.Image, file: BinaryIO) -> bool:
    """Whether an opened picture takes little time and memory to decode. `file` is what it was opened from."""
    width, height = picture.size
    if picture.format not in ORDINARY or max(width, height) > ORDINARY_SIDE:
        return False
    if picture.format != "JPEG":
        return width * height <= ORDINARY_PIXELS
    count = scans(file)
    whole = picture.info.get("progressive") or count > 1
    return count <= ORDINARY_SCANS and width * height <= (ORDINARY_PIXELS if whole else ORDINARY_PHOTOGRAPH)


def objection(picture: Image.Image, file: BinaryIO, max_pixels: int) -> str | None:
    """Why an opened picture is too costly whatever it is wanted for, or None."""
    if picture.format == "JPEG" and (count := scans(file)) > MAX_SCANS:
        return f"the JPEG has {count} scans; up to {MAX_SCANS} are read, so save it anew"
    width, height = (_number(getattr(picture, "tag_v2", {}).get(tag)) for tag in _TILE)
    if width * height > max_pixels:
        return f"the TIFF has tiles of {width} x {height} pixels, which exceed the limit of {max_pixels:,} pixels"
    return None


def scans(file: BinaryIO) -> int:
    """How many scans a JPEG has at most: among coded samples no byte of 255 is followed by the marker's other one."""
    place = file.tell()
    file.seek(0)
    count, last = 0, b""
    while chunk := file.read(2**20):
        chunk = last + chunk
        count, last = count + chunk.count(_START_OF_SCAN), chunk[-1:]
    file.seek(place)
    return count


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
