"""Pictures that came with a request: decoded to the pixels the model takes, a few at a time, off the event loop."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from app.errors import FieldError, Invalid, Problem, TooLarge, UnsupportedMedia
from models.card import ImageFormat
from models.pictures import BadPicture, decode

_DECODING = asyncio.Semaphore(2)
"""Decoded pictures are large: this many at once bound the memory that uploads can take."""

_PROBLEMS: dict[str, type[Problem]] = {"not_an_image": UnsupportedMedia, "truncated": Invalid, "too_large": TooLarge}


async def to_pixels(data: bytes, wanted: ImageFormat, max_pixels: int, pointer: str) -> bytes:
    """An uploaded picture as raw uint8 height x width x channels of the model's size.

    Raises:
        Problem: 415 not a picture, 413 too many pixels, 422 broken.
    """
    async with _DECODING:
        try:
            pixels = await asyncio.to_thread(decode, data, wanted, max_pixels)
        except BadPicture as error:
            detail = str(error)
            raise _PROBLEMS[error.reason](
                detail, code=error.reason, errors=[FieldError(pointer=pointer, detail=detail)]
            ) from None
    return pixels.tobytes()


def from_data_uri(value: str, pointer: str) -> bytes:
    """The bytes of a `data:` URI (RFC 2397).

    Raises:
        Invalid: anything else.
    """
    head, comma, data = value.partition(",")
    try:
        if not head.startswith("data:") or not comma:
            raise ValueError
        return base64.b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
    except (ValueError, binascii.Error):
        detail = "not a data: URI; send data:image/png;base64,… or a multipart file"
        raise Invalid(detail, errors=[FieldError(pointer=pointer, detail=detail)]) from None


def pointers(name: str, values: Sequence[object]) -> list[str]:
    """Where each picture of an input stands in the request."""
    return [f"/input/{name}"] if name == "image" else [f"/input/{name}/{index}" for index in range(len(values))]
