"""Completions: what a worker sends to the API process that waits for a prediction, so that it need not look.

A message may be lost; whoever waits still looks by itself now and then. Imports no torch and does no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from jobs.prediction import Answer

MAX_BYTES = 32 * 2**10
"""Images of one prediction that travel with the completions of its end; those of more bytes are fetched."""


@dataclass(frozen=True)
class Completion:
    """The end of a prediction that has succeeded. `blobs` are its images in order, or nothing if they are too large."""

    id: str
    answer: Answer
    started_at: datetime
    ended_at: datetime
    blobs: tuple[bytes, ...] = ()


def pack(completions: Iterable[Completion]) -> bytes:
    """Several completions as one message: a line of JSON, and the images one after another."""
    heads, blobs = [], []
    for each in completions:
        carried = each.blobs if sum(map(len, each.blobs)) <= MAX_BYTES else ()
        times = each.started_at.isoformat(), each.ended_at.isoformat()
        answer = orjson.Fragment(each.answer.model_dump_json())
        heads.append((each.id, answer, *times, [len(blob) for blob in carried]))
        blobs += carried
    return b"\n".join((orjson.dumps(heads), b"".join(blobs)))


def unpack(message: bytes) -> Iterator[Completion]:
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
        yield Completion(name, Answer.model_validate(answer), *times, tuple(blobs))
