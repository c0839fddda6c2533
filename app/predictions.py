"""From a request to a prediction: check it against the card, store its pictures, enqueue it, wait for it."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

import structlog
from pydantic import ValidationError

from app.access import Caller
from app.errors import Conflict, FieldError, Invalid, NotAcceptable, NotFound, Unavailable, field_errors
from app.metrics import Metrics
from app.schemas.predictions import PredictionRequest
from app.sources import Source, Sources
from app.store import Earlier, NewJob, QueueFull, Store
from app.uploads import pointers, to_pixels
from core import guard, logs
from core.settings import Settings
from models.card import Card, Task
from models.inputs import STARTS, input_model
from models.registry import Registry
from workers.jobs import ENDED, PICTURE_PREFIX, Order, Snapshot, Status, Webhook

log = logs.get(__name__)

PICTURES = ("image", "images", "mask")
"""The inputs that are pictures."""

PREDICTION_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
"""Ids that a caller may choose; ours are 32 hexadecimal digits."""

SCAN = 100
MAX_SCANNED = 1000
"""Predictions that one page of the history looks at, and in what portions."""

EVENTS_EVERY_S = 0.5
"""Between two looks at a prediction that is watched and of which nothing was said meanwhile."""

Files = dict[str, list[bytes]]


@dataclass(frozen=True)
class Naming:
    """How the caller names a request, so that sending it twice makes one prediction."""

    id: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Filter:
    """Which predictions of the history are wanted."""

    status: Status | None = None
    model: str | None = None

    def fits(self, found: Snapshot) -> bool:
        """Whether this is one."""
        return (self.status is None or found.status is self.status) and self.model in (None, found.order.model)


@dataclass(frozen=True)
class Event:
    """Something that happened to a prediction. `id` is that of the newest progress known by then."""

    name: str
    id: str
    data: dict[str, Any] | Snapshot


class Predictions:
    """What the routes do with predictions. Holds no state of its own: any API process answers for any prediction."""

    def __init__(self, registry: Registry, store: Store, settings: Settings, metrics: Metrics):
        self.registry = registry
        self.store = store
        self.settings = settings
        self.metrics = metrics
        self.sources = Sources(store, settings)
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

    async def create(
        self,
        request: PredictionRequest,
        files: Files,
        wait_s: float = 0,
        naming: Naming | None = None,
        pictured: bool = False,
    ) -> Snapshot:
        """Enqueues a prediction and waits up to `wait_s` for its end. With `pictured` its answer must be pictures.

        A request that was named before, by id or idempotency key, is answered with the prediction that it made then.

        Raises:
            Problem: the request is wrong or over the caller's limits, or the system cannot take it now. In either
                case nothing was enqueued.
        """
        await self.caller.count_request()
        card = self.card(request.model)
        task = self.task(card, request.task) if request.task else next(iter(card.tasks))
        if pictured and not task.pictured:
            raise NotAcceptable(f"{task} answers with numbers, not with pictures; send Accept: application/json")
        if request.output.latents and not (card.latent and task.has_latents):
            here = FieldError(pointer="/output/latents", detail=f"{task} with {card.name} has no latents to tell")
            raise Invalid("there are no latents", errors=[here])
        values, pictures = self._validated(card, task, request.input, files)
        if not await self.store.workers():
            raise Unavailable("no worker is running", code="no_worker", retry_after_s=5)
        webhook = await self._webhook(request)
        pixels = {
            picture: await to_pixels(await self.sources.read(source, at), card.image, self.settings.max_pixels, at)
            for picture, (at, source) in pictures.items()
        }
        naming = naming or Naming()
        job = NewJob(
            id=naming.id or uuid4().hex,
            order=Order(model=card.name, task=task, input=values, output=request.output, owner=self.caller.owner),
            priority=request.priority,
            timeout_s=card.serving.timeout_s,
            max_queue=self.settings.max_queue,
            webhook=webhook,
            digest=_digest(request, files) if naming.key else "",
            idempotency=naming.key and self.caller.owner + naming.key,
        )
        structlog.contextvars.bind_contextvars(prediction=job.id)
        with self.store.waiter(job.id) as waiter:
            found = await self._claim_and_enqueue(job, pixels)
            if isinstance(found, Snapshot) and wait_s > 0:
                found = await waiter.ended(wait_s)
        if isinstance(found, Earlier):
            found = await self.wait(found.id, wait_s)
        return found

    async def _claim_and_enqueue(self, job: NewJob, pictures: dict[str, bytes]) -> Snapshot | Earlier:
        """`_enqueue`, counted against the caller unless it makes no new prediction."""
        new = await self.caller.claim(job.id, job.order.count)
        found = None
        try:
            found = await self._enqueue(job, pictures)
        finally:
            if not isinstance(found, Snapshot):
                await self.caller.release(job.id if new else None, job.order.count)
        return found

    async def _enqueue(self, job: NewJob, pictures: dict[str, bytes]) -> Snapshot | Earlier:
        """Raises `Unavailable` when the queue is full, `Invalid` when another request had the same name."""
        try:
            found = await self.store.enqueue(job, pictures)
        except QueueFull:
            model = job.order.model
            pace = await self.store.pace(model) or 1
            raise Unavailable(
                f"{job.max_queue} predictions of {model} are waiting already",
                code="queue_full",
                retry_after_s=max(1, round(job.max_queue * pace)),
            ) from None
        if isinstance(found, Earlier):
            if found.digest != job.digest:
                raise Invalid("another request was made under this id or Idempotency-Key", code="idempotency_mismatch")
            return found
        self.metrics.accepted(job.order.model, job.order.task)
        log.info("prediction_enqueued", model=job.order.model, task=job.order.task.value)
        return found

    async def get(self, prediction: str) -> Snapshot:
        """Raises `NotFound` for an id that is unknown, has expired or is another caller's."""
        found = await self.store.snapshot(prediction) if PREDICTION_ID.fullmatch(prediction) else None
        if found is None or not self.caller.sees(found.order.owner):
            raise NotFound(
                "there is no prediction of this id; results are kept for a limited time", code="prediction_not_found"
            )
        return found

    async def wait(self, prediction: str, wait_s: float) -> Snapshot:
        """The prediction once it has ended, or as it stands after `wait_s`. Raises `NotFound`."""
        with self.store.waiter(prediction) as waiter:
            found = await self.get(prediction)
            if found.status not in ENDED and wait_s > 0:
                found = await waiter.ended(wait_s) or found
        return found

    async def history(self, cursor: str | None, limit: int, wanted: Filter) -> tuple[list[Snapshot], str | None]:
        """Up to `limit` predictions that fit, newest first, and the cursor of the next page if there may be more.

        Looks at no more than `MAX_SCANNED` predictions, so a rare match may come pages later, after empty ones.
        """
        page: list[Snapshot] = []
        for _ in range(MAX_SCANNED // SCAN):
            ids = await self.store.history(cursor, SCAN)
            for name, found in zip(ids, await self.store.snapshots(ids) if ids else [], strict=True):
                cursor = name
                if found is not None and self.caller.sees(found.order.owner) and wanted.fits(found):
                    page.append(found)
                if len(page) == limit:
                    return page, cursor
            if len(ids) < SCAN:
                return page, None
        return page, cursor

    async def cancel(self, prediction: str) -> Snapshot:
        """A waiting prediction never runs; a running one stops at its next step, or its result is dropped.

        One that has ended stays as it is.
        """
        await self.store.cancel(await self.get(prediction))
        return await self.get(prediction)

    async def purge(self, prediction: str) -> None:
        """Forgets an ended prediction and its bytes. Raises `Conflict` for one that has not ended."""
        if not await self.store.purge(await self.get(prediction)):
            raise Conflict("the prediction has not ended; cancel it first", code="not_ended")

    async def events(self, prediction: str, after: str) -> AsyncIterator[Event]:
        """What happens to a prediction from now to its end, and the progress since the event `after`.

        Yields `queued` (position, eta_s) whenever the position changes, `started` once, each `progress` (step, total),
        a `preview` (image, a data URI) after it where the model has one, and `completed` with the prediction, the last.
        """
        told: object = None
        with self.store.waiter(prediction) as waiter:
            while True:
                found = await self.get(prediction)
                if found.status is Status.QUEUED:
                    position = await self.store.position(found)
                    if position is not None and position != told:
                        told = position
                        pace = await self.store.pace(found.order.model)
                        eta = None if pace is None else round((position + 1) * pace, 3)
                        yield Event("queued", after, {"position": position, "eta_s": eta})
                elif told is not Status.PROCESSING:
                    told = Status.PROCESSING
                    yield Event("started", after, {"started_at": found.started_at and found.started_at.isoformat()})
                for progress in await self.store.events(prediction, after):
                    after = progress.id
                    yield Event("progress", after, {"step": progress.step, "total": progress.total})
                    if progress.preview:
                        yield Event("preview", after, {"image": _data_uri(progress.preview)})
                if found.status in ENDED:
                    yield Event("completed", after, found)
                    return
                await waiter.changed(EVENTS_EVERY_S)

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
            if name != "images" and len(sources) > 1:
                one = FieldError(pointer=f"/input/{name}", detail="sent more than once")
                raise Invalid(f"one picture is taken as `{name}`", errors=[one])
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
        if "seed" in values and values["seed"] is None and _draws(task, values):
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


def _draws(task: Task, values: dict[str, Any]) -> bool:
    """Whether a seed is needed: not where it is one of several starts, and another one is given."""
    others = [name for name in STARTS.get(task, ()) if name != "seed"]
    return "seed" not in STARTS.get(task, ()) or all(values.get(name) is None for name in others)


def _digest(request: PredictionRequest, files: Files) -> str:
    """A fingerprint of all that a request asks for."""
    digest = sha256(request.model_dump_json().encode())
    for name in sorted(files):
        for data in files[name]:
            digest.update(f"{name} {len(data)} ".encode() + data)
    return digest.hexdigest()


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
