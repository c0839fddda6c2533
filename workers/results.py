"""From pixels to what an answer holds: encoded bytes to keep, and the record that describes them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import datetime

from models import pictures
from workers.engine import Work
from workers.jobs import Answer, Image, Timing


def encode(work: Work, enqueued_at: datetime, started_at: datetime) -> tuple[Answer, list[bytes]]:
    """The answer to a finished work, and the bytes of its images in the same order."""
    began = time.monotonic()
    output = work.order.output
    blobs = [pictures.encode(pixels, output.format, output.quality) for pixels in work.pixels]
    encode_ms = (time.monotonic() - began) * 1000
    queue_ms = (started_at - enqueued_at).total_seconds() * 1000
    timing = Timing(
        queue_ms=round(max(queue_ms, 0), 2),
        load_ms=round(work.load_ms, 2),
        inference_ms=round(work.inference_ms, 2),
        encode_ms=round(encode_ms, 2),
        total_ms=round(max(queue_ms, 0) + work.load_ms + work.inference_ms + encode_ms, 2),
        batch_size=work.batch_size,
    )
    return Answer(images=tuple(_images(work, blobs)), timing=timing), blobs


def _images(work: Work, blobs: list[bytes]) -> Iterator[Image]:
    height, width = work.pixels.shape[1:3]
    for seed, blob in zip(work.rows.seeds, blobs, strict=True):
        digest = hashlib.sha256(blob).hexdigest()
        yield Image(
            seed=seed, width=width, height=height, sha256=digest, bytes=len(blob), format=work.order.output.format
        )
