"""What pictures are: pixels in memory, and the file formats that they are written in."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Channels = Literal[1, 3]
"""Of a picture: grey, or red, green and blue."""
Format = Literal["png", "jpg", "webp", "avif"]

MAX_SIDE = 8192
"""Of a model's pictures, in pixels."""

MEDIA_TYPES: dict[Format, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}

LOSSY: frozenset[Format | None] = frozenset({"jpg", "webp", "avif"})
"""Formats that lose some of a picture each time that it is written."""
Animated = Literal["webp", "gif"]


def channels_of(count: int) -> Channels:
    """A number of channels, as that of a picture.

    Raises:
        ValueError: no picture has so many.
    """
    if count == 1:
        return 1
    if count == 3:
        return 3
    raise ValueError(f"pictures of {count} channels are not taken, only grey ones (1) and coloured ones (3)")


def format_of(data: bytes) -> Format | None:
    """The format of an image file among those that are written here, by its first bytes."""
    if data.startswith(b"\x89PNG"):
        return "png"
    if data.startswith(b"\xff\xd8"):
        return "jpg"
    if data[8:12] == b"WEBP":
        return "webp"
    return "avif" if data[4:12] == b"ftypavif" else None


def media_type_of(data: bytes) -> str | None:
    """The media type of an image file or animation as they are written here, by its first bytes."""
    if data.startswith(b"GIF8"):
        return "image/gif"
    format = format_of(data)
    return None if format is None else MEDIA_TYPES[format]


class ImageFormat(BaseModel):
    """Pixels of a picture at the border: uint8, height x width x channels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(gt=0, le=MAX_SIDE)
    width: int = Field(gt=0, le=MAX_SIDE)
    channels: Literal[1, 3]

    @property
    def mode(self) -> Literal["L", "RGB"]:
        """Pillow's name for the channels."""
        return "L" if self.channels == 1 else "RGB"
