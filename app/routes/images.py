"""/v1/images: OpenAI's images API, so that its SDKs work unchanged with `base_url` set to this server's /v1."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.http.errors import Unavailable
from app.http.openapi import EDIT_BODY, GENERATION_BODY, VARIATION_BODY, envelopes
from app.http.parsing import fitting, read_body
from app.http.plain_routes import PlainRoutes
from app.predictions import openai, rendering
from app.routes.submission import HEADERS, Submission
from app.schemas.images import ImagesRequest, ImagesResponse
from jobs.prediction import ENDED
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
    return await _answer(request, *openai.GENERATIONS)


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
    return await _answer(request, *openai.EDITS)


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
    order = openai.request_of(predictions, asked, *tasks)
    if order.task is Task.INPAINT and "image" in files and "mask" not in order.input:
        files.setdefault("mask", files["image"])
    found = await submission.pictures(order, files)
    if found.status not in ENDED:
        await predictions.cancel(found.id)  # its id is in no answer, so nobody could come for it
        raise Unavailable("the pictures were not made in time, and were canceled", code="timeout")
    home = predictions.store.home
    root = "" if home else str(request.base_url).rstrip("/")
    answer = await openai.response_of(found, asked, predictions, root)
    return JSONResponse(answer.model_dump(mode="json"), headers=rendering.timing_headers(found, home))


async def _read(request: Request) -> tuple[ImagesRequest, dict[str, list[bytes]]]:
    """The request, and its pictures. In forms SDKs name one value `x`, and each of several `x[]`."""
    body = await read_body(request)
    if listed := body.files.pop("image[]", []):
        body.files.setdefault("image", []).extend(listed)
    return fitting(ImagesRequest, body.fields), body.files
