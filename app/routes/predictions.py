"""/v1/predictions: create one, look at it, fetch its images."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from app import answers
from app.dependencies import PredictionsDep, SettingsDep, StoreDep, WaitDep
from app.errors import Gone, NotFound
from app.openapi import PREDICTION_BODY, problems
from app.parsing import read_prediction
from app.schemas.predictions import Prediction
from models.pictures import MEDIA_TYPES, Format
from workers.jobs import Status

router = APIRouter(prefix="/v1/predictions", tags=["predictions"])


@router.post(
    "",
    status_code=201,
    response_model=Prediction,
    responses={
        202: {"model": Prediction, "description": "not ended yet"},
        **problems(400, 404, 413, 415, 422, 429, 503),
    },
    openapi_extra=PREDICTION_BODY,
    summary="Ask for pictures",
)
async def create(
    request: Request, predictions: PredictionsDep, store: StoreDep, settings: SettingsDep, wait_s: WaitDep
) -> Response:
    """Enqueues a prediction. `Prefer: wait=10` waits up to ten seconds for its end; `Accept: image/png` waits and
    answers with the picture itself (several as a grid), `Accept: application/zip` with the single files."""
    asked, files = await read_prediction(request)
    media_type = answers.preferred(request, answers.JSON)
    if media_type == answers.JSON:
        found = await predictions.create(asked, files, wait_s)
        response = answers.as_json(found, store.ttl_s)
        if wait_s:
            response.headers["Preference-Applied"] = f"wait={wait_s:g}"
        return response
    found = await predictions.create(asked, files, wait_s or settings.max_wait_s)
    return await answers.as_bytes(found, store, media_type)


@router.get(
    "/{prediction_id}", response_model=Prediction, responses=problems(404, 503), summary="A prediction as it stands"
)
async def read(prediction_id: str, predictions: PredictionsDep, store: StoreDep) -> Prediction:
    """Status, images, metrics or error of one prediction."""
    return Prediction.of(await predictions.get(prediction_id), store.ttl_s)


@router.get(
    "/{prediction_id}/images/{index}.{format}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}, 304: {}, **problems(404, 410, 503)},
    summary="One image of a prediction",
)
async def image(
    prediction_id: str, index: int, format: Format, request: Request, predictions: PredictionsDep, store: StoreDep
) -> Response:
    """The bytes, in the format of the path. They never change, so `ETag` and `If-None-Match` save the transfer."""
    found = await predictions.get(prediction_id)
    if found.status is not Status.SUCCEEDED or not 0 <= index < len(found.answer.images):
        raise NotFound("this prediction has no such image", code="image_not_found")
    record = found.answer.images[index]
    headers = {"ETag": f'"{record.sha256}-{format}"', "Cache-Control": f"private, max-age={store.ttl_s}, immutable"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    blob = await store.image(prediction_id, index)
    if blob is None:
        raise Gone("the image has expired")
    if format != record.format:
        blob = await asyncio.to_thread(answers.transcode, blob, format)
    return Response(blob, 200, headers, MEDIA_TYPES[format])
