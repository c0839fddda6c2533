"""The contract between API and workers: what a job carries, where its bytes lie, what its rq state means.

A prediction is one rq job with the JSON serializer; its id is the job's id. Imports no torch and does no input or
output itself, so the API can use it from asyncio and the worker from threads.
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from rq.job import Job, JobStatus, Retry
from rq.queue import Queue
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from models.card import Task
from models.framing import Frame
from models.pictures import Format

FUNCTION = "workers.predict.predict"
"""The one function that our queues may run."""

DOORBELL = "easel:doorbell"
"""A list an enqueue pushes to and an idle worker blocks on. It has no data: a lost ring costs seconds, no job. It keeps
one ring, for a worker that is about to block; busy workers need none, since they look anyway."""

FINISHED = "easel:finished"
"""Channel on which a worker publishes the ids of predictions that have ended, with spaces between."""

CANCEL = "easel:cancel"
"""Channel on which the id of a prediction to be canceled is published, for the worker that may hold it."""

MODELS = "easel:models"
"""Channel on which workers are told to `load <model>` or to `unload <model>`."""

PROGRESS = "easel:progress"
"""Channel on which a worker publishes the id of a prediction that has new events."""

DEADLINES = "easel:deadlines"
"""Sorted set of the predictions that are to be canceled unless they have ended by a time, in s since 1970."""

PACE = "easel:pace"
"""Hash of seconds that a prediction takes lately, by model: what waiting times are reckoned from."""

ENDS = "easel:ends"
"""Hash of how many predictions have ended, by `end_field`: counted in the transactions that end them."""

PICTURE_PREFIX = "picture:"
"""In a job's input, a picture is named `picture:<id>`; its pixels lie under `picture_key(id)`."""


class Priority(StrEnum):
    """Queues of a higher priority are emptied first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Status(StrEnum):
    """Where a prediction is in its life."""

    QUEUED = "queued"
    PROCESSING = "processing"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})


class Event(StrEnum):
    """The ends that a webhook can be told of."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


EVENTS = {Status.SUCCEEDED: Event.COMPLETED, Status.FAILED: Event.FAILED, Status.CANCELED: Event.CANCELED}

_STATUS = {
    JobStatus.CREATED: Status.QUEUED,
    JobStatus.QUEUED: Status.QUEUED,
    JobStatus.DEFERRED: Status.QUEUED,
    JobStatus.SCHEDULED: Status.QUEUED,
    JobStatus.READY_TO_ENQUEUE: Status.QUEUED,
    JobStatus.STARTED: Status.PROCESSING,
    JobStatus.FINISHED: Status.SUCCEEDED,
    JobStatus.FAILED: Status.FAILED,
    JobStatus.STOPPED: Status.CANCELED,
    JobStatus.CANCELED: Status.CANCELED,
}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(_Value):
    """How the images are to be encoded."""

    format: Format = Field("png", description="file format of the images")
    quality: int = Field(90, ge=1, le=100, description="for jpg, webp and avif")
    grid: bool = Field(False, description="name all images as one sheet, `urls.grid`")
    archive: bool = Field(False, description="name all images as one zip, `urls.archive`")
    metadata: bool = Field(True, description="write into each png what made it (`easel replay` reads it)")
    b64_json: bool = Field(False, description="put each image, in base64, into the answer too")
    latents: bool = Field(False, description="put each image's latent into the answer, to be sent back as `latent`")


class Order(_Value):
    """What is asked of a worker. `input` has passed the card's schema; pictures in it are `picture:<id>`.

    `owner` is the id of the API key that asked, empty where none was needed. With a `frame`, the first picture is of
    the size that it says, not of the model's.
    """

    model: str
    task: Task
    input: dict[str, Any]
    output: Output = Output()
    owner: str = ""
    frame: Frame | None = None

    @property
    def count(self) -> int:
        """How many images the model makes for it."""
        shown = self.input.get("n") or self.input.get("frames") or 1
        return shown * self.frame.tiles if self.frame else shown

    @property
    def pictures(self) -> list[str]:
        """Ids of the pictures, in the order in which the input names them."""
        named = [
            self.input.get("image"),
            *(self.input.get("images") or []),
            self.input.get("mask"),
            self.input.get("style_image"),
        ]
        return [value.removeprefix(PICTURE_PREFIX) for value in named if value]


class Webhook(_Value):
    """Whom to tell of a prediction's end. Kept in the job's meta."""

    url: str
    events: tuple[Event, ...] = tuple(Event)


class Image(_Value):
    """One image of an answer; its bytes lie under `image_key`."""

    seed: int | None
    width: int
    height: int
    sha256: str
    bytes: int
    format: Format


class Timing(_Value):
    """Milliseconds by stage, how many images shared the forward pass, and what was measured on the answer."""

    queue_ms: float
    load_ms: float
    inference_ms: float
    encode_ms: float
    total_ms: float
    batch_size: int
    cycle_error: float | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="with `cycle`: mean absolute difference between picture and way back, as a share of the range",
    )


class Answer(_Value):
    """What a worker returns: an rq result. It has either images, or for each of the input's the numbers asked for.

    `latent` is how many float32 each image's latent has, if latents were asked for; they lie under `latents_key`.
    """

    images: tuple[Image, ...] = ()
    values: tuple[dict[str, float], ...] = ()
    latent: int = 0
    timing: Timing


class Failure(_Value):
    """Why a prediction failed, in the user's terms. Kept in the job's meta."""

    code: str
    detail: str


LOST = Failure(code="worker_lost", detail="the worker died twice while it ran this prediction")
"""Also of a job that rq itself ended: it does so only when a job's worker is gone."""


@dataclass(frozen=True)
class Snapshot:
    """A prediction as its rq job tells it."""

    id: str
    queue: str
    order: Order
    status: Status
    answer: Answer | None
    failure: Failure | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    webhook: Webhook | None = None
    blobs: Annotated[tuple[bytes, ...], Field(exclude=True)] = ()
    """The images' bytes, where the news of the end has brought them."""


@dataclass(frozen=True)
class Progress:
    """One entry of a prediction's stream of events: the steps done of all, and a png of the images in the making."""

    id: str
    step: int
    total: int
    preview: bytes | None

    @classmethod
    def of(cls, entry: bytes, fields: Mapping[bytes, bytes]) -> Progress:
        """From a stream's entry."""
        return cls(entry.decode(), int(fields[b"step"]), int(fields[b"total"]), fields.get(b"preview"))


def queue_name(model: str, priority: Priority) -> str:
    """Queues are per model and priority: what is drained together can be batched together."""
    return f"{model}.{priority.value}"


def queue_key(model: str, priority: Priority) -> str:
    """The Redis key of the list that rq keeps for the queue."""
    return Queue.redis_queue_namespace_prefix + queue_name(model, priority)


def end_field(model: str, task: Task, status: Status) -> str:
    """The field of `ENDS` that counts such ends."""
    return f"{model} {task.value} {status.value}"


def image_key(prediction: str, index: int) -> str:
    """Where the encoded bytes of an image lie."""
    return f"easel:image:{prediction}:{index}"


def latents_key(prediction: str) -> str:
    """Where the latents of a prediction's images lie: float32, little-endian, image after image."""
    return f"easel:latents:{prediction}"


def picture_key(picture: str) -> str:
    """Where the pixels of a picture lie: uint8 height x width x channels, of the card's size or `Frame.inner`."""
    return f"easel:picture:{picture}"


def cancel_key(prediction: str) -> str:
    """Set while a prediction that a worker holds is to be canceled."""
    return f"easel:cancel:{prediction}"


def events_key(prediction: str) -> str:
    """Stream of the progress that a worker reports, for whoever watches."""
    return f"easel:events:{prediction}"


def history_key(owner: str = "") -> str:
    """Sorted set of all predictions that are kept, or of one owner's, by the time they were made, in ms since 1970."""
    return f"easel:history:{owner}" if owner else "easel:history"


def idempotency_key(key: str) -> str:
    """Hash that holds the prediction made for an `Idempotency-Key`, and the digest of that request."""
    return f"easel:idempotency:{key}"


def job_key(prediction: str) -> str:
    """The hash that rq keeps for the job."""
    return Job.redis_job_namespace_prefix + prediction


def results_key(prediction: str) -> str:
    """The stream that rq keeps for the job's results."""
    return Result.get_key(prediction)


def new_job(
    prediction: str,
    order: Order,
    priority: Priority,
    timeout_s: int,
    ttl_s: int,
    webhook: Webhook | None = None,
    waiter: str = "",
) -> dict[str, Any]:
    """The fields of the rq job hash for an order, ready for HSET.

    Two are ours: `images`, for `scripts.BEGIN`, and `waiter`, the API process that is to be told of the end.
    """
    now = utcformat(datetime.now(UTC))
    fields = {
        **_NEW_JOB,
        "created_at": now,
        "enqueued_at": now,
        "origin": queue_name(order.model, priority),
        "description": f"{order.task} {order.model}",
        "data": orjson.dumps((FUNCTION, None, (), order.model_dump(mode="json"))),  # rq compresses, and reads both
        "timeout": timeout_s,
        "result_ttl": ttl_s,
        "failure_ttl": ttl_s,
        "images": order.count,
    }
    if waiter:
        fields["waiter"] = waiter
    if webhook:
        fields["meta"] = orjson.dumps({"webhook": webhook.model_dump(mode="json")})
    return fields


def snapshot(
    prediction: str,
    fields: Mapping[bytes, bytes],
    results: list[tuple[bytes, Mapping[bytes, bytes]]],
    cancel: bytes | None = None,
) -> Snapshot:
    """A prediction from its job hash, the newest entry of its results stream, and its cancel flag.

    Reads what rq wrote without making rq's objects of it: the API does this for each answer.

    Raises:
        ValueError: the job is not one of ours.
    """
    status = _STATUS[JobStatus(fields[b"status"].decode())]
    answer = None
    if status is Status.SUCCEEDED and results:
        answer = orjson.loads(b64decode(results[0][1][b"return_value"]))
    return _snapshot(
        id=prediction,
        queue=fields[b"origin"].decode(),
        order=order(fields),
        status=_canceling(status) if cancel is not None else status,
        answer=answer,
        meta=orjson.loads(fields.get(b"meta") or b"{}"),
        created_at=date(fields[b"created_at"]),
        started_at=date(fields.get(b"started_at")),
        ended_at=date(fields.get(b"ended_at")),
    )


def snapshot_of(job: Job, answer: Any) -> Snapshot:
    """A prediction from its job and, once it has succeeded, what the job returned."""
    return _snapshot(
        id=job.id,
        queue=job.origin,
        order=order_of(job),
        status=_STATUS[job._status],
        answer=answer,
        meta=job.meta,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _snapshot(status: Status, answer: Any, meta: Mapping[str, Any], **fields: Any) -> Snapshot:
    failure, webhook = meta.get("failure", LOST), meta.get("webhook")
    return Snapshot(
        **fields,
        status=status,
        answer=Answer.model_validate(answer) if answer and status is Status.SUCCEEDED else None,
        failure=Failure.model_validate(failure) if status is Status.FAILED else None,
        webhook=Webhook.model_validate(webhook) if webhook else None,
    )


def _canceling(status: Status) -> Status:
    return Status.CANCELING if status in (Status.QUEUED, Status.PROCESSING) else status


def date(text: bytes | None) -> datetime | None:
    """A moment as rq writes it, None where it writes nothing."""
    return datetime.fromisoformat(text.decode()) if text else None


def has_ended(status: bytes) -> bool:
    """Whether the `status` of a job hash is one that no job leaves again."""
    return _STATUS[JobStatus(status.decode())] in ENDED


def order(fields: Mapping[bytes, bytes]) -> Order:
    """What a job hash asks for. Raises `ValueError` for a job that is not ours."""
    data = fields[b"data"]
    function, _, _, kwargs = orjson.loads(data if data.startswith(b"[") else zlib.decompress(data))
    return _order(function, kwargs)


def enqueued_at(fields: Mapping[bytes, bytes]) -> datetime:
    """Since when a job has waited."""
    return date(fields[b"enqueued_at"])


def order_of(job: Job) -> Order:
    """What the job asks for. Raises `ValueError` for a job that is not ours."""
    return _order(job.func_name, job.kwargs)


def _order(function: str, kwargs: Mapping[str, Any]) -> Order:
    if function != FUNCTION:
        raise ValueError(f"a job of {function!r} is not ours to run")
    return Order.model_validate(kwargs)


# rq's constructors insist on a connection that (de)serialising never touches.
_NO_CONNECTION: Any = SimpleNamespace()

_NEW_JOB: dict[str, Any] = {
    **{
        name: value
        for name, value in Job.create(
            FUNCTION, retry=Retry(max=1), serializer=JSONSerializer, connection=_NO_CONNECTION
        )
        .to_dict()
        .items()
        if value != ""
    },
    "status": JobStatus.QUEUED.value,
}
"""What all our job hashes share, as rq writes it, but for what it would leave empty. A job whose worker dies is run
once more (`Retry`); one that raises is not, since it would raise again."""
