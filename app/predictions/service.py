"""From a request to a prediction: check it against the card, store its pictures, enqueue it, wait for it."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

import structlog
from redis.exceptions import RedisError

from app.access import limits
from app.access.callers import ANYBODY, UNKNOWN_KEY, Caller
from app.http.errors import (
    ClientGone,
    Conflict,
    FieldError,
    Invalid,
    NotAcceptable,
    NotFound,
    Problem,
    Unauthorized,
    Unavailable,
)
from app.monitoring.metrics import ApiMetrics
from app.predictions import rendering
from app.predictions.admission import ExistingPrediction, NewJob, NotAdmitted
from app.predictions.event_stream import Watchers
from app.predictions.input_validation import Files, validated_input
from app.predictions.picture_sources import Source, Sources
from app.predictions.store import HistoryPosition, Store, Waiter
from app.predictions.uploads import require_texture, to_framed, to_holed, to_pixels
from app.schemas.keys import Scope
from app.schemas.predictions import PredictionRequest
from core import audit, guard, logs, tracing
from core.settings import Settings
from jobs.admission import Claim
from jobs.prediction import ENDED, PICTURE_PREFIX, Order, Priority, Snapshot, Status, Webhook, owned_id
from models.card import Card, Task
from models.registry import Entry, Registry
from pictures.formats import MEDIA_TYPES, Animated, Format
from pictures.framing import Frame
from pictures.holes import Holes
from tasks.inputs import framing

log = logs.get(__name__)

PREDICTION_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
"""Ids that a caller may choose; ours are 32 hexadecimal digits."""
STORED_ID = re.compile(r"^[A-Za-z0-9_-]{1,80}$")
"""The same, and what `owned_id` makes of those that were chosen."""

SCAN = 100
MAX_SCANNED = 1000
"""Predictions that one page of the history looks at, and in what portions."""

CLAIMED_S = 10
"""How long a request waits while the same one, which was sent before, is admitted."""

ENCODED_BYTES = 1024
"""What a file of an image may have besides its pixels, about."""

UNWATCHED_S = 0.25
"""How long a client that waits for pictures is not watched for its leaving, which is noticed then."""


@dataclass(frozen=True)
class RequestName:
    """How the caller names a request, so that sending it twice makes one prediction: by an id or by a key."""

    id: str | None = None
    key: str | None = None

    def __bool__(self) -> bool:
        return bool(self.id or self.key)

    def of(self, owner: str) -> str | None:
        """What the request is remembered by, among all callers'."""
        return f"{owner}:{'id' if self.id else 'key'}:{self.id or self.key}" if self else None


@dataclass(frozen=True)
class WaitPolicy:
    """How long the caller waits for the end, after how long the prediction is canceled, and who is waiting.

    `leaving` returns when the client has gone; what only that client can get is canceled then.
    """

    wait_s: float = 0
    cancel_after_s: float | None = None
    leaving: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class AnswerForm:
    """How the pictures of a prediction are answered: as one file of a format, a sheet if there are several or, if
    `moving`, an animation; or, with no format, as they are."""

    format: Format | Animated | None = None
    moving: bool = False


@dataclass(frozen=True)
class Filter:
    """Which predictions of the history are wanted."""

    status: Status | None = None
    model: str | None = None

    def fits(self, model: str, status: Status) -> bool:
        """Whether a prediction of this model, that stands so, is one."""
        return self.status in (None, status) and self.model in (None, model)


_OTHER_REQUEST = "another request was made under this id or Idempotency-Key"

Found = TypeVar("Found")


class Predictions:
    """What the routes do with predictions. All of them lie in Redis, so any API process answers for
    any prediction; of its own a process counts the event streams that are open on it."""

    def __init__(self, registry: Registry, store: Store, settings: Settings, metrics: ApiMetrics):
        self.registry = registry
        self.store = store
        self.settings = settings
        self.metrics = metrics
        self.sources = Sources(store, settings)
        self.watchers = Watchers(settings.max_watchers)
        self.caller = ANYBODY

    def of(self, caller: Caller) -> Predictions:
        """The same for one caller: what it makes is its own, and it finds what it may see."""
        if caller is self.caller:
            return self
        bound = copy(self)
        bound.caller = caller
        return bound

    def entry(self, model: str) -> Entry:
        """Raises `NotFound` for a model that is not served."""
        try:
            entry = self.registry[model]
        except KeyError:
            entry = None
        if entry is None or not entry.card.tasks:
            raise NotFound(f"there is no model {model!r}; GET /v1/models lists those there are", code="model_not_found")
        return entry

    def card(self, model: str) -> Card:
        """Raises `NotFound` for a model that is not served."""
        return self.entry(model).card

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
        wait: WaitPolicy,
        name: RequestName | None = None,
        form: AnswerForm | None = None,
    ) -> Snapshot:
        """Enqueues a prediction and waits for its end as long as the caller's wait lasts.

        With a `form` its answer must be pictures.

        A request that was named before, by id or idempotency key, is answered with the prediction that it made then.

        Raises:
            Problem: the request is wrong or over the caller's limits, or the system cannot take it now. In either
                case nothing was enqueued.
        """
        if request.priority is Priority.HIGH:
            self.caller.require(Scope.PRIORITY)
        card = self.card(request.model)
        task = self.task(card, request.task) if request.task else next(iter(card.tasks))
        if form and not task.pictured:
            raise NotAcceptable(f"{task} answers with numbers, not with pictures; send Accept: application/json")
        if request.output.latents and not card.tells_latents(task):
            here = FieldError(pointer="/output/latents", detail=f"{task} with {card.name} has no latents to tell")
            raise Invalid("there are no latents", errors=[here])
        values, pictures = validated_input(card, task, request.input, files)
        if not self.settings.accept_without_workers and not await self.store.workers():
            raise Unavailable("no worker is running", code="no_worker", retry_after_s=5)
        webhook = await self._webhook(request)
        name = name or RequestName()
        order = Order(
            model=card.name,
            task=task,
            input=values,
            version=card.weights.sha256,
            pinned="@" in request.model,
            output=request.output,
            owner=self.caller.owner,
        )
        claim = Claim(
            owned_id(name.id, self.caller.owner) if name.id else secrets.token_hex(16),
            card.name,
            request.priority,
            self.settings.max_queue,
            owner=self.caller.owner,
            request=name.of(self.caller.owner),
            digest=_digest(request, files) if name else "",
            images=order.count,
            bounds=self.caller.bounds,
        )
        job = NewJob(claim, order, card.serving.timeout_s, webhook=webhook, waited=wait.wait_s > 0)
        structlog.contextvars.bind_contextvars(prediction=claim.prediction)
        with self.store.waiter(claim.prediction) as waiter:
            found = await self._admitted(job, card, form, pictures)
            if isinstance(found, Snapshot) and wait.cancel_after_s is not None:
                await self.store.cancel_later(found.id, wait.cancel_after_s)
            if isinstance(found, Snapshot) and wait.wait_s > 0:
                with suppress(RedisError):  # it was accepted, and will be made when Redis is back
                    found = await self._ended(found, waiter, wait)
        if isinstance(found, ExistingPrediction):
            found = await self.wait(found.id, wait.wait_s)
        return found

    async def _ended(self, found: Snapshot, waiter: Waiter, wait: WaitPolicy) -> Snapshot:
        """The new prediction once it has ended, or as it stands when wait does.

        Raises:
            ClientGone: nobody waits any more; the prediction was canceled.
        """
        if wait.leaving is None:
            return await waiter.ended(found, wait.wait_s)
        with _watched(wait.leaving, waiter.stop):
            found = await waiter.ended(found, wait.wait_s)
        if waiter.stopped and found.status not in ENDED:
            await self.store.cancel(found)
            raise ClientGone("the client left before the prediction ended, which was canceled")
        return found

    async def _admitted(
        self, job: NewJob, card: Card, form: AnswerForm | None, pictures: dict[str, tuple[str, Source]]
    ) -> Snapshot | ExistingPrediction:
        """The new prediction, or the one that its id or its request stands for already. No picture is read before the
        prediction is claimed, and none kept before it is enqueued.

        Raises:
            Problem: it is not taken; nothing of it is counted or kept.
        """
        if not pictures:
            return await self._enqueued(_for_one_file(job, card, form), {})
        claim = await self._granted(job.claim)
        if isinstance(claim, ExistingPrediction):
            return claim
        try:
            with tracing.span("read pictures"):
                pixels, frame, holes = await self._pixels(card, job.order.task, job.order.input, pictures)
            order = job.order.model_copy(update={"frame": frame, "holes": holes})
            found = await self._enqueued(_for_one_file(replace(job, claim=claim, order=order), card, form), pixels)
        except BaseException:
            await self.store.admission.release(claim, made_perhaps=True)
            raise
        if isinstance(found, ExistingPrediction):
            await self.store.admission.release(claim, made_perhaps=False)
        return found

    async def _granted(self, claim: Claim) -> Claim | ExistingPrediction:
        """Raises `Problem` for a claim that is not granted."""
        deadline = time.monotonic() + CLAIMED_S
        while True:
            try:
                return self._same_request(claim, await self.store.admission.claim(claim))
            except NotAdmitted as refused:
                if (
                    refused.reason != "claimed"
                    or time.monotonic() > deadline
                    or refused.told[0].decode() != claim.digest
                ):
                    raise await self._refusal(refused) from None
            await asyncio.sleep(CLAIMED_S / 100)

    async def _enqueued(self, job: NewJob, pictures: dict[str, bytes]) -> Snapshot | ExistingPrediction:
        """Raises `Problem` for a prediction that is not taken."""
        try:
            found = self._same_request(job.claim, await self.store.admission.enqueue(job, pictures))
        except NotAdmitted as refused:
            raise await self._refusal(refused) from None
        if isinstance(found, Snapshot):
            self.metrics.accepted(job.order.model, job.order.task)
            log.info("prediction_enqueued", model=job.order.model, task=job.order.task.value)
        return found

    def _same_request(self, claim: Claim, found: Found) -> Found:
        """What was found. Raises `Invalid` if it is a prediction that another request made."""
        if isinstance(found, ExistingPrediction) and found.digest != claim.digest:
            raise Invalid(_OTHER_REQUEST, code="idempotency_mismatch")
        return found

    async def _refusal(self, refused: NotAdmitted) -> Problem:
        """What is answered to a claim that is not granted."""
        claim = refused.claim
        match refused.reason:
            case "revoked":
                return Unauthorized(UNKNOWN_KEY)
            case "claimed" if refused.told[0].decode() != claim.digest:
                return Invalid(_OTHER_REQUEST, code="idempotency_mismatch")
            case "claimed":
                return Conflict("the same request is on its way already; send it again in a while", code="in_progress")
            case "full":
                pace = await self.store.pace(claim.model) or 1
                return Unavailable(
                    f"{claim.max_queue} predictions of {claim.model} are waiting already",
                    code="queue_full",
                    retry_after_s=max(1, round(claim.max_queue * pace)),
                )
        return limits.refusal(claim, refused.reason, *map(float, refused.told))

    async def get(self, prediction: str) -> Snapshot:
        """Raises `NotFound` for an id that is unknown, has expired or is another caller's."""
        return self._noted("prediction.read", await self._found(prediction))

    def _noted(self, action: str, found: Snapshot) -> Snapshot:
        """The prediction. That an admin does something with another's is noted for the audit log."""
        if found.order.owner != self.caller.owner:
            audit.note(action, found.id)
        return found

    async def _found(self, prediction: str) -> Snapshot:
        """Raises `NotFound` as `get` does."""
        for id in dict.fromkeys((prediction, owned_id(prediction, self.caller.owner))):
            found = await self.store.snapshot(id) if STORED_ID.fullmatch(id) else None
            if found is not None and self.caller.sees(found.order.owner):
                return found
        raise NotFound(
            "there is no prediction of this id; results are kept for a limited time", code="prediction_not_found"
        )

    async def wait(self, prediction: str, wait_s: float) -> Snapshot:
        """The prediction once it has ended, or as it stands after `wait_s`. Raises `NotFound`."""
        with self.store.waiter(prediction) as waiter:
            found = await self.get(prediction)
            if found.status not in ENDED and wait_s > 0:
                found = await waiter.ended(found, wait_s)
        return found

    async def history(
        self, after: HistoryPosition | None, limit: int, wanted: Filter
    ) -> tuple[list[Snapshot], HistoryPosition | None]:
        """Up to `limit` of the caller's predictions that fit, newest first, and the last place looked at if there may
        be more. A caller who sees all is shown all.

        Looks at no more than `MAX_SCANNED` predictions, so a rare match may come pages later, after empty ones.
        """
        if self.caller.key and self.caller.sees_all:
            audit.note("prediction.list")
        owner, page = "" if self.caller.sees_all else self.caller.owner, []
        for _ in range(MAX_SCANNED // SCAN):
            places = await self.store.history(owner, after, SCAN)
            standings = await self.store.standings([place.id for place in places]) if places else []
            standing = dict(zip(places, standings, strict=True))
            if gone := [place.id for place, each in standing.items() if each is None]:
                await self.store.strike(owner, gone)
            room = limit - len(page)
            fitting = [place for place, each in standing.items() if each and wanted.fits(*each)]
            kept = await self.store.snapshots([place.id for place in fitting[:room]]) if fitting else []
            page += [found for found in kept if found is not None]
            if len(fitting) >= room:
                return page, fitting[room - 1]
            if len(places) < SCAN:
                return page, None
            after = places[-1]
        return page, after

    async def cancel(self, prediction: str) -> Snapshot:
        """A waiting prediction never runs; a running one stops at its next step, or its result is dropped.

        One that has ended stays as it is.
        """
        await self.store.cancel(self._noted("prediction.cancel", await self._found(prediction)))
        return await self._found(prediction)

    async def purge(self, prediction: str) -> None:
        """Forgets an ended prediction and its bytes. Raises `Conflict` for one that has not ended."""
        if not await self.store.purge(self._noted("prediction.delete", await self._found(prediction))):
            raise Conflict("the prediction has not ended; cancel it first", code="not_ended")

    async def _pixels(
        self, card: Card, task: Task, values: dict[str, Any], pictures: dict[str, tuple[str, Source]]
    ) -> tuple[dict[str, bytes], Frame | None, Holes | None]:
        """Each picture as the model takes it, by its id; and of one of another size than its own how it is framed, or
        how its holes are filled."""
        most, owner = self.settings.max_pixels, self.caller.owner
        if task is Task.INPAINT:
            image, mask = (values[name].removeprefix(PICTURE_PREFIX) for name in ("image", "mask"))
            files = await self._read(*pictures[image]), await self._read(*pictures[mask])
            shown, marked, holes = await to_holed(*files, card, most, owner)
            return {image: shown, mask: marked}, None, holes
        pixels, frame, framed = {}, None, framing(card, task, values)
        for picture, (at, source) in pictures.items():
            data = await self._read(at, source)
            if framed and values["image"] == PICTURE_PREFIX + picture:
                pixels[picture], frame = await to_framed(data, card.image, most, at, framed, owner)
            else:
                stretched = card.fit == "stretch"
                pixels[picture] = await to_pixels(data, card.image, most, at, owner, stretched)
            if task is Task.STYLIZE and values.get("style_image") == PICTURE_PREFIX + picture:
                require_texture(pixels[picture], card.image, at)
        return pixels, frame, None

    async def _read(self, pointer: str, source: Source) -> bytes:
        return await self.sources.read(source, pointer, self.caller.owner)

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


@contextmanager
def _watched(leaving: Callable[[], Awaitable[None]], left: Callable[[], None]) -> Iterator[None]:
    """Calls `left` when the client has gone, or soon after: most predictions end before a task to watch is worth it."""
    watching: list[asyncio.Future[None]] = []

    def watch() -> None:
        watching.append(asyncio.ensure_future(leaving()))
        watching[0].add_done_callback(lambda _: left())

    begin = asyncio.get_running_loop().call_later(UNWATCHED_S, watch)
    try:
        yield
    finally:
        begin.cancel()
        for task in watching:
            task.cancel()


def _for_one_file(job: NewJob, card: Card, form: AnswerForm | None) -> NewJob:
    """The job with its images in a format from which that of the answer can be made without a second loss, and with the
    bytes that they may have.

    Raises:
        Invalid: its pictures would make a sheet or an animation that is too large.
    """
    order = job.order
    answer = order.frame or order.holes or card.image
    size = answer.width, answer.height
    if order.output.grid and order.shown > 1:
        rendering.require_one_file(order.shown, size, "png")
    if order.task.pictured:
        channels = card.image.channels if answer is card.image else 4
        job = replace(job, expected_bytes=order.shown * (size[0] * size[1] * channels + ENCODED_BYTES))
    if form is None or form.format is None:
        return job
    format = form.format if form.format in MEDIA_TYPES else "png"
    if form.moving:
        rendering.require_one_file(order.shown, size, form.format, moving=True)
        format = "png"
    elif order.shown > 1:
        rendering.require_one_file(order.shown, size, form.format)
        format = "png"
    if format == order.output.format:
        return job
    output = order.output.model_copy(update={"format": format})
    return replace(job, order=order.model_copy(update={"output": output}))


def _digest(request: PredictionRequest, files: Files) -> str:
    """A fingerprint of all that a request asks for."""
    digest = sha256(request.model_dump_json().encode())
    for name in sorted(files):
        for data in files[name]:
            digest.update(f"{name} {len(data)} ".encode() + data)
    return digest.hexdigest()
