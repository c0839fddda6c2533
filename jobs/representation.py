"""A prediction as its caller sees it: what the API answers, and what webhooks and events carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from jobs.prediction import ENDED, Answer, Failure, Loading, Snapshot, Status, Timing
from models.card import Task


def is_none(value: object) -> bool:
    """For fields that are left out of the answer when they hold nothing (`exclude_if`)."""
    return value is None


Link = Callable[[str, int, str], str | None]
"""Signs a path until a time (in s since 1970) for the owner of what it names, if that may be (`Caller.link`)."""


class OutputImage(BaseModel):
    """One image of a prediction."""

    url: str
    seed: int | None = Field(description="draws this very image again; null where no noise was drawn")
    width: int
    height: int
    sha256: str
    link: str | None = Field(
        None, exclude_if=is_none, description="the same address for whoever has it, without a key, until `expires_at`"
    )
    b64_json: str | None = Field(
        None,
        exclude_if=is_none,
        description="the file's bytes, with `output.b64_json`; absent once they have expired, and where all files "
        "together have over 32 MiB",
    )
    latent: list[float] | None = Field(
        None, exclude_if=is_none, description="what it was made from, with `output.latents`; absent once it has expired"
    )


class OutputNumbers(BaseModel):
    """What a task that makes no pictures says of one picture."""

    values: dict[str, float] | None = Field(
        None,
        exclude_if=is_none,
        description="of `score`: `log_likelihood` in nats, or a lower bound of it, and the same as `bits_per_dim`; or "
        "`critic` (higher is more real) or `energy` (lower is more real); of `classify`: each class's probability",
    )
    latent: list[float] | None = Field(
        None, exclude_if=is_none, description="of `encode`: the picture's latent; absent once it has expired"
    )


@dataclass(frozen=True)
class Embedded:
    """What stands in the answer itself though it is kept apart: each image in base64, each latent."""

    b64: Sequence[str | None] = ()
    latents: Sequence[list[float]] = ()


class Urls(BaseModel):
    """Where to go from here."""

    get: str
    cancel: str
    events: str
    grid: str | None = Field(None, exclude_if=is_none, description="all images on one sheet, with `output.grid`")
    archive: str | None = Field(None, exclude_if=is_none, description="all images in one zip, with `output.archive`")


class Prediction(BaseModel):
    """A request and its life."""

    id: str
    object: Literal["prediction"] = "prediction"
    model: str
    version: str = Field(description="sha256 of the weights that it was admitted with; empty if an earlier release did")
    task: Task
    status: Status
    input: dict[str, Any]
    output: list[OutputImage] | list[OutputNumbers] | None
    error: Failure | None
    metrics: Timing | None
    created_at: datetime
    started_at: datetime | None
    loading: Loading | None = Field(
        None,
        exclude_if=is_none,
        description="present while the worker that has begun it loads its model, which was not in memory",
    )
    completed_at: datetime | None
    expires_at: datetime | None
    urls: Urls

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        ttl_s: int,
        embedded: Embedded | None = None,
        link: Link | None = None,
        home: str = "",
    ) -> Prediction:
        """The prediction as the API tells it.

        Args:
            link: signs paths, for addresses that need no key.
            home: what addresses begin with; without it they are relative to the server's root.
        """
        path = f"/v1/predictions/{snapshot.id}"
        here = home + path
        order, answer, ended = snapshot.order, snapshot.answer, snapshot.status in ENDED
        images = answer and answer.images
        expires_at = snapshot.ended_at + timedelta(seconds=ttl_s) if ended and snapshot.ended_at else None

        def linked(file: str) -> str | None:
            signed = link(path + file, int(expires_at.timestamp()), order.owner) if link and expires_at else None
            return signed and home + signed

        return cls(
            id=snapshot.name,
            model=order.model,
            version=order.version,
            task=order.task,
            status=snapshot.status,
            input=order.input,
            output=answer and _output(here, answer, embedded or Embedded(), linked),
            error=snapshot.failure,
            metrics=answer and answer.timing,
            created_at=snapshot.created_at,
            started_at=snapshot.started_at,
            loading=snapshot.loading,
            completed_at=snapshot.ended_at if ended else None,
            expires_at=expires_at,
            urls=Urls(
                get=here,
                cancel=f"{here}/cancel",
                events=f"{here}/events",
                grid=f"{here}/grid.png" if images and order.output.grid else None,
                archive=f"{here}/archive.zip" if images and order.output.archive else None,
            ),
        )


def _output(
    here: str, answer: Answer, embedded: Embedded, linked: Callable[[str], str | None]
) -> list[OutputImage] | list[OutputNumbers]:
    latents = embedded.latents or [None] * max(len(answer.images), len(answer.values), 1)
    if not answer.images:
        values = answer.values or [None] * len(latents)
        return [OutputNumbers(values=row, latent=latent) for row, latent in zip(values, latents, strict=True)]
    return [
        OutputImage(
            url=here + (file := f"/images/{index}.{image.format}"),
            link=linked(file),
            seed=image.seed,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
            b64_json=embedded.b64[index] if embedded.b64 else None,
            latent=latent,
        )
        for index, (image, latent) in enumerate(zip(answer.images, latents, strict=True))
    ]
