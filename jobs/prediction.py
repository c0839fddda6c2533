"""A prediction: what is asked of a worker, what it answers, and where it is in its life. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from models.card import Task
from pictures.formats import Format
from pictures.framing import Frame
from pictures.holes import Holes

PICTURE_INPUTS = ("image", "images", "mask", "style_image", "guide_image")
"""The inputs that are pictures, in the order in which a job names them; `images` is a list."""

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
    """The ends that a webhook can ask for."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


EVENTS = {Status.SUCCEEDED: Event.COMPLETED, Status.FAILED: Event.FAILED, Status.CANCELED: Event.CANCELED}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(_Value):
    """How the images are to be encoded."""

    format: Format = Field(default="png", description="file format of the images")
    quality: int = Field(default=90, ge=1, le=100, description="for jpg, webp and avif")
    grid: bool = Field(default=False, description="name all images as one sheet, `urls.grid`")
    archive: bool = Field(default=False, description="name all images as one zip, `urls.archive`")
    metadata: bool = Field(default=True, description="write into each image what made it (`easel replay` reads it)")
    b64_json: bool = Field(default=False, description="put each image, in base64, into the answer too")
    latents: bool = Field(
        default=False, description="put each image's latent into the answer, to be sent back as `latent`"
    )


class Order(_Value):
    """What is asked of a worker. `input` has passed the card's schema; pictures in it are `picture:<id>`.

    `version` is the sha256 of the weights that the model's name stood for when it was admitted; it runs on those as
    long as a worker can have them, and after that on what the name stands for, unless the request itself named the
    version (`pinned`). Orders of earlier releases name none.
    `owner` is the id of the API key that asked, empty where none was needed. With a `frame`, the first picture is of
    the size that it says, not of the model's; with `holes`, the picture and its mask are of their own.
    """

    model: str
    task: Task
    input: dict[str, Any]
    version: str = ""
    pinned: bool = False
    output: Output = Output()
    owner: str = ""
    frame: Frame | None = None
    holes: Holes | None = None

    @property
    def count(self) -> int:
        """How many images the model makes for it, or what compares with so many."""
        shown = self.input.get("n") or self.input.get("frames") or 1
        if self.holes:
            return shown * len(self.holes.crops)
        return shown * self.frame.images if self.frame else shown

    @property
    def shown(self) -> int:
        """How many pictures its answer has."""
        made = self.input.get("n") or self.input.get("frames") or 1
        return made * (3 if self.input.get("heat_map") else 2 if self.input.get("cycle") else 1)

    @property
    def pictures(self) -> list[str]:
        """Ids of the pictures, in the order in which the input names them."""
        named: list[str | None] = []
        for name in PICTURE_INPUTS:
            value = self.input.get(name)
            named += value if isinstance(value, list) else [value]
        return [value.removeprefix(PICTURE_PREFIX) for value in named if value]


class Webhook(_Value):
    """Where a prediction's end is announced, and which ends. Kept in the job's meta."""

    url: str
    events: tuple[Event, ...] = tuple(Event)


class Image(_Value):
    """One image of an answer; its bytes lie under `image_key`, or in the store (`objects.image_object`)."""

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
    `stored` is the folder of the store in which the bytes lie instead (`jobs.objects`); empty: they lie in Redis.
    """

    images: tuple[Image, ...] = ()
    values: tuple[dict[str, float], ...] = ()
    latent: int = 0
    stored: str = Field(default="", exclude_if=lambda folder: not folder)
    timing: Timing


class Failure(_Value):
    """Why a prediction failed, in the user's terms. Kept in the job's meta."""

    code: str
    detail: str


class Loading(_Value):
    """A model that a worker loads for a prediction, before it can compute it."""

    estimate_s: float | None = Field(
        description="seconds that it took lately on such a worker; null if it was not loaded there before"
    )


STORE_UNREACHABLE = "store_unreachable"
"""Code of a failure, and of an error: the store for pictures could not be reached."""

WORKER_LOST = Failure(code="worker_lost", detail="the worker died twice while it ran this prediction")
"""Also of a job that rq itself ended: it does so only when a job's worker is gone."""


def owned_id(name: str, owner: str) -> str:
    """The id of a prediction that an API key has named: the same name of another key is another prediction."""
    return name + _owned_by(owner)


def _owned_by(owner: str) -> str:
    return f"-{owner}" if owner else ""


@dataclass(frozen=True)
class Snapshot:
    """A prediction as it stands, from its rq job.

    It has an `answer` once it has succeeded, a `failure` once it has failed, `started_at` once a worker has begun it,
    `loading` while that loads its model, and `ended_at` once it has ended.
    """

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
    loading: Loading | None = None
    blobs: Annotated[tuple[bytes, ...], Field(exclude=True)] = ()
    """The images' bytes, where the message of its completion has brought them."""

    @property
    def name(self) -> str:
        """Its id as its owner knows it."""
        return self.id.removesuffix(_owned_by(self.order.owner))

    @property
    def images(self) -> tuple[Image, ...]:
        """Of its answer; none of a prediction that has not succeeded, or that answers with numbers."""
        return self.answer.images if self.answer else ()


@dataclass(frozen=True)
class ProgressEvent:
    """One entry of a prediction's stream of events: the steps done of all, and a png of the images in the making."""

    id: str
    step: int
    total: int
    preview: bytes | None

    @classmethod
    def of(cls, entry: bytes, fields: Mapping[bytes, bytes]) -> ProgressEvent:
        """From a stream's entry."""
        return cls(entry.decode(), int(fields[b"step"]), int(fields[b"total"]), fields.get(b"preview"))
