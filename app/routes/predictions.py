"""/v1/predictions: create, look at, watch, cancel and delete them; fetch their images."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import to_json
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.http.errors import Gone, NotFound
from app.http.openapi import PICTURES, PREDICTION_BODY, problems
from app.http.parameters import Header, PathParameter
from app.http.parsing import read_prediction
from app.http.plain_routes import PlainRoutes
from app.predictions import event_stream, rendering
from app.predictions.event_stream import canonical_event
from app.predictions.service import AnswerForm, RequestName
from app.routes.admission import admit
from app.routes.parameters import NEW_PREDICTION, PREDICTION
from app.routes.submission import HEADERS, Submission
from jobs.prediction import Status
from jobs.representation import Prediction
from pictures.formats import MEDIA_TYPES, Format

routes = PlainRoutes("/v1/predictions", ["predictions"])

IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    TypeAdapter(Annotated[str, Field(min_length=1, max_length=255)]),
    "makes sending twice safe",
)
LAST_EVENT_ID = Header(
    "last-event-id",
    TypeAdapter(Annotated[str, Field(pattern=r"^(\d{1,20}-\d{1,20})?$"), AfterValidator(canonical_event)]),
)
INDEX = PathParameter("index", TypeAdapter(int))
FORMAT = PathParameter("format", TypeAdapter(Format))

_CREATED: dict[str, Any] = {
    "status_code": 201,
    "response_model": Prediction,
    "responses": {
        **PICTURES,
        202: {"model": Prediction, "description": "not ended yet"},
        **problems(400, 404, 406, 408, 410, 413, 415, 422, 429, 503),
    },
}


@routes.add("POST", "", (IDEMPOTENCY_KEY, *HEADERS), PREDICTION_BODY, summary="Ask for pictures", **_CREATED)
async def create(request: Request) -> Response:
    """Enqueues a prediction. `Prefer: wait=10` waits up to ten seconds for its end; `Accept: image/png` waits and
    answers with the picture itself (several as a grid), `Accept: application/zip` with the single files. A client that
    leaves while it waits for the picture cancels it, unless it named the request."""
    submission = await Submission.of(request)
    return await _answer(submission, RequestName(key=IDEMPOTENCY_KEY.of(request)))


@routes.add(
    "PUT",
    "/{prediction_id}",
    (NEW_PREDICTION, *HEADERS),
    PREDICTION_BODY,
    summary="Ask for pictures under an id of your own",
    **_CREATED,
)
async def put(request: Request) -> Response:
    """The same as POST, idempotent by id: sent again, it answers with the prediction that the first one made."""
    submission = await Submission.of(request)
    id = NEW_PREDICTION.of(request)
    return await _answer(submission, RequestName(id=id))


async def _answer(submission: Submission, name: RequestName) -> Response:
    store = submission.predictions.store
    order, files = await read_prediction(submission.request)
    media_type = rendering.preferred(submission.request, rendering.JSON)
    if media_type != rendering.JSON:
        form = AnswerForm(rendering.format_named(media_type))
        return await rendering.as_bytes(await submission.pictures(order, files, name, form), store, media_type)
    found = await submission.prediction(order, files, name)
    return await rendering.as_json(found, store, submission.predictions.caller.link)


@routes.add(
    "GET",
    "/{prediction_id}",
    (PREDICTION,),
    response_model=Prediction,
    responses=problems(404, 503),
    summary="A prediction as it stands",
)
async def read(request: Request) -> Response:
    """Status, images, metrics or error of one prediction."""
    predictions = await admit(request)
    store = predictions.store
    found = await predictions.get(PREDICTION.of(request))
    embedded = await rendering.embedded(found, store)
    return _json(Prediction.of(found, store.ttl_s, embedded, predictions.caller.link, store.home))


@routes.add(
    "POST",
    "/{prediction_id}/cancel",
    (PREDICTION,),
    response_model=Prediction,
    responses=problems(404, 503),
    summary="Cancel",
)
async def cancel(request: Request) -> Response:
    """What waits never runs; what runs stops at its next step (`canceling` until then); what has ended stays."""
    predictions = await admit(request)
    store = predictions.store
    return _json(Prediction.of(await predictions.cancel(PREDICTION.of(request)), store.ttl_s, home=store.home))


@routes.add(
    "DELETE",
    "/{prediction_id}",
    (PREDICTION,),
    response_model=None,
    status_code=204,
    responses=problems(404, 409, 503),
    summary="Forget",
)
async def delete(request: Request) -> Response:
    """Deletes an ended prediction with all its bytes, before they expire by themselves."""
    predictions = await admit(request)
    await predictions.purge(PREDICTION.of(request))
    return Response(status_code=204)


@routes.add(
    "GET",
    "/{prediction_id}/events",
    (PREDICTION, LAST_EVENT_ID),
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, **problems(404, 429, 503)},
    summary="Watch",
)
async def events(request: Request) -> Response:
    """Server-sent events: `queued` (position, eta_s), `started`, `loading` (estimate_s, null where it is not known) and
    `loaded` where the model was not in memory, `progress` (step, total), `preview` (image, a png as data URI), and
    `completed` (the prediction), after which the stream ends. `Last-Event-ID` replays the progress since then."""
    predictions = await admit(request)
    prediction_id, last_event_id = PREDICTION.of(request), LAST_EVENT_ID.of(request)
    store = predictions.store
    found = await predictions.get(prediction_id)  # a 404 is an answer, not an event
    predictions.watchers.require_room(predictions.caller.owner)

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async for event in event_stream.stream(predictions, found.id, last_event_id or ""):
            data = event.data
            if not isinstance(data, dict):
                data = Prediction.of(data, store.ttl_s, link=predictions.caller.link, home=store.home)
            yield ServerSentEvent(to_json(data).decode(), event=event.name, id=event.id or None)

    return EventSourceResponse(stream(), ping=15, headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})


@routes.add(
    "GET",
    "/{prediction_id}/images/{index}.{format}",
    (PREDICTION, INDEX, FORMAT),
    response_class=Response,
    responses={
        200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}},
        206: {},
        304: {},
        307: {"description": "the address in the store, with EASEL_STORE_ANSWERS=redirect"},
        416: {},
        **problems(404, 406, 410, 422, 503),
    },
    summary="One image of a prediction",
)
async def image(request: Request) -> Response:
    """The bytes, in the format of the path. They never change, so `ETag` and `If-None-Match` save the transfer.
    With the query of the picture's `link` (`exp`, `sig`) no key is needed."""
    predictions = await admit(request)
    prediction_id, index, format = PREDICTION.of(request), INDEX.of(request), FORMAT.of(request)
    store = predictions.store
    found = await predictions.get(prediction_id)
    if found.status is not Status.SUCCEEDED or not 0 <= index < len(found.images):
        raise NotFound("this prediction has no such image", code="image_not_found")
    record = found.images[index]

    async def make() -> bytes:
        blob = await store.files.image(found, index)
        if blob is None:
            raise Gone("the image has expired")
        if format != record.format:
            blob = await rendering.transcoded(blob, format)
        return await store.signing.kept(found, f"{index}.{format}", blob)

    async def elsewhere() -> str | None:
        return await store.files.image_url(found, index)

    as_kept = format == record.format and not store.signing.signs

    tag = store.signing.tag(f"{record.sha256}-{format}")
    return await rendering.unchanging(
        request, tag, store.ttl_s, MEDIA_TYPES[format], make, elsewhere if as_kept else None
    )


def _json(prediction: Prediction) -> JSONResponse:
    return JSONResponse(prediction.model_dump(mode="json"))
