"""The jobs that a worker answers together, by stage: begun, prepared, computed, ended."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from rq.executions import Execution
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException

from core import logs, tracing
from jobs import records
from jobs.outbox import AnnouncedJob
from jobs.prediction import Answer, Failure, Order, Status
from workers.model_memory import is_out_of_memory
from workers.results import ResultBytes
from workers.work import ComputedWork, PredictionError, PreparedWork

log = logs.get(__name__)


class BatchExecution(Execution):
    """An rq execution that knows its registry, so that its heartbeat needs no job."""

    def __init__(self, id: str, job_id: str, registry: StartedJobRegistry, worker_name: str):
        super().__init__(id, job_id, registry.connection, worker_name)
        self.registry = registry


@dataclass(frozen=True, eq=False)
class BatchJob:
    """A job that this worker has begun."""

    id: str
    fields: dict[bytes, bytes]
    """The job's hash."""
    execution: BatchExecution
    canceled: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def rq_job(self) -> AnnouncedJob:
        """rq's object, which only what ends in another way than success needs."""
        job = AnnouncedJob(self.id, connection=self.execution.connection, serializer=JSONSerializer)
        job.restore(self.fields)
        return job

    @cached_property
    def order(self) -> Order:
        """What it asks for. Raises `ValueError` for a job that is not ours."""
        return records.order(self.fields)

    @property
    def started_at(self) -> datetime:
        """When it was begun."""
        return records.moment(self.fields[b"started_at"])

    @property
    def timeout_s(self) -> int:
        """How long it may run."""
        return int(self.fields[b"timeout"])

    @property
    def result_ttl_s(self) -> int:
        """How long its answer is kept."""
        return int(self.fields[b"result_ttl"])

    @property
    def waiter(self) -> str:
        """The API process that waits for its end; empty if none does."""
        return self.fields.get(b"waiter", b"").decode()

    @property
    def trace(self) -> dict[str, str]:
        """What names the trace that it belongs to (`core.tracing`), if it belongs to one."""
        return {name: self.fields[name.encode()].decode() for name in tracing.FIELDS if name.encode() in self.fields}

    def failed(self, error: Exception) -> FailedJob:
        """The job's end, by what was raised."""
        failure = self._failure(error)
        if failure.code == "internal_error":
            log.error("prediction_raised", prediction=self.id, exc_info=error)
        return FailedJob(self, failure, "".join(traceback.format_exception(error)))

    def _failure(self, error: Exception) -> Failure:
        """What a user may know of an error."""
        if isinstance(error, PredictionError):
            return Failure(code=error.code, detail=error.detail)
        if isinstance(error, JobTimeoutException):
            return Failure(code="timeout", detail=f"the prediction took longer than its {self.timeout_s} s")
        if is_out_of_memory(error):
            return Failure(code="out_of_memory", detail="the answer needs more memory than the worker has")
        return Failure(code="internal_error", detail="the model failed on this input; the worker's log says more")


@dataclass(frozen=True)
class PreparedJob:
    """A job whose order is read, and ready to be computed."""

    job: BatchJob
    work: PreparedWork


@dataclass(frozen=True)
class ComputedJob:
    """A job whose output is to be encoded."""

    job: BatchJob
    work: ComputedWork
    left_s: float
    """What is left of its time, for finishing and encoding."""


@dataclass(frozen=True)
class SucceededJob:
    """A job that has an answer."""

    job: BatchJob
    work: ComputedWork
    answer: Answer
    result: ResultBytes
    encode_began: float
    """By `time.monotonic`."""
    status = Status.SUCCEEDED

    @property
    def order(self) -> Order:
        """What was asked."""
        return self.work.order


@dataclass(frozen=True)
class FailedJob:
    """A job that has none."""

    job: BatchJob
    failure: Failure
    trace: str
    """Of the error, for operators."""
    status = Status.FAILED


@dataclass(frozen=True)
class CanceledJob:
    """A job whose answer nobody wants any more."""

    job: BatchJob
    order: Order
    status = Status.CANCELED


EndedJob = SucceededJob | FailedJob | CanceledJob


@dataclass(frozen=True, eq=False)
class Batch:
    """Jobs of one model and one queue that run together."""

    queue: Queue
    model: str
    jobs: Sequence[BatchJob]
    begun: float = field(default_factory=time.monotonic)


class HeldJobs:
    """The jobs that a worker has begun and not ended, whose executions must be kept alive. Safe for threads."""

    def __init__(self) -> None:
        self._jobs: dict[str, BatchJob] = {}

    def __contains__(self, prediction: str) -> bool:
        return prediction in self._jobs

    def add(self, jobs: Iterable[BatchJob]) -> None:
        """Jobs that were begun."""
        self._jobs |= {job.id: job for job in jobs}

    def remove(self, jobs: Iterable[BatchJob]) -> None:
        """Jobs that have ended, unless they were begun anew by this worker after others had taken them over."""
        for job in jobs:
            if self._jobs.get(job.id) is job:
                del self._jobs[job.id]

    def all(self) -> list[BatchJob]:
        """Those of now."""
        return list(self._jobs.values())

    def cancel(self, prediction: str) -> None:
        """Has the prediction canceled, if it is one of them."""
        if job := self._jobs.get(prediction):
            job.canceled.set()
