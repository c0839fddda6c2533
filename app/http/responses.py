"""Answers as bytes: which form the caller wants, and the image, the grid or the archive that it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import zipfile
from collections.abc import Awaitable, Callable, Collection, Sequence

import numpy as np
from fastapi.responses import JSONResponse
from isal import igzip
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from app.http.errors import Gone, Problem, ServerError, Unavailable
from app.predictions.store import Store
from jobs.prediction import ENDED, Failure, Snapshot, Status
from jobs.representation import Embedded, Prediction
from pictures import codec, composition
from pictures.formats import MEDIA_TYPES, Animated, Format
from pictures.provenance import NoProvenance, Provenance

ZIP = "application/zip"
JSON = "application/json"
ANIMATED: dict[Animated, str] = {"webp": "image/webp", "gif": "image/gif"}
_FORMATS: dict[str, Format] = {media_type: format for format, media_type in MEDIA_TYPES.items()}

_FAILURES: dict[str, type[Problem]] = {"upload_expired": Gone} | dict.fromkeys(
    ("model_unusable", "timeout", "out_of_memory"), Unavailable
)


def preferred(request: Request, default: str, makes: Collection[str] = (*_FORMATS, JSON, ZIP)) -> str:
    """The media type that `Accept` ranks first among those the route makes; `default` for `*/*` or nothing we know."""
    offers: list[tuple[float, str]] = []
    for part in request.headers.get("accept", "").split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((value.removeprefix("q=") for value in parameters if value.startswith("q=")), "1")
        try:
            offers.append((float(quality), media_type))
        except ValueError:
            continue
    for quality, media_type in sorted(offers, key=lambda offer: -offer[0]):
        if quality > 0 and media_type in makes:
            return media_type
        if quality > 0 and media_type in ("*/*", "image/*"):
            return default if media_type == "*/*" or default in _FORMATS else MEDIA_TYPES["png"]
    return default


def compressed(request: Request, body: bytes, media_type: str) -> Response:
    """A long text, gzipped for a caller who takes that."""
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = igzip.compress(body), "gzip"
    return Response(body, headers=headers, media_type=media_type)


def format_of(media_type: str) -> Format | None:
    """The image format of a media type, or None for JSON and zip."""
    return _FORMATS.get(media_type)


async def embedded(found: Snapshot, store: Store) -> Embedded:
    """What the order asked to have in the answer itself, unless it has expired."""
    answer = found.answer
    if answer is None:
        return Embedded()
    blobs = await _images(found, store) if answer.images and found.order.output.b64_json else []
    latents = await store.latents(found.id) if answer.latent else None
    return Embedded(
        b64=[blob and base64.b64encode(blob).decode() for blob in blobs],
        latents=np.frombuffer(latents, "<f4").reshape(-1, answer.latent).tolist() if latents else [],
    )


def as_json(found: Snapshot, ttl_s: int, beside: Embedded | None = None) -> JSONResponse:
    """201 for a prediction that has ended, 202 for one that has not; `Location` names it either way."""
    prediction = Prediction.of(found, ttl_s, beside)
    headers = {"Location": prediction.urls.get}
    return JSONResponse(prediction.model_dump(mode="json"), 201 if found.status in ENDED else 202, headers)


async def as_bytes(found: Snapshot, store: Store, media_type: str) -> Response:
    """The images of an ended prediction: one as it is, several as a grid, or a zip of single files.

    A prediction that has not ended in time is answered with itself, as 202.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status not in ENDED:
        return as_json(found, store.ttl_s)
    blobs = await blobs_of(found, store)
    format = format_of(media_type)
    if media_type == ZIP:
        data = await asyncio.to_thread(archive, found, blobs)
    elif len(blobs) > 1:
        data = await asyncio.to_thread(sheet, blobs, format, found.order.output.quality)
    else:
        data = blobs[0]
        if format != found.answer.images[0].format:
            data = await asyncio.to_thread(transcode, data, format, found.order.output.quality)
    return Response(data, 200, told(found), media_type)


async def as_animation(found: Snapshot, store: Store, format: Animated, fps: float, back: bool) -> Response:
    """The images of an ended prediction as the frames of an animation; with `back` it returns the way it came.

    A prediction that has not ended in time is answered with itself, as 202.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status not in ENDED:
        return as_json(found, store.ttl_s)
    blobs = await blobs_of(found, store)
    if back:
        blobs = [*blobs, *blobs[-2:0:-1]]
    data = await asyncio.to_thread(_animation, blobs, format, fps, found.order.output.quality)
    return Response(data, 200, told(found), ANIMATED[format])


async def blobs_of(found: Snapshot, store: Store) -> Sequence[bytes]:
    """The encoded images of an ended prediction.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status is not Status.SUCCEEDED:
        raise _problem_of(found.failure)
    blobs = await _images(found, store)
    if None in blobs:
        raise Gone("the images have expired")
    return blobs


async def _images(found: Snapshot, store: Store) -> Sequence[bytes | None]:
    return found.blobs or await store.images(found.id, len(found.answer.images))


def told(found: Snapshot) -> dict[str, str]:
    """The headers that say how an answer of bytes came about."""
    timing, seed = found.answer.timing, found.answer.images[0].seed
    headers = {
        "Content-Location": f"/v1/predictions/{found.id}",
        "Server-Timing": f"queue;dur={timing.queue_ms}, load;dur={timing.load_ms}, "
        f"inference;dur={timing.inference_ms}, encode;dur={timing.encode_ms}",
    }
    return headers if seed is None else headers | {"X-Seed": str(seed)}


async def unchanging(
    request: Request, tag: str, ttl_s: int, media_type: str, make: Callable[[], Awaitable[bytes]]
) -> Response:
    """Bytes that never change while they last: made only if the caller does not have them (`If-None-Match`)."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": f"private, max-age={ttl_s}, immutable"}
    held = request.headers.get("if-none-match", "")
    if headers["ETag"] in held or held.strip() == "*":
        return Response(None, 304, headers)
    return Response(await make(), 200, headers, media_type)


def tag_of(found: Snapshot) -> str:
    """A tag for whatever is made of all images of a succeeded prediction."""
    return hashlib.sha256("".join(image.sha256 for image in found.answer.images).encode()).hexdigest()


def archive(found: Snapshot, blobs: Sequence[bytes]) -> bytes:
    """A zip of a succeeded prediction's image files, stored as they are: they are compressed already.

    Its entries bear no date, so that the same images make the same bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        for index, (image, blob) in enumerate(zip(found.answer.images, blobs, strict=True)):
            seed = "" if image.seed is None else f"-seed{image.seed}"
            opened.writestr(zipfile.ZipInfo(f"{index:03d}{seed}.{image.format}"), blob)
    return buffer.getvalue()


def sheet(blobs: Sequence[bytes], format: Format = "png", quality: int = 90) -> bytes:
    """Our own encoded images as one grid, which tells as they do what made it."""
    pictures = composition.grid([_pixels(blob) for blob in blobs])
    return codec.encode(pictures, format, quality, _provenance(blobs[0]), replayable=len(blobs) == 1)


def transcode(blob: bytes, format: Format, quality: int = 90) -> bytes:
    """One of our own encoded images in another format."""
    return codec.encode(_pixels(blob), format, quality, _provenance(blob))


def _animation(blobs: Sequence[bytes], format: Animated, fps: float, quality: int) -> bytes:
    return codec.animate([_pixels(blob) for blob in blobs], format, fps, quality, _provenance(blobs[0]))


def _provenance(blob: bytes) -> Provenance | None:
    """What one of our own images says of itself, if it was to say anything."""
    try:
        return Provenance.read(blob).model_copy(update={"quality": None})
    except NoProvenance:
        return None


def _pixels(blob: bytes) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(blob)))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _problem_of(failure: Failure | None) -> Problem:
    if failure is None:
        return Gone("the prediction was canceled", code="canceled")
    return _FAILURES.get(failure.code, ServerError)(failure.detail, code=failure.code)
