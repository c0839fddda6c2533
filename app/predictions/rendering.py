"""Answers: which form the caller wants, and the JSON, the image, the sheet, the animation or the archive that it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

import numpy as np
from fastapi.responses import JSONResponse
from isal import igzip
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.http.errors import Gone, Invalid, NotAcceptable, Problem, ServerError, Unavailable
from app.predictions import archives
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

MOST_EMBEDDED_BYTES = 32 * 2**20
"""Of all images that an answer of JSON may hold. It is built whole, and takes five times as much memory meanwhile."""
_MAKING = asyncio.Semaphore(2)
"""Sheets, animations and other formats are made of decoded pictures, which are large: no more than two at a time."""

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
    """What the order asked to have in the answer itself, unless it has expired or is over `MOST_EMBEDDED_BYTES`."""
    answer = found.answer
    if answer is None:
        return Embedded()
    few = sum(image.bytes for image in answer.images) <= MOST_EMBEDDED_BYTES
    blobs = await _images(found, store) if answer.images and found.order.output.b64_json and few else []
    files = [blob and await store.signing.image(found, index, blob) for index, blob in enumerate(blobs)]
    latents = await store.files.latents(found) if answer.latent else None
    return Embedded(
        b64=[base64.b64encode(blob).decode() if blob else None for blob in files],
        latents=np.frombuffer(latents, "<f4").reshape(-1, answer.latent).tolist() if latents else [],
    )


async def as_json(found: Snapshot, store: Store, link: Link | None = None) -> JSONResponse:
    """201 for a prediction that has ended, 202 for one that has not; `Location` names it either way."""
    prediction = Prediction.of(found, store.ttl_s, await embedded(found, store), link, store.home)
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
    require_success(found)
    format, quality = format_named(media_type) or "png", found.order.output.quality
    if media_type == ZIP:
        return StreamingResponse(
            await _begun(archives.stream(found, store)), 200, timing_headers(found, store.home), ZIP
        )
    many, first = len(found.images) > 1, found.images[0]
    if many:
        data = await store.signing.once(await sheet_of(found, store, format, quality))
    elif format != first.format:
        (blob,) = await blobs_of(found, store)
        data = await store.signing.once(await transcoded(blob, format, quality))
    else:
        (data,) = await store.signing.images(found, await blobs_of(found, store))
    return Response(data, 200, timing_headers(found, store.home), media_type)


async def sheet_of(found: Snapshot, store: Store, format: Format = "png", quality: int = 90) -> bytes:
    """All images of a succeeded prediction as one grid. Whether they fit is judged before any is fetched.

    Raises:
        Problem: it would be too large, or the images have expired.
    """
    first = found.images[0]
    require_one_file(len(found.images), (first.width, first.height), format)
    async with _MAKING:
        return await asyncio.to_thread(sheet, await blobs_of(found, store), format, quality)


async def as_animation(found: Snapshot, store: Store, format: Animated, fps: float, back: bool) -> Response:
    """The images of an ended prediction as the frames of an animation; with `back` it returns the way it came.

    A prediction that has not ended in time is answered with itself, as 202.

    Raises:
        Problem: it failed, or its images have expired.
    """
    if found.status not in ENDED:
        return await as_json(found, store)
    require_success(found)
    data = await animation_of(found, store, format, fps, back)
    return Response(await store.signing.once(data), 200, timing_headers(found, store.home), ANIMATED[format])


async def animation_of(found: Snapshot, store: Store, format: Animated, fps: float, back: bool = False) -> bytes:
    """All images of a succeeded prediction as frames. Whether they fit is judged before any is fetched.

    Raises:
        Problem: it would be too large, or the images have expired.
    """
    first = found.images[0]
    require_one_file(len(found.images), (first.width, first.height), format, moving=True)
    async with _MAKING:
        blobs = await blobs_of(found, store)
        if back:
            blobs = [*blobs, *blobs[-2:0:-1]]
        return await asyncio.to_thread(_animation, blobs, format, fps, found.order.output.quality)


async def blobs_of(found: Snapshot, store: Store) -> Sequence[bytes]:
    """The encoded images of an ended prediction.

    Raises:
        Problem: it failed, or its images have expired.
    """
    require_success(found)
    blobs = await _images(found, store)
    kept = [blob for blob in blobs if blob is not None]
    if len(kept) < len(blobs):
        raise Gone("the images have expired")
    return kept


def require_success(found: Snapshot) -> None:
    """Raises `Problem` of an ended prediction that has no answer."""
    if found.status is not Status.SUCCEEDED:
        raise _problem_of(found.failure)


async def _images(found: Snapshot, store: Store) -> Sequence[bytes | None]:
    return found.blobs or await store.files.images(found)


def timing_headers(found: Snapshot, home: str) -> dict[str, str]:
    """The headers that say how an answer of bytes came about."""
    seed, headers = found.images[0].seed, {"Content-Location": f"{home}/v1/predictions/{found.id}"}
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
    headers = _lasting(tag, ttl_s)
    if _holds(request, headers["ETag"]):
        return Response(None, 304, headers)
    if elsewhere and request.headers.get("sec-fetch-site") != "same-origin" and (address := await elsewhere()):
        return Response(None, 307, {"Location": address, "Cache-Control": f"private, max-age={LINK_S // 2}"})
    data = await make()
    part = _part(request, headers["ETag"], len(data))
    if part is None:
        return Response(data, 200, headers, media_type)
    if not part:
        return Response(None, 416, {**headers, "Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    return Response(data[part.start : part.stop], 206, headers, media_type)


async def unchanging_stream(
    request: Request, tag: str, ttl_s: int, media_type: str, size: int | None, chunks: AsyncIterator[bytes]
) -> Response:
    """The same of bytes that are made as they are sent.

    Args:
        size: how many there will be; where that is not known, they are sent as a whole.
    """
    headers = _lasting(tag, ttl_s)
    if _holds(request, headers["ETag"]):
        return Response(None, 304, headers)
    part = None if size is None else _part(request, headers["ETag"], size)
    if part is not None and not part:
        return Response(None, 416, {**headers, "Content-Range": f"bytes */{size}"})
    chunks = await _begun(chunks)
    if size is None:
        return StreamingResponse(chunks, 200, {**headers, "Accept-Ranges": "none"}, media_type)
    if part is None:
        return StreamingResponse(chunks, 200, {**headers, "Content-Length": str(size)}, media_type)
    headers |= {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{size}", "Content-Length": str(len(part))}
    return StreamingResponse(_cut(chunks, part), 206, headers, media_type)


def _lasting(tag: str, ttl_s: int) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": f"private, max-age={ttl_s}, immutable", "Accept-Ranges": "bytes"}


def _holds(request: Request, tag: str) -> bool:
    """Whether the caller has the bytes already."""
    held = request.headers.get("if-none-match", "")
    return tag in held or held.strip() == "*"


def _part(request: Request, tag: str, size: int) -> range | None:
    """Which of so many bytes are asked for: None for all of them, none of them if the range lies outside."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", tag) != tag:
        return None
    first, last = asked.groups()
    if not first and not last:
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    return range(start, end + 1) if start <= end and start < size else range(0)


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, once the first of them is made: what goes wrong by then is told with a status."""
    first = await anext(chunks)

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_them()


async def _cut(chunks: AsyncIterator[bytes], part: range) -> AsyncIterator[bytes]:
    """The bytes of a part alone."""
    at = 0
    async for chunk in chunks:
        if piece := chunk[max(part.start - at, 0) : max(part.stop - at, 0)]:
            yield piece
        at += len(chunk)
        if at >= part.stop:
            return


def tag_of(found: Snapshot) -> str:
    """A tag for whatever is made of all images of a succeeded prediction."""
    return hashlib.sha256("".join(image.sha256 for image in found.images).encode()).hexdigest()


def sheet(blobs: Sequence[bytes], format: Format = "png", quality: int = 90) -> bytes:
    """Our own encoded images as one grid, which tells as they do what made it.

    Raises:
        Invalid: it would be too large.
    """
    with Image.open(io.BytesIO(blobs[0])) as first:
        require_one_file(len(blobs), first.size, format)
    pictures = composition.grid([codec.pixels_of(blob) for blob in blobs])
    return codec.encode(pictures, format, quality, _provenance(blobs[0]), replayable=len(blobs) == 1)


async def transcoded(blob: bytes, format: Format, quality: int = 90) -> bytes:
    """`transcode`, off the loop. Raises `NotAcceptable`."""
    async with _MAKING:
        return await asyncio.to_thread(transcode, blob, format, quality)


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
