"""/v1/predictions: create, look at, watch, cancel and delete them; fetch their images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic_core import to_json
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from app.dependencies import Asking, AskingDep, PredictionsDep, StoreDep
from app.direct import DirectRoute
from app.http import responses
from app.http.errors import Gone, NotFound
from app.http.openapi import PICTURES, PREDICTION_BODY, problems
from app.http.parsing import read_prediction
from app.predictions.service import PREDICTION_ID, AnswerForm, Filter, RequestName
from app.predictions.store import HistoryPosition, Store
from app.schemas.predictions import PredictionList
from jobs.prediction import Status
from jobs.representation import Prediction
from pictures.formats import MEDIA_TYPES, Format

router = APIRouter(prefix="/v1/predictions", tags=["predictions"], route_class=DirectRoute)


IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, description="makes sending twice safe")
]
_CURSOR = r"^[0-9]{1,15}-[A-Za-z0-9_-]{1,64}$"
PredictionId = Annotated[str, Path(pattern=PREDICTION_ID.pattern, description="1 to 64 letters, digits, _ and -")]

CREATED = {
    "status_code": 201,
    "response_model": Prediction,
    "responses": {
        **PICTURES,
        202: {"model": Prediction, "description": "not ended yet"},
        **problems(400, 404, 406, 408, 410, 413, 415, 422, 429, 503),
    },
    "openapi_extra": PREDICTION_BODY,
}


@router.post("", summary="Ask for pictures", **CREATED)
async def create(
    request: Request, asking: AskingDep, store: StoreDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Enqueues a prediction. `Prefer: wait=10` waits up to ten seconds for its end; `Accept: image/png` waits and
    answers with the picture itself (several as a grid), `Accept: application/zip` with the single files. A client that
    leaves while it waits for the picture cancels it, unless it named the request."""
    return await _answer(request, asking, store, RequestName(key=idempotency_key))


@router.put("/{prediction_id}", summary="Ask for pictures under an id of your own", **CREATED)
async def put(request: Request, prediction_id: PredictionId, asking: AskingDep, store: StoreDep) -> Response:
    """The same as POST, idempotent by id: sent again, it answers with the prediction that the first one made."""
    return await _answer(request, asking, store, RequestName(id=prediction_id, key=f"put:{prediction_id}"))


async def _answer(request: Request, asking: Asking, store: Store, naming: RequestName) -> Response:
    asked, files = await read_prediction(request)
    media_type = responses.preferred(request, responses.JSON)
    if media_type != responses.JSON:
        form = AnswerForm(responses.format_named(media_type))
        return await responses.as_bytes(await asking.pictures(asked, files, naming, form), store, media_type)
    found = await asking.prediction(asked, files, naming)
    return responses.as_json(found, store.ttl_s, await responses.embedded(found, store))


@router.get("", responses=problems(422, 503), summary="The history")
async def read_all(
    predictions: PredictionsDep,
    store: StoreDep,
    cursor: Annotated[str | None, Query(pattern=_CURSOR, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    status: Status | None = None,
    model: str | None = None,
) -> PredictionList:
    """Predictions that are still kept, newest first."""
    ms, _, name = (cursor or "").partition("-")
    after = HistoryPosition(name, int(ms)) if cursor else None
    page, last = await predictions.history(after, limit, Filter(status, model))
    following = last and f"{last.ms}-{last.id}"
    return PredictionList(data=[Prediction.of(found, store.ttl_s) for found in page], next_cursor=following)


@router.get("/{prediction_id}", responses=problems(404, 503), summary="A prediction as it stands")
async def read(prediction_id: str, predictions: PredictionsDep, store: StoreDep) -> Prediction:
    """Status, images, metrics or error of one prediction."""
    found = await predictions.get(prediction_id)
    return Prediction.of(found, store.ttl_s, await responses.embedded(found, store))


@router.post("/{prediction_id}/cancel", responses=problems(404, 503), summary="Cancel")
async def cancel(prediction_id: str, predictions: PredictionsDep, store: StoreDep) -> Prediction:
    """What waits never runs; what runs stops at its next step (`canceling` until then); what has ended stays."""
    return Prediction.of(await predictions.cancel(prediction_id), store.ttl_s)


@router.delete("/{prediction_id}", status_code=204, responses=problems(404, 409, 503), summary="Forget")
async def delete(prediction_id: str, predictions: PredictionsDep) -> None:
    """Deletes an ended prediction with all its bytes, before they expire by themselves."""
    await predictions.purge(prediction_id)


@router.get(
    "/{prediction_id}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, **problems(404, 503)},
    summary="Watch",
)
async def events(
    prediction_id: str,
    predictions: PredictionsDep,
    store: StoreDep,
    last_event_id: Annotated[str | None, Header(pattern=r"^(\d{1,20}-\d{1,20})?$")] = None,
) -> Response:
    """Server-sent events: `queued` (position, eta_s), `started`, `progress` (step, total), `preview` (image, a
    png as data URI), and `completed` (the prediction), after which the stream ends. `Last-Event-ID` replays the
    progress since then."""
    await predictions.get(prediction_id)  # a 404 is an answer, not an event
    predictions.watchers.require_room()

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async for event in predictions.events(prediction_id, last_event_id or ""):
            data = event.data if isinstance(event.data, dict) else Prediction.of(event.data, store.ttl_s)
            yield ServerSentEvent(to_json(data).decode(), event=event.name, id=event.id or None)

    return EventSourceResponse(stream(), ping=15, headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})


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

    async def make() -> bytes:
        blob = await store.image(prediction_id, index)
        if blob is None:
            raise Gone("the image has expired")
        return blob if format == record.format else await asyncio.to_thread(responses.transcode, blob, format)

    return await responses.unchanging(request, f"{record.sha256}-{format}", store.ttl_s, MEDIA_TYPES[format], make)
