"""From a request to a prediction: check it against the card, store its pictures, enqueue it, wait for it."""

from __future__ import annotations

import secrets
from copy import copy
from typing import Any
from uuid import uuid4

import structlog
from pydantic import ValidationError

from app.access import Caller
from app.errors import FieldError, Invalid, NotFound, ServerError, Unavailable, field_errors
from app.metrics import Metrics
from app.schemas.predictions import PredictionRequest
from app.store import Store
from app.uploads import from_data_uri, pointers, to_pixels
from core import logs
from core.settings import Settings
from models.card import Card, Task
from models.inputs import input_model
from models.registry import Registry
from workers.jobs import ENDED, PICTURE_PREFIX, Order, Snapshot

log = logs.get(__name__)

PICTURES = ("image", "images")
"""The inputs that are pictures."""

Files = dict[str, list[bytes]]


class Predictions:
    """What the routes do with predictions. Holds no state of its own: any API process answers for any prediction."""

    def __init__(self, registry: Registry, store: Store, settings: Settings, metrics: Metrics):
        self.registry = registry
        self.store = store
        self.settings = settings
        self.metrics = metrics
        self.caller = Caller()

    def of(self, caller: Caller) -> Predictions:
        """The same for one caller: what it makes is its own, and it finds what it may see."""
        bound = copy(self)
        bound.caller = caller
        return bound

    def card(self, model: str) -> Card:
        """Raises `NotFound` for a model that is not served."""
        try:
            card = self.registry[model].card
        except KeyError:
            card = None
        if card is None or not card.tasks:
            raise NotFound(f"there is no model {model!r}; GET /v1/models lists those there are", code="model_not_found")
        return card

    def task(self, card: Card, *wanted: Task) -> Task:
        """The first of the wanted tasks that the model offers. Raises `Invalid` if there is none."""
        for task in wanted:
            if task in card.tasks:
                return task
        asked, offered = " or ".join(wanted), ", ".join(card.tasks)
        raise Invalid(f"{card.name} does not {asked}; it offers {offered}", code="task_not_offered")

    async def create(self, request: PredictionRequest, files: Files, wait_s: float = 0) -> Snapshot:
        """Enqueues a prediction and waits up to `wait_s` for its end.

        Raises:
            Problem: the request is wrong or over the caller's limits, or the system cannot take it now. In either
                case nothing was enqueued.
        """
        await self.caller.count_request()
        card = self.card(request.model)
        task = self.task(card, request.task) if request.task else next(iter(card.tasks))
        values, pictures = self._validated(card, task, request.input, files)
        await self._require_capacity(card, request)
        uploads = {
            upload: await to_pixels(data, card.image, self.settings.max_pixels, at)
            for upload, (at, data) in pictures.items()
        }
        order = Order(model=card.name, task=task, input=values, output=request.output, owner=self.caller.owner)
        prediction = uuid4().hex
        structlog.contextvars.bind_contextvars(prediction=prediction)
        await self.caller.claim(prediction, order.count)
        with self.store.waiter(prediction) as waiter:
            found = await self.store.enqueue(prediction, order, request.priority, card.serving.timeout_s, uploads)
            self.metrics.accepted(card.name, task)
            log.info("prediction_enqueued", model=card.name, task=task.value)
            if wait_s > 0:
                found = await waiter.ended(wait_s)
        if found is None:
            raise ServerError("the prediction vanished from the queue")
        if found.status in ENDED:
            self.metrics.ended(card.name, task, found.status)
        return found

    async def get(self, prediction: str) -> Snapshot:
        """Raises `NotFound` for an id that is unknown, has expired or is another caller's."""
        found = await self.store.snapshot(prediction) if len(prediction) == 32 and prediction.isalnum() else None
        if found is None or not self.caller.sees(found.order.owner):
            raise NotFound(
                "there is no prediction of this id; results are kept for a limited time", code="prediction_not_found"
            )
        return found

    def _validated(
        self, card: Card, task: Task, given: dict[str, Any], files: Files
    ) -> tuple[dict, dict[str, tuple[str, bytes]]]:
        """The input as the card's schema has it, and the bytes of each picture by its upload id.

        A missing seed is drawn. Pictures may be files or data: URIs; in the input they become `upload:<id>`.
        """
        given = dict(given)
        pictures: dict[str, tuple[str, bytes]] = {}
        for name in PICTURES:
            sources: list[Any] = list(files.get(name, []))
            if sources and name in given:
                raise Invalid(f"{name!r} was sent both as a file and as a field")
            if not sources and given.get(name) is not None:
                value = given[name]
                sources = value if isinstance(value, list) and name == "images" else [value]
            if not sources:
                continue
            if name == "image" and len(sources) > 1:
                one = FieldError(pointer="/input/image", detail="sent more than once")
                raise Invalid("one picture is taken as `image`", errors=[one])
            references = []
            for at, source in zip(pointers(name, sources), sources, strict=True):
                if isinstance(source, str):
                    source = from_data_uri(source, at)
                if not isinstance(source, bytes):
                    raise Invalid(
                        "a picture is a file or a data: URI", errors=[FieldError(pointer=at, detail="not a string")]
                    )
                upload = uuid4().hex
                pictures[upload] = at, source
                references.append(PICTURE_PREFIX + upload)
            given[name] = references if name == "images" else references[0]
        if unknown := set(files) - set(PICTURES):
            raise Invalid(f"files are taken as {' or '.join(PICTURES)}, not as {', '.join(sorted(unknown))}")
        try:
            values = input_model(card, task).model_validate(given).model_dump()
        except ValidationError as error:
            raise Invalid(
                f"{card.name} does not take this input", errors=field_errors(error.errors(), ("input",))
            ) from None
        if "seed" in values and values["seed"] is None:
            values["seed"] = secrets.randbelow(2**32)
        return values, pictures

    async def _require_capacity(self, card: Card, request: PredictionRequest) -> None:
        """Raises `Unavailable` when no worker lives or the queue is full."""
        if not await self.store.workers():
            raise Unavailable("no worker is running", code="no_worker", retry_after_s=5)
        if await self.store.depth(card.name, request.priority) >= self.settings.max_queue:
            raise Unavailable(
                f"{self.settings.max_queue} predictions of {card.name} are waiting already",
                code="queue_full",
                retry_after_s=5,
            )
