"""Pictures as files: decoded to the pixels the model takes, or inspected to be kept."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, TypeVar
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import numpy as np

from app.http.errors import FieldError, Invalid, Problem, TooLarge, UnsupportedMedia
from app.predictions.decoding import Decoders
from app.schemas.uploads import Upload
from models.card import Card
from pictures.codec import BadPicture, Reason, decode, decode_framed, decode_kept, decode_mask, inspect
from pictures.formats import ImageFormat
from pictures.framing import Frame, Framing, TooLargePicture, TooManyTiles
from pictures.holes import MAX_PIXELS, BadMask, Holes

Decoded = TypeVar("Decoded")

_DECODERS = Decoders()

_CHUNK_BYTES = 2**18

UPLOAD_ID = re.compile(r"[0-9a-f]{32}")

_PROBLEMS: dict[Reason, type[Problem]] = {
    "not_an_image": UnsupportedMedia,
    "not_readable": UnsupportedMedia,
    "truncated": Invalid,
    "too_large": TooLarge,
    "picture_too_costly": Invalid,
}


async def to_pixels(
    data: bytes, wanted: ImageFormat, max_pixels: int, pointer: str, owner: str, stretched: bool = False
) -> bytes:
    """An uploaded picture as raw uint8 height x width x channels of the model's size: its centre, or all of it.

    Raises:
        Problem: 415 not a picture, 413 too many pixels, 422 broken or too costly to read.
    """
    return (await _decoded(pointer, owner, decode, data, wanted, max_pixels, stretched)).tobytes()


async def to_framed(
    data: bytes, wanted: ImageFormat, max_pixels: int, pointer: str, framing: Framing, owner: str
) -> tuple[bytes, Frame]:
    """The same of the size `Frame.inner`, and the frame.

    Raises:
        Problem: as `to_pixels`; 422 more work than one picture may be.
    """
    try:
        pixels, frame = await _decoded(pointer, owner, decode_framed, data, wanted, max_pixels, framing)
    except TooLargePicture as error:
        detail, code = str(error), "too_many_tiles" if isinstance(error, TooManyTiles) else "too_many_pixels"
        raise Invalid(detail, code=code, errors=[FieldError(pointer=pointer, detail=detail)]) from None
    return pixels.tobytes(), frame


def require_texture(pixels: bytes, form: ImageFormat, pointer: str) -> None:
    """Of a picture whose style is taken, as `to_pixels` gives it.

    Raises:
        Invalid: it has one colour only, and so no style.
    """
    if pixels == pixels[: form.channels] * (len(pixels) // form.channels):
        detail = "a picture of one colour has no style; send one with shapes or strokes in it"
        raise Invalid(detail, code="flat_picture", errors=[FieldError(pointer=pointer, detail=detail)])


async def to_holed(image: bytes, mask: bytes, card: Card, max_pixels: int, owner: str) -> tuple[bytes, bytes, Holes]:
    """A picture at its own size as raw uint8 height x width x channels, its mask as height x width of 0 and 255, and
    how its holes go through the model. Of a picture that is its own mask, the transparency marks, not the colours.

    Raises:
        Problem: as `to_pixels`; 422 a mask that marks nothing, or everything, or is of another size.
    """
    limit = min(max_pixels, MAX_PIXELS)
    picture = await _decoded("/input/image", owner, decode_kept, image, card.image, limit)
    marked = await _decoded("/input/mask", owner, decode_mask, mask, limit, mask == image)
    try:
        if marked.shape != picture.shape[:2]:
            sizes = (f"{width} x {height}" for height, width in (marked.shape, picture.shape[:2]))
            raise BadMask("the mask has {} pixels and the picture {}; both must be of one size".format(*sizes))
        holes = await asyncio.to_thread(Holes.of, marked, picture.shape[2], card.image.width, card.hole)
    except BadMask as error:
        detail = str(error)
        raise Invalid(detail, code="bad_mask", errors=[FieldError(pointer="/input/mask", detail=detail)]) from None
    return picture.tobytes(), (marked * np.uint8(255)).tobytes(), holes


async def _decoded(
    pointer: str, owner: str, decoder: Callable[..., Decoded], data: bytes, *arguments: object
) -> Decoded:
    try:
        return await _DECODERS.run(owner, decoder, data, *arguments)
    except BadPicture as error:
        detail = str(error)
        raise _PROBLEMS[error.reason](
            detail, code=error.reason, errors=[FieldError(pointer=pointer, detail=detail)]
        ) from None


def from_data_uri(value: str, pointer: str) -> bytes:
    """The bytes of a `data:` URI (RFC 2397), read as browsers do (WHATWG Fetch, 6): scheme and `base64` in any case,
    percent-encoded or not, with line breaks and without padding.

    Raises:
        Invalid: anything else.
    """
    head, comma, data = value.strip().partition(",")
    try:
        if head[:5].lower() != "data:" or not comma:
            raise ValueError
        if not re.search(r";\s*base64\s*$", head, re.IGNORECASE):
            return unquote_to_bytes(data)
        plain = re.sub(rb"[\t\n\f\r ]", b"", unquote_to_bytes(data) if "%" in data else data.encode("ascii"))
        return base64.b64decode(plain.rstrip(b"=") + b"=" * (-len(plain.rstrip(b"=")) % 4), validate=True)
    except (ValueError, binascii.Error):
        detail = "not a data: URI or upload:<id>; send data:image/png;base64,… or a multipart file"
        raise Invalid(detail, errors=[FieldError(pointer=pointer, detail=detail)]) from None


def pointers(name: str, values: Sequence[object]) -> list[str]:
    """Where each picture of an input stands in the request."""
    return [f"/input/{name}/{index}" for index in range(len(values))] if name == "images" else [f"/input/{name}"]


async def record(file: BinaryIO, max_pixels: int, ttl_s: int, owner: str) -> Upload:
    """What is to be known of an uploaded file, under a new id. The file is read from its start, a piece at a time.

    Raises:
        Problem: 415 not a picture, 413 too many pixels, 422 broken or too costly to read.
    """
    try:
        width, height, media_type = await _DECODERS.run(owner, inspect, file, max_pixels)
    except BadPicture as error:
        raise _PROBLEMS[error.reason](str(error), code=error.reason) from None
    file.seek(0)
    digest = await asyncio.to_thread(_sha256, file)
    created = datetime.now(UTC)
    return Upload(
        id=uuid4().hex,
        bytes=file.tell(),
        width=width,
        height=height,
        media_type=media_type,
        sha256=digest,
        created_at=created,
        expires_at=created + timedelta(seconds=ttl_s),
    )


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


async def chunks_of(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file from its start, a piece at a time, read off the event loop."""
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
        yield chunk
