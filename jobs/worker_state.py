"""What a worker says of itself with each heartbeat: a field of the hash that rq keeps for the worker, and so expires.

Imports no torch, so that the API can read it.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

FIELD = "easel"
"""Of the worker's hash."""


class Stage(StrEnum):
    """Where time goes. Queue and encode are measured for each prediction, load for each model that is read from disk,
    infer for each group of predictions that shares forward passes, store for each transaction that commits answers."""

    QUEUE = "queue"
    LOAD = "load"
    INFER = "infer"
    ENCODE = "encode"
    STORE = "store"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sum(_Value):
    """Several measurements as one."""

    count: int = 0
    total: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        return Sum(count=self.count + other.count, total=self.total + other.total)


class Lately(_Value):
    """What was measured in the last `window_s` seconds: seconds by stage, and images by group."""

    window_s: float
    stages: dict[Stage, Sum]
    batches: Sum


class Resident(_Value):
    """A model in memory, and what its weights take."""

    id: str
    version: str = ""
    """sha256 of the weights; empty of workers of earlier releases."""
    bytes: int


class WorkerState(_Value):
    """`resident` is in the order in which models would be dropped to keep within `memory_bytes`; a worker of no pool
    serves all models."""

    device: str
    threads: int
    pool: str | None = None
    memory_bytes: int
    resident: tuple[Resident, ...]
    lately: Lately
