"""The function a job names. The batching worker answers jobs in batches; a stock rq worker can call it for each."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from redis import Redis
from rq import get_current_job

from core.object_store import ObjectStore
from core.settings import Settings, get_settings
from jobs.keys import image_key, latents_key, picture_key
from jobs.prediction import Order
from models import devices
from models.card import Card
from models.registry import Registry
from workers import results
from workers.engine import Engine
from workers.result_objects import ResultObjects
from workers.results import ResultBytes
from workers.work import PredictionError, Work

_engine: Engine | None = None


def engine_for(settings: Settings) -> Engine:
    """A new engine with the models, the device and the memory that the settings name."""
    registry = Registry.with_shipped(settings.models)
    return Engine(
        registry,
        str(devices.choose(settings.device, settings.worker_number)),
        settings.worker_threads,
        settings.model_memory_mb * 2**20,
        measured=settings.data_dir / "measured",
    )


def engine() -> Engine:
    """The engine of this process, made on first use."""
    global _engine
    if _engine is None:
        _engine = engine_for(get_settings())
    return _engine


@cache
def result_objects() -> ResultObjects | None:
    """The store of this process, if there is one."""
    url = get_settings().store
    return ResultObjects(ObjectStore(url)) if url else None


def predict(**order: Any) -> dict[str, Any]:
    """Answers the current job: keeps the images in Redis or the store and returns what `jobs.prediction.Answer` says.

    Raises:
        PredictionError: the order cannot be answered.
        RuntimeError: it is not called by an rq worker.
    """
    job = get_current_job()
    if job is None or job.enqueued_at is None or job.started_at is None:
        raise RuntimeError("only an rq worker that runs a job can call this")
    wanted = Order.model_validate(order)
    pictures = pictures_of(job.connection, engine().entry(wanted).card, wanted) if wanted.pictures else ()
    (computed,) = engine().run([engine().prepare(Work(wanted, pictures))])
    if computed is None:  # nobody else holds its `canceled`
        raise RuntimeError("the work was canceled")
    answer, result = results.encode(computed, job.enqueued_at, job.started_at)
    ttl_s = get_settings().result_ttl_s
    if objects := result_objects():
        answer = objects.put(job.id, answer, result, ttl_s)
    else:
        store(job.connection, job.id, result, ttl_s)
    return answer.model_dump(mode="json")


def pictures_of(connection: Redis, card: Card, order: Order) -> list[np.ndarray]:
    """The pictures that an order names (one at least), as pixels of the card's size, the frame's, or their own.

    Raises:
        PredictionError: a picture has expired, or is not of that size.
    """
    found = connection.mget([picture_key(picture) for picture in order.pictures])
    blobs = [blob for blob in found if isinstance(blob, bytes)]
    own = card.image.width, card.image.height
    shapes = [(own[1], own[0], card.image.channels)] * len(found)
    if frame := order.frame:
        width, height = frame.inner if frame.suits(own, card.native) else (0, 0)
        shapes[0] = height, width, card.image.channels + frame.alpha
    if holes := order.holes:
        width, height = (holes.width, holes.height) if holes.canvas == own[0] else (0, 0)
        shapes = [(height, width, holes.channels), (height, width, 1)]
    if len(blobs) < len(found):
        raise PredictionError(
            "upload_expired", "an uploaded picture had expired before the prediction ran; send it again"
        )
    if any(len(blob) != math.prod(shape) for blob, shape in zip(blobs, shapes, strict=True)):
        raise PredictionError(
            "invalid_input", f"an uploaded picture is not of the size that {card.name} takes; send it again"
        )
    return [np.frombuffer(blob, np.uint8).reshape(shape) for blob, shape in zip(blobs, shapes, strict=True)]


def store(connection: Redis, prediction: str, result: ResultBytes, ttl_s: int) -> None:
    """Keeps the bytes of an answer until they expire. `connection` may be a pipeline."""
    for index, blob in enumerate(result.images):
        connection.set(image_key(prediction, index), blob, ex=ttl_s)
    if result.latents:
        connection.set(latents_key(prediction), result.latents, ex=ttl_s)
