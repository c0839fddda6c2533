"""Answers: which form the caller wants, and the JSON, the image, the sheet, the animation or the archive that it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import numpy as np
from fastapi.responses import JSONResponse
from isal import igzip
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from app.http.errors import Gone, Invalid, NotAcceptable, Problem, ServerError, Unavailable
from app.predictions.result_files import LINK_S
from app.predictions.store import Store
from jobs.prediction import ENDED, STORE_UNREACHABLE, Failure, Snapshot, Status
from jobs.representation import Embedded, Link, Prediction
from pictures import codec, composition
from pictures.formats import LOSSY, MEDIA_TYPES, Animated, Format, format_of
from pictures.provenance import NoProvenance, Provenance

ZIP = "application/zip"
JSON = "application/json"
ANIMATED: dict[Animated, str] = {"webp": "image/webp", "gif": "image/gif"}
_FORMATS: dict[str, Format] = {media_type: format for format, media_type in MEDIA_TYPES.items()}

_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

_FAILURES: dict[str, type[Problem]] = {
    "upload_expired": Gone,
    "model_unusable": Unavailable,
    "timeout": Unavailable,
    "out_of_memory": Unavailable,
    STORE_UNREACHABLE: Unavailable,
}


def preferred(request: Request, default: str, makes: Collection[str] = (*_FORMATS, JSON, ZIP)) -> str:
    """The media type among those the route makes that `Accept` ranks first (RFC 9110, 12.5.1).

    Of several that it ranks alike, `default` goes first, then the one that it names first.

    Raises:
        NotAcceptable: it takes none of them.
    """
    ranges = _ranges(request.headers.get("accept", ""))
    if not ranges:
        return default
    first = {media_type: place for place, media_type in enumerate(ranges)}
    best = max(
        (default, *makes),
        key=lambda made: (_quality(made, ranges), made == default, -first.get(made, len(ranges))),
    )
    if _quality(best, ranges) <= 0:
        offered = ", ".join(dict.fromkeys((default, *makes)))
        raise NotAcceptable(f"this is answered as {offered}; send an Accept header that takes one of them, or none")
    return best


def _ranges(accept: str) -> dict[str, float]:
    """The media ranges of an Accept header and their weights, without those that cannot be read."""
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((value.removeprefix("q=") for value in parameters if value.startswith("q=")), "1")
        if "/" in media_range and _WEIGHT.fullmatch(weight):
            ranges.setdefault(media_range, float(weight))
    return ranges


def _quality(media_type: str, ranges: Mapping[str, float]) -> float:
    """The weight of the most specific range that a media type falls into; 0 outside all of them."""
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0


def compressed(request: Request, body: bytes, media_type: str) -> Response:
    """A long text, gzipped for a caller who takes that."""
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = igzip.compress(body), "gzip"
    return Response(body, headers=headers, media_type=media_type)


def format_named(media_type: str) -> Format | None:
    """The image format of a media type, or None for JSON and zip."""
    return _FORMATS.get(media_type)


async def embedded(found: Snapshot, store: Store) -> Embedded:
    """What the order asked to have in the answer itself, unless it has expired."""
    answer = found.answer
    if answer is None:
        return Embedded()
    blobs = await _images(found, store) if answer.images and found.order.output.b64_json else []
    files = [blob and await store.signing.image(found, index, blob) for index, blob in enumerate(blobs)]
    latents = await store.files.latents(found) if answer.latent else None
    return Embedded(
        b64=[base64.b64encode(blob).decode() if blob else None for blob in files],
        latents=np.frombuffer(latents, "<f4").reshape(-1, answer.latent).tolist() if latents else [],
    )


async def as_json(found: Snapshot, store: Store, link: Link | None = None) -> JSONResponse:
    """201 for a prediction that has ended, 202 for one that has not; `Location` names it either way."""
    prediction = Prediction.of(found, store.ttl_s, await embedded(found, store), link)
    headers = {"Location": prediction.urls.get}
    return JSONResponse(prediction.model_dump(mode="json"), 201 if found.status in ENDED else 202, headers)


async def as_bytes(found: Snapshot, store: Store, media_type: str) -> Response:
    """The images of an ended prediction: one as it is, several as a grid, or a zip of single files.

    A prediction that has not ended in time is answered with itself, as 202.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status not in ENDED:
        return await as_json(found, store)
    blobs = await blobs_of(found, store)
    format = format_named(media_type) or "png"
    if media_type == ZIP:
        data = await asyncio.to_thread(archive, found, await store.signing.images(found, blobs))
    elif len(blobs) > 1:
        data = await store.signing.once(await asyncio.to_thread(sheet, blobs, format, found.order.output.quality))
    elif format != found.images[0].format:
        data = await store.signing.once(
            await asyncio.to_thread(transcode, blobs[0], format, found.order.output.quality)
        )
    else:
        (data,) = await store.signing.images(found, blobs)
    return Response(data, 200, timing_headers(found), media_type)


async def as_animation(found: Snapshot, store: Store, format: Animated, fps: float, back: bool) -> Response:
    """The images of an ended prediction as the frames of an animation; with `back` it returns the way it came.

    A prediction that has not ended in time is answered with itself, as 202.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status not in ENDED:
        return await as_json(found, store)
    blobs = await blobs_of(found, store)
    if back:
        blobs = [*blobs, *blobs[-2:0:-1]]
    data = await asyncio.to_thread(_animation, blobs, format, fps, found.order.output.quality)
    return Response(await store.signing.once(data), 200, timing_headers(found), ANIMATED[format])


async def blobs_of(found: Snapshot, store: Store) -> Sequence[bytes]:
    """The encoded images of an ended prediction.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status is not Status.SUCCEEDED:
        raise _problem_of(found.failure)
    blobs = await _images(found, store)
    kept = [blob for blob in blobs if blob is not None]
    if len(kept) < len(blobs):
        raise Gone("the images have expired")
    return kept


async def _images(found: Snapshot, store: Store) -> Sequence[bytes | None]:
    return found.blobs or await store.files.images(found)


def timing_headers(found: Snapshot) -> dict[str, str]:
    """The headers that say how an answer of bytes came about."""
    seed, headers = found.images[0].seed, {"Content-Location": f"/v1/predictions/{found.id}"}
    if found.answer is not None:
        timing = found.answer.timing
        headers["Server-Timing"] = (
            f"queue;dur={timing.queue_ms}, load;dur={timing.load_ms}, "
            f"inference;dur={timing.inference_ms}, encode;dur={timing.encode_ms}"
        )
    return headers if seed is None else headers | {"X-Seed": str(seed)}


async def unchanging(
    request: Request,
    tag: str,
    ttl_s: int,
    media_type: str,
    make: Callable[[], Awaitable[bytes]],
    elsewhere: Callable[[], Awaitable[str | None]] | None = None,
) -> Response:
    """Bytes that never change while they last: made only if the caller does not have them (`If-None-Match`), and sent
    in part to a caller who asks for a part (`Range`, RFC 9110, 14).

    Args:
        elsewhere: a signed address of the same bytes, if the caller is to be sent there. A page of this server is not,
            since its policy forbids it other servers.
    """
    headers = {"ETag": f'"{tag}"', "Cache-Control": f"private, max-age={ttl_s}, immutable", "Accept-Ranges": "bytes"}
    held = request.headers.get("if-none-match", "")
    if headers["ETag"] in held or held.strip() == "*":
        return Response(None, 304, headers)
    if elsewhere and request.headers.get("sec-fetch-site") != "same-origin" and (address := await elsewhere()):
        return Response(None, 307, {"Location": address, "Cache-Control": f"private, max-age={LINK_S // 2}"})
    data = await make()
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Response(data, 200, headers, media_type)
    first, last = asked.groups()
    if not first and not last:
        return Response(data, 200, headers, media_type)
    start = int(first) if first else max(0, len(data) - int(last))
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start > end or start >= len(data):
        return Response(None, 416, {**headers, "Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Response(data[start : end + 1], 206, headers, media_type)


def tag_of(found: Snapshot) -> str:
    """A tag for whatever is made of all images of a succeeded prediction."""
    return hashlib.sha256("".join(image.sha256 for image in found.images).encode()).hexdigest()


def archive(found: Snapshot, blobs: Sequence[bytes]) -> bytes:
    """A zip of a succeeded prediction's image files, stored as they are: they are compressed already.

    Its entries bear no date, so that the same images make the same bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        for index, (image, blob) in enumerate(zip(found.images, blobs, strict=True)):
            seed = "" if image.seed is None else f"-seed{image.seed}"
            opened.writestr(zipfile.ZipInfo(f"{index:03d}{seed}.{image.format}"), blob)
    return buffer.getvalue()


def sheet(blobs: Sequence[bytes], format: Format = "png", quality: int = 90) -> bytes:
    """Our own encoded images as one grid, which tells as they do what made it.

    Raises:
        Invalid: it would be too large.
    """
    with Image.open(io.BytesIO(blobs[0])) as first:
        require_one_file(len(blobs), first.size, format)
    pictures = composition.grid([codec.pixels_of(blob) for blob in blobs])
    return codec.encode(pictures, format, quality, _provenance(blobs[0]), replayable=len(blobs) == 1)


def transcode(blob: bytes, format: Format, quality: int = 90) -> bytes:
    """One of our own encoded images in another format.

    Raises:
        NotAcceptable: neither format keeps all of it, so the image would lose twice.
    """
    kept = format_of(blob)
    if kept in LOSSY and format in LOSSY:
        raise NotAcceptable(f"the image is kept as {kept}, which loses some; get it as {kept}, or as png")
    return codec.encode(codec.pixels_of(blob), format, quality, _provenance(blob))


def require_one_file(count: int, size: tuple[int, int], format: Format | Animated, moving: bool = False) -> None:
    """
    Args:
        count: of pictures that are to be one file, a sheet or, if `moving`, an animation.
        size: width and height of each.

    Raises:
        Invalid: they would make it too large for its format, or for the memory that is given to it.
    """
    require = composition.require_animation if moving else composition.require_sheet
    try:
        require(count, *size, format)
    except composition.TooLargeForSheet as error:
        raise Invalid(str(error), code="sheet_too_large") from None


def _animation(blobs: Sequence[bytes], format: Animated, fps: float, quality: int) -> bytes:
    return codec.animate([codec.pixels_of(blob) for blob in blobs], format, fps, quality, _provenance(blobs[0]))


def _provenance(blob: bytes) -> Provenance | None:
    """What one of our own images says of itself, if it was to say anything."""
    try:
        return Provenance.read(blob).model_copy(update={"quality": None})
    except NoProvenance:
        return None


def _problem_of(failure: Failure | None) -> Problem:
    if failure is None:
        return Gone("the prediction was canceled", code="canceled")
    return _FAILURES.get(failure.code, ServerError)(failure.detail, code=failure.code)
