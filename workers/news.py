"""The news of ends: what a worker tells the API process that waits for some predictions, so that it need not look.

A message may be lost; whoever waits still looks by itself now and then. Imports no torch and does no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from workers.jobs import Answer

MAX_BYTES = 32 * 2**10
"""Images of one prediction that travel with the news of its end; those of more bytes are fetched."""


@dataclass(frozen=True)
class News:
    """The end of a prediction that has succeeded. `blobs` are its images in order, or nothing if they are too large."""

    id: str
    answer: Answer
    started_at: datetime
    ended_at: datetime
    blobs: tuple[bytes, ...] = ()


def channel(api: str) -> str:
    """Where an API process hears of the predictions that it waits for."""
    return f"easel:news:{api}"


def pack(news: Iterable[News]) -> bytes:
    """Several news as one message: a line of JSON, and the images one after another."""
    heads, blobs = [], []
    for each in news:
        carried = each.blobs if sum(map(len, each.blobs)) <= MAX_BYTES else ()
        times = each.started_at.isoformat(), each.ended_at.isoformat()
        answer = orjson.Fragment(each.answer.model_dump_json())
        heads.append((each.id, answer, *times, [len(blob) for blob in carried]))
        blobs += carried
    return b"\n".join((orjson.dumps(heads), b"".join(blobs)))


def unpack(message: bytes) -> Iterator[News]:
    """What `pack` has packed."""
    at = message.index(b"\n")
    heads = orjson.loads(message[:at])
    at += 1
    for name, answer, started_at, ended_at, sizes in heads:
        blobs = []
        for size in sizes:
            blobs.append(message[at : at + size])
            at += size
        times = datetime.fromisoformat(started_at), datetime.fromisoformat(ended_at)
        yield News(name, Answer.model_validate(answer), *times, tuple(blobs))
