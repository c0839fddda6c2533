"""From pixels to what an answer holds: encoded bytes to keep, and the record that describes them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from jobs.prediction import PICTURE_PREFIX, Answer, Image, Timing
from models.card import Task
from pictures import codec, composition
from pictures.provenance import PICTURE_DIGEST, Provenance
from tasks.operation import Finished
from tasks.operations import OPERATIONS
from workers.work import ComputedWork, ImageOutput, NumberOutput, PredictionError

Check = Callable[[], None]
Item = TypeVar("Item")

PREVIEWED = 4
"""Most images of a prediction that a preview shows."""


@dataclass(frozen=True)
class ResultBytes:
    """The bytes that belong to an answer: its encoded images in order, and all latents (`jobs.latents_key`)."""

    images: list[bytes] = field(default_factory=list)
    latents: bytes = b""

    @property
    def size(self) -> int:
        """Of all of them."""
        return sum(map(len, self.images)) + len(self.latents)


def encode(
    work: ComputedWork, enqueued_at: datetime, started_at: datetime, check: Check = lambda: None
) -> tuple[Answer, ResultBytes]:
    """The answer to a computed work, and the bytes that belong to it.

    Args:
        check: is called between pictures; what it raises ends it.

    Raises:
        PredictionError: the model answers with numbers that are none.
    """
    began = time.monotonic()
    values, finished = _values(work), _finished(work, check)
    latents = _latents(work, len(finished.pictures))
    blobs = _encoded(work, finished.pictures, check)
    encode_ms = (time.monotonic() - began) * 1000
    queue_ms = (started_at - enqueued_at).total_seconds() * 1000
    timing = Timing(
        queue_ms=round(max(queue_ms, 0), 2),
        load_ms=round(work.load_ms, 2),
        inference_ms=round(work.inference_ms, 2),
        encode_ms=round(encode_ms, 2),
        total_ms=round(max(queue_ms, 0) + work.load_ms + work.inference_ms + encode_ms, 2),
        batch_size=work.batch_size,
        cycle_error=finished.cycle_error,
    )
    size = 0 if latents is None else latents.shape[1]
    answer = Answer(images=tuple(_images(work, finished.pictures, blobs)), values=values, latent=size, timing=timing)
    return answer, ResultBytes(blobs, b"" if latents is None else latents.astype("<f4").tobytes())


def preview(images: np.ndarray) -> bytes:
    """Images in the making, uint8 [N, H, W, C], as one small png: the first few, side by side."""
    return codec.encode(composition.grid(list(images[:PREVIEWED])))


def _latents(work: ComputedWork, count: int) -> np.ndarray | None:
    """float32 [count, D], one for each picture of the answer, if the order asks for them; of a code, [N, D]."""
    if isinstance(work.output, NumberOutput) and work.order.task is Task.ENCODE:
        return _finite(work.output.values)
    if not work.order.output.latents:
        return None
    frame = work.order.frame
    latents = work.rows.tensors["latent"].flatten(1).numpy()[:: frame.tiles if frame else 1]
    return latents.repeat(count // len(latents), axis=0)


def _values(work: ComputedWork) -> tuple[dict[str, float], ...]:
    """The named numbers of each row, of a task that has any."""
    if not isinstance(work.output, NumberOutput) or not work.output.columns:
        return ()
    columns = work.output.columns
    return tuple(dict(zip(columns, row, strict=True)) for row in _finite(work.output.values).tolist())


def _finite(numbers: np.ndarray) -> np.ndarray:
    if not np.isfinite(numbers).all():
        raise PredictionError("not_finite", "the model has no finite answer for this picture")
    return numbers


def _finished(work: ComputedWork, check: Check) -> Finished:
    """The pictures to answer with: none of a task that answers with numbers; framed ones at the size asked for."""
    if not isinstance(work.output, ImageOutput):
        return Finished([])
    order, frame, images = work.order, work.order.frame, work.output.images
    operation = OPERATIONS[order.task]
    if order.holes:
        crops = _checked(_each(images, len(order.holes.crops)), check)
        return Finished([order.holes.fill(*_masked(work), made) for made in crops])
    if frame is None:
        return operation.finish(order.input, work.pictures, list(images))
    made = [frame.join(list(tiles)) for tiles in _checked(_each(images, frame.tiles), check)]
    finished = operation.finish(order.input, work.pictures, made)
    restored = [frame.restore(picture, work.pictures[0]) for picture in _checked(finished.pictures, check)]
    return replace(finished, pictures=restored)


def _each(images: np.ndarray, parts: int) -> np.ndarray:
    """What was made for each picture of the answer, of so many parts. uint8 [N, parts, H, W, C]."""
    return images.reshape(-1, parts, *images.shape[1:])


def _masked(work: ComputedWork) -> tuple[np.ndarray, np.ndarray]:
    """The picture that has holes, and where they are."""
    picture, mask = work.pictures
    return picture, mask[:, :, 0] > 0


def _encoded(work: ComputedWork, shown: Sequence[np.ndarray], check: Check) -> list[bytes]:
    output = work.order.output
    return [
        codec.encode(pixels, output.format, output.quality, made)
        for pixels, made in _checked(zip(shown, _provenances(work, len(shown)), strict=True), check)
    ]


def _checked(items: Iterable[Item], check: Check) -> Iterator[Item]:
    """The items, with a check before each and after the last."""
    for item in items:
        check()
        yield item
    check()


def _images(work: ComputedWork, shown: Sequence[np.ndarray], blobs: list[bytes]) -> Iterator[Image]:
    if not blobs:
        return
    for seed, pixels, blob in zip(work.rows.seeds, shown, blobs, strict=True):
        yield Image(
            seed=seed,
            width=pixels.shape[1],
            height=pixels.shape[0],
            sha256=hashlib.sha256(blob).hexdigest(),
            bytes=len(blob),
            format=work.order.output.format,
        )


def _provenances(work: ComputedWork, count: int) -> Iterator[Provenance | None]:
    """What is written into each image, unless the order wants nothing in it."""
    order, seeds = work.order, work.rows.seeds[:count]
    if not order.output.metadata:
        yield from (None for _ in seeds)
        return
    described = _described_input(work)
    for index, seed in enumerate(seeds):
        yield Provenance(
            model=order.model,
            weights=work.entry.card.weights.sha256,
            task=order.task,
            seed=seed,
            index=index if seed is None else 0,
            input=described,
        )


def _described_input(work: ComputedWork) -> dict[str, Any]:
    """The input without what differs between requests for the same image, as an image carries it.

    `n` and `seed` go, since each image has its own seed; a picture becomes the sha256 of its pixels.
    """
    digests = {
        PICTURE_PREFIX + name: PICTURE_DIGEST + hashlib.sha256(pixels.data).hexdigest()
        for name, pixels in zip(work.order.pictures, work.pictures, strict=True)
    }

    def described(value: Any) -> Any:
        if isinstance(value, list):
            return [described(item) for item in value]
        return digests.get(value, value) if isinstance(value, str) else value

    return {
        name: described(value)
        for name, value in work.order.input.items()
        if value is not None and name not in ("n", "seed")
    }
