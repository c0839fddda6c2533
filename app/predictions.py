"""From a request to a prediction: check it against the card, store its pictures, enqueue it, wait for it."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import uuid4

import structlog
from pydantic import ValidationError

from app.errors import FieldError, Invalid, NotFound, ServerError, Unavailable, field_errors
from app.metrics import Metrics
from app.schemas.predictions import PredictionRequest
from app.sources import Source, Sources
from app.store import Store
from app.uploads import pointers, to_pixels
from core import guard, logs
from core.settings import Settings
from models.card import Card, Task
from models.inputs import input_model
from models.registry import Registry
from workers.jobs import ENDED, PICTURE_PREFIX, Order, Snapshot, Webhook

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
        self.sources = Sources(store, settings)

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
            Problem: the request is wrong (nothing was enqueued), or the system cannot take it now.
        """
        card = self.card(request.model)
        task = self.task(card, request.task) if request.task else next(iter(card.tasks))
        values, pictures = self._validated(card, task, request.input, files)
        await self._require_capacity(card, request)
        webhook = await self._webhook(request)
        pixels = {
            picture: await to_pixels(await self.sources.read(source, at), card.image, self.settings.max_pixels, at)
            for picture, (at, source) in pictures.items()
        }
        order = Order(model=card.name, task=task, input=values, output=request.output)
        prediction = uuid4().hex
        structlog.contextvars.bind_contextvars(prediction=prediction)
        with self.store.waiter(prediction) as waiter:
            found = await self.store.enqueue(
                prediction, order, request.priority, card.serving.timeout_s, pixels, webhook
            )
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
        """Raises `NotFound` for an id that is unknown or has expired."""
        found = await self.store.snapshot(prediction) if len(prediction) == 32 and prediction.isalnum() else None
        if found is None:
            raise NotFound(
                "there is no prediction of this id; results are kept for a limited time", code="prediction_not_found"
            )
        return found

    def _validated(
        self, card: Card, task: Task, given: dict[str, Any], files: Files
    ) -> tuple[dict, dict[str, tuple[str, Source]]]:
        """The input as the card's schema has it, and where each picture comes from, by the picture's id.

        A missing seed is drawn. In the input the pictures become `picture:<id>`.
        """
        given = dict(given)
        pictures: dict[str, tuple[str, Source]] = {}
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
                if not isinstance(source, bytes | str):
                    raise Invalid("a picture is a file or a string", errors=[FieldError(pointer=at, detail="neither")])
                picture = uuid4().hex
                pictures[picture] = at, source
                references.append(PICTURE_PREFIX + picture)
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

    async def _webhook(self, request: PredictionRequest) -> Webhook | None:
        """Whom to tell of the end. Raises `Invalid` for an address that is not called."""
        if request.webhook is None:
            return None
        try:
            await guard.resolve(request.webhook, self.settings.webhook_allow_private)
        except guard.Refused as error:
            detail = str(error)
            raise Invalid(
                "this webhook is not called",
                code="webhook_refused",
                errors=[FieldError(pointer="/webhook", detail=detail)],
            ) from None
        return Webhook(url=request.webhook, events=request.webhook_events_filter)

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
