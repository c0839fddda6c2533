"""What an endpoint answers to a line of a batch: the same as to a request of its own, with pictures as base64."""

from __future__ import annotations

from typing import Any

from app.http.errors import Problem, envelope_of
from app.http.parsing import fitting
from app.predictions import openai, rendering
from app.predictions.service import Predictions
from app.schemas.batches import AnsweredLine, Endpoint, LineError, LineResponse
from app.schemas.images import ImagesRequest
from app.schemas.predictions import PredictionRequest
from jobs.prediction import Priority, Snapshot
from jobs.representation import Prediction

_TASKS = {Endpoint.GENERATIONS: openai.GENERATIONS, Endpoint.EDITS: openai.EDITS}


def request_of(endpoint: Endpoint, body: dict[str, Any], predictions: Predictions) -> PredictionRequest:
    """The prediction that a line asks for, which goes after all that is not of a batch, and tells no webhook.

    Raises:
        Problem: the body is not what the endpoint takes.
    """
    if endpoint is Endpoint.PREDICTIONS:
        asked = fitting(PredictionRequest, body)
    else:
        asked = openai.request_of(predictions, fitting(ImagesRequest, body), *_TASKS[endpoint])
    output = asked.output.model_copy(update={"b64_json": True})
    return asked.model_copy(update={"priority": Priority.LOW, "webhook": None, "output": output})


async def body_of(
    endpoint: Endpoint, body: dict[str, Any], found: Snapshot, predictions: Predictions
) -> dict[str, Any]:
    """What is answered of an ended prediction.

    Raises:
        Problem: it failed, or was canceled.
    """
    if endpoint is not Endpoint.PREDICTIONS:
        asked = fitting(ImagesRequest, body).model_copy(update={"response_format": "b64_json"})
        return (await openai.response_of(found, asked, predictions)).model_dump(mode="json")
    rendering.require_success(found)
    store = predictions.store
    embedded = await rendering.embedded(found, store)
    return Prediction.of(found, store.ttl_s, embedded, predictions.caller.link, store.home).model_dump(mode="json")


def answered(batch: str, number: int, custom_id: str, status: int, body: dict[str, Any]) -> AnsweredLine:
    """A line that has a response, be it an error."""
    id = _id(batch, number)
    return AnsweredLine(id=id, custom_id=custom_id, response=LineResponse(status_code=status, request_id=id, body=body))


def refused(batch: str, number: int, custom_id: str, problem: Problem) -> AnsweredLine:
    """A line whose response is an error."""
    return answered(batch, number, custom_id, problem.status, envelope_of(problem).model_dump(mode="json"))


def unanswered(batch: str, number: int, custom_id: str, error: LineError) -> AnsweredLine:
    """A line that was not asked, or not to the end."""
    return AnsweredLine(id=_id(batch, number), custom_id=custom_id, error=error)


def _id(batch: str, number: int) -> str:
    return f"batch_req_{batch.removeprefix('batch_')}_{number}"
