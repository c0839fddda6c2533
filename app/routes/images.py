"""/v1/images: OpenAI's images API, so that its SDKs work unchanged with `base_url` set to this server's /v1."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.http.errors import Invalid, Unavailable, field_errors
from app.http.openapi import EDIT_BODY, GENERATION_BODY, VARIATION_BODY, envelopes
from app.http.parsing import read_body
from app.http.plain_routes import PlainRoutes
from app.predictions import openai, rendering
from app.predictions.service import Predictions
from app.routes.submission import HEADERS, Submission
from app.schemas.images import ImageItem, ImagesRequest, ImagesResponse
from jobs.prediction import ENDED, Snapshot
from jobs.representation import OutputImage, Prediction
from models.card import Task

routes = PlainRoutes("/v1/images", ["OpenAI"], envelopes(400, 401, 403, 404, 408, 410, 413, 415, 422, 429, 503))


@routes.add(
    "POST",
    "/generations",
    HEADERS,
    GENERATION_BODY,
    response_model=ImagesResponse,
    summary="Pictures, as OpenAI's SDKs ask for them",
)
async def generations(request: Request) -> Response:
    """A model with the task `text` makes what the prompt says; to a conditional model it must name one class, as a word
    of its own; others take any prompt. Further inputs (`seed`, `truncation`) may be sent as `extra_body`."""
    return await _answer(request, Task.TEXT, Task.CONDITIONAL, Task.SAMPLE)


@routes.add(
    "POST",
    "/edits",
    HEADERS,
    EDIT_BODY,
    response_model=ImagesResponse,
    summary="A picture translated, or a part of it filled in",
)
async def edits(request: Request) -> Response:
    """Of a model that translates, the prompt may name the direction (`AtoB`) or the domain to translate to ("turn it
    into a zebra"). A model with the task `inpaint` fills in what is transparent in the `mask`, or without one in the
    picture; it reads no prompt."""
    return await _answer(request, Task.TRANSLATE, Task.INPAINT)


@routes.add(
    "POST", "/variations", HEADERS, VARIATION_BODY, response_model=ImagesResponse, summary="Pictures like a picture"
)
async def variations(request: Request) -> Response:
    """For models with the task `vary`. `strength` (0 to 1) may be sent as `extra_body`."""
    return await _answer(request, Task.VARY)


async def _answer(request: Request, *tasks: Task) -> Response:
    submission = await Submission.of(request)
    predictions = submission.predictions
    asked, files = await _read(request)
    card = predictions.card(asked.model)
    task = predictions.task(card, *tasks)
    if task is Task.INPAINT and "image" in files and "mask" not in asked.inputs:
        files.setdefault("mask", files["image"])
    order = openai.prediction_of(card, task, asked)
    found = await submission.pictures(order, files)
    if found.status not in ENDED:
        await predictions.cancel(found.id)  # its id is in no answer, so nobody could come for it
        raise Unavailable("the pictures were not made in time, and were canceled", code="timeout")
    store = predictions.store
    blobs = await store.signing.images(found, await rendering.blobs_of(found, store))
    answer = ImagesResponse(
        created=int(found.created_at.timestamp()),
        data=_items(found, blobs, asked.response_format, predictions, str(request.base_url).rstrip("/")),
        output_format=asked.output_format or "png",
        size=f"{found.images[0].width}x{found.images[0].height}",
    )
    return JSONResponse(answer.model_dump(mode="json"), headers=rendering.timing_headers(found))


async def _read(request: Request) -> tuple[ImagesRequest, dict[str, list[bytes]]]:
    """The request, and its picture. SDKs name one picture `image`, and each of several `image[]`."""
    body = await read_body(request)
    if listed := body.files.pop("image[]", []):
        body.files.setdefault("image", []).extend(listed)
    try:
        return ImagesRequest.model_validate(body.fields), body.files
    except ValidationError as error:
        raise Invalid("the request does not fit the schema", errors=field_errors(error.errors())) from None


def _items(
    found: Snapshot, blobs: Sequence[bytes], form: str | None, predictions: Predictions, root: str
) -> list[ImageItem]:
    """One item per image. Old clients read `url` and new ones `b64_json`: who names neither gets both."""
    told = Prediction.of(found, predictions.store.ttl_s, link=predictions.caller.link)
    outputs = [image for image in told.output or () if isinstance(image, OutputImage)]
    return [
        ImageItem(
            url=root + (image.link or image.url) if form != "b64_json" else None,
            b64_json=base64.b64encode(blob).decode() if form != "url" else None,
            seed=image.seed,
        )
        for image, blob in zip(outputs, blobs, strict=True)
    ]
