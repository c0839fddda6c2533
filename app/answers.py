"""Answers as bytes: which form the caller wants, and the image, the grid or the archive that it is."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence

import numpy as np
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from app.errors import Gone, Problem, ServerError, Unavailable
from app.schemas.predictions import Prediction
from app.store import Store
from models import pictures
from models.pictures import MEDIA_TYPES, Format
from workers.jobs import ENDED, Failure, Snapshot, Status

ZIP = "application/zip"
JSON = "application/json"
_FORMATS: dict[str, Format] = {media_type: format for format, media_type in MEDIA_TYPES.items()}

_FAILURES: dict[str, type[Problem]] = {"upload_expired": Gone, "model_unusable": Unavailable, "timeout": Unavailable}


def preferred(request: Request, default: str) -> str:
    """The media type that `Accept` ranks first among those we make; `default` for `*/*` or nothing we know."""
    offers: list[tuple[float, str]] = []
    for part in request.headers.get("accept", "").split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((value.removeprefix("q=") for value in parameters if value.startswith("q=")), "1")
        try:
            offers.append((float(quality), media_type))
        except ValueError:
            continue
    for quality, media_type in sorted(offers, key=lambda offer: -offer[0]):
        if quality > 0 and (media_type in _FORMATS or media_type in (JSON, ZIP)):
            return media_type
        if quality > 0 and media_type in ("*/*", "image/*"):
            return default if media_type == "*/*" or default in _FORMATS else MEDIA_TYPES["png"]
    return default


def format_of(media_type: str) -> Format | None:
    """The image format of a media type, or None for JSON and zip."""
    return _FORMATS.get(media_type)


def as_json(found: Snapshot, ttl_s: int) -> JSONResponse:
    """201 for a prediction that has ended, 202 for one that has not; `Location` names it either way."""
    prediction = Prediction.of(found, ttl_s)
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
    if found.status is not Status.SUCCEEDED:
        raise _problem_of(found.failure)
    images = found.answer.images
    blobs = await store.images(found.id, len(images))
    if None in blobs:
        raise Gone("the images have expired")
    format = format_of(media_type)
    if media_type == ZIP:
        names = [
            f"{index:03d}" + (f"-seed{image.seed}" if image.seed is not None else "")
            for index, image in enumerate(images)
        ]
        data = await asyncio.to_thread(
            archive, [f"{name}.{image.format}" for name, image in zip(names, images, strict=True)], blobs
        )
    elif len(blobs) > 1:
        data = await asyncio.to_thread(
            lambda: pictures.encode(pictures.grid([_pixels(blob) for blob in blobs]), format)
        )
    else:
        data = blobs[0]
        if format != images[0].format:
            data = await asyncio.to_thread(transcode, data, format)
    timing = found.answer.timing
    headers = {
        "Content-Location": f"/v1/predictions/{found.id}",
        "Server-Timing": f"queue;dur={timing.queue_ms}, load;dur={timing.load_ms}, "
        f"inference;dur={timing.inference_ms}, encode;dur={timing.encode_ms}",
    }
    if images[0].seed is not None:
        headers["X-Seed"] = str(images[0].seed)
    return Response(data, 200, headers, media_type)


def archive(names: Sequence[str], blobs: Sequence[bytes]) -> bytes:
    """A zip of image files, stored as they are: they are compressed already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        for name, blob in zip(names, blobs, strict=True):
            opened.writestr(name, blob)
    return buffer.getvalue()


def transcode(blob: bytes, format: Format) -> bytes:
    """One of our own encoded images in another format."""
    return pictures.encode(_pixels(blob), format)


def _pixels(blob: bytes) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(blob)))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _problem_of(failure: Failure | None) -> Problem:
    if failure is None:
        return Gone("the prediction was canceled", code="canceled")
    return _FAILURES.get(failure.code, ServerError)(failure.detail, code=failure.code)
