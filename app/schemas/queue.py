"""What waits, who works, and how fast it goes."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from jobs.prediction import Priority
from jobs.worker_state import Resident, Stage


class QueueRow(BaseModel):
    """The predictions of one model and priority."""

    model: str
    priority: Priority
    depth: int = Field(description="predictions that wait")
    running: int = Field(description="predictions that a worker holds")
    oldest_age_s: float | None = Field(description="how long the first of those that wait has waited")
    pace_s: float | None = Field(description="what a prediction of the model takes lately; null if none was made")


class PoolRow(BaseModel):
    """The models of one pool, and the workers that serve them."""

    name: str
    work_s: float = Field(description="what waits or runs, in seconds of one worker, as the models' pace has it")
    workers: int = Field(description="workers of this pool that were heard of lately, and those of no pool")


class WorkerRow(BaseModel):
    """One worker. `state` is rq's: `started`, `idle`, `busy` or `suspended`."""

    id: str
    host: str
    pid: int
    state: str
    alive: bool = Field(description="whether it was heard of lately; a dead worker is listed for another minute")
    started_at: datetime
    heartbeat_age_s: float
    succeeded: int
    failed: int
    device: str
    threads: int
    pool: str | None = Field(description="whose models it serves; null: all")
    memory_bytes: int = Field(description="weights it may hold before it drops the least recently used model")
    models: list[Resident] = Field(description="models in its memory, the next to be dropped first")


class StageRow(BaseModel):
    """One stage of the work: how often it was gone through, and what it took."""

    count: int
    mean_ms: float


class Throughput(BaseModel):
    """What all workers together did lately. A stage that was not gone through is absent.

    `queue` and `encode` are counted for each prediction, `load` for each model read from disk, `infer` for each group
    of predictions that shared forward passes, `store` for each transaction that committed answers.
    """

    window_s: float = Field(description="the last seconds that are looked at")
    predictions_per_s: float
    images_per_s: float
    batch_size: float | None = Field(description="mean images of predictions that shared forward passes")
    stages: dict[Stage, StageRow]


class QueueReport(BaseModel):
    """All queues and workers, and what was done lately."""

    depth: int = Field(description="predictions that wait, in all")
    running: int
    oldest_age_s: float | None
    queues: list[QueueRow] = Field(description="those in which predictions wait or run")
    pools: list[PoolRow]
    workers: list[WorkerRow]
    lately: Throughput
