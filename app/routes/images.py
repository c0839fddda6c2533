"""/v1/images: OpenAI's images API, so that its SDKs work unchanged with `base_url` set to this server's /v1."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from app.dependencies import Asking, AskingDep, PredictionsDep
from app.http import responses
from app.http.errors import Invalid, Unavailable, field_errors
from app.http.openapi import EDIT_BODY, GENERATION_BODY, VARIATION_BODY, envelopes
from app.http.parsing import read_body
from app.predictions import openai
from app.predictions.service import Predictions
from app.schemas.images import ImageItem, ImagesRequest, ImagesResponse
from jobs.prediction import ENDED, Snapshot
from jobs.representation import Prediction
from models.card import Task

router = APIRouter(
    prefix="/v1/images", tags=["OpenAI"], responses=envelopes(400, 401, 403, 404, 408, 410, 413, 415, 422, 429, 503)
)


@router.post("/generations", openapi_extra=GENERATION_BODY, summary="Pictures, as OpenAI's SDKs ask for them")
async def generations(
    request: Request, response: Response, asking: AskingDep, predictions: PredictionsDep
) -> ImagesResponse:
    """A model with the task `text` makes what the prompt says; to a conditional model it must name one class, as a word
    of its own; others take any prompt. Further inputs (`seed`, `truncation`) may be sent as `extra_body`."""
    return await _answer((Task.TEXT, Task.CONDITIONAL, Task.SAMPLE), request, response, asking, predictions)


@router.post("/edits", openapi_extra=EDIT_BODY, summary="A picture translated, or a part of it filled in")
async def edits(request: Request, response: Response, asking: AskingDep, predictions: PredictionsDep) -> ImagesResponse:
    """Of a model that translates, the prompt may name the direction (`AtoB`) or the domain to translate to ("turn it
    into a zebra"). A model with the task `inpaint` fills in what is transparent in the `mask`, or without one in the
    picture; it reads no prompt."""
    return await _answer((Task.TRANSLATE, Task.INPAINT), request, response, asking, predictions)


@router.post("/variations", openapi_extra=VARIATION_BODY, summary="Pictures like a picture")
async def variations(
    request: Request, response: Response, asking: AskingDep, predictions: PredictionsDep
) -> ImagesResponse:
    """For models with the task `vary`. `strength` (0 to 1) may be sent as `extra_body`."""
    return await _answer((Task.VARY,), request, response, asking, predictions)


async def _answer(
    tasks: tuple[Task, ...],
    request: Request,
    response: Response,
    asking: Asking,
    predictions: Predictions,
) -> ImagesResponse:
    asked, files = await _read(request)
    card = predictions.card(asked.model)
    task = predictions.task(card, *tasks)
    if task is Task.INPAINT and "image" in files and "mask" not in asked.inputs:
        files.setdefault("mask", files["image"])
    order = openai.prediction_of(card, task, asked)
    found = await asking.pictures(order, files)
    if found.status not in ENDED:
        await predictions.cancel(found.id)  # its id is in no answer, so nobody could come for it
        raise Unavailable("the pictures were not made in time, and were canceled", code="timeout")
    blobs = await responses.blobs_of(found, predictions.store)
    response.headers.update(responses.told(found))
    return ImagesResponse(
        created=int(found.created_at.timestamp()),
        data=_items(found, blobs, asked.response_format, str(request.base_url).rstrip("/")),
        output_format=asked.output_format or "png",
        size=f"{found.answer.images[0].width}x{found.answer.images[0].height}",
    )


async def _read(request: Request) -> tuple[ImagesRequest, dict[str, list[bytes]]]:
    """The request, and its picture. SDKs name one picture `image`, and each of several `image[]`."""
    body = await read_body(request)
    if listed := body.files.pop("image[]", []):
        body.files.setdefault("image", []).extend(listed)
    try:
        return ImagesRequest.model_validate(body.fields), body.files
    except ValidationError as error:
        raise Invalid("the request does not fit the schema", errors=field_errors(error.errors())) from None


def _items(found: Snapshot, blobs: list[bytes], form: str | None, root: str) -> list[ImageItem]:
    """One item per image. Old clients read `url` and new ones `b64_json`: who names neither gets both."""
    outputs = Prediction.of(found, 0).output
    return [
        ImageItem(
            url=root + image.url if form != "b64_json" else None,
            b64_json=base64.b64encode(blob).decode() if form != "url" else None,
            seed=image.seed,
        )
        for image, blob in zip(outputs, blobs, strict=True)
    ]
