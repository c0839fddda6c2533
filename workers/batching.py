"""Batches of jobs: begun by one script and ended by another, with rq's own bookkeeping, in one round trip each."""

from __future__ import annotations

import threading
import time
import traceback
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from secrets import token_hex

from redis import Redis
from redis.client import Pipeline
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import now, utcformat

from core import logs
from jobs import scripts
from jobs.completions import Completion
from jobs.keys import latents_key
from jobs.outbox import AnnouncedJob
from jobs.prediction import Answer, Failure, Status
from jobs.records import date
from workers.engine import PredictionError, Work
from workers.results import ResultBytes

log = logs.get(__name__)


class Running(Execution):
    """An rq execution that knows its registry, so that its heartbeat needs no job."""

    def __init__(self, id: str, job_id: str, registry: StartedJobRegistry, worker_name: str):
        super().__init__(id, job_id, registry.connection, worker_name)
        self.registry = registry


@dataclass
class BatchJob:
    """One job of a batch."""

    id: str
    fields: dict[bytes, bytes]
    """The job's hash."""
    execution: Running
    canceled: threading.Event = field(default_factory=threading.Event)
    work: Work | None = None
    answer: Answer | None = None
    ended_at: datetime | None = None
    parcel: ResultBytes = field(default_factory=ResultBytes)
    """What belongs to its answer, once it has one."""
    failure: Failure | None = None
    trace: str = ""
    """Of the failure, for operators."""

    @cached_property
    def job(self) -> Job:
        """rq's object, which only what ends in another way than success needs."""
        job = AnnouncedJob(self.id, connection=self.execution.connection, serializer=JSONSerializer)
        job.restore(self.fields)
        return job

    @property
    def news(self) -> Completion:
        """Of its success."""
        started_at = date(self.fields[b"started_at"])
        return Completion(self.id, self.answer, started_at, self.ended_at, tuple(self.parcel.images))

    @property
    def timeout_s(self) -> int:
        """How long it may run."""
        return int(self.fields[b"timeout"])

    @property
    def outcome(self) -> Status:
        """What became of it, once it is done."""
        if self.failure is not None:
            return Status.FAILED
        return Status.CANCELED if self.canceled.is_set() else Status.SUCCEEDED

    def fail(self, error: Exception) -> None:
        """Notes what was raised."""
        self.failure = self._told(error)
        self.trace = "".join(traceback.format_exception(error))
        if self.failure.code == "internal_error":
            log.error("prediction_raised", prediction=self.id, exc_info=error)

    def _told(self, error: Exception) -> Failure:
        """What a user may know of an error."""
        if isinstance(error, PredictionError):
            return Failure(code=error.code, detail=error.detail)
        if isinstance(error, JobTimeoutException):
            return Failure(code="timeout", detail=f"the prediction took longer than its {self.timeout_s} s")
        return Failure(code="internal_error", detail="the model failed on this input; the worker's log says more")


@dataclass
class Batch:
    """Jobs of one queue that run together."""

    queue: Queue
    tasks: list[BatchJob]
    begun: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class QueueCandidate:
    """A queue to take from: its rank among the others, and how many images may be taken."""

    queue: Queue
    rank: int
    room: int


class Batches:
    """Begins and ends the batches of one worker."""

    def __init__(self, connection: Redis, worker: str):
        self.worker, self.connection = worker, connection
        self._begin = connection.register_script(scripts.BEGIN)
        self._used: frozenset[str] = frozenset()
        """The queues that ever had a job: few, where many models are served and few are asked for."""

    def look_anew(self) -> None:
        """Forgets which queues there are: of queues that came and went, their count may not tell."""
        self._used = frozenset()

    def begin(
        self, places_of: Callable[[Collection[str]], Sequence[QueueCandidate]], overdue: datetime, heartbeat_ttl_s: int
    ) -> Batch | None:
        """A batch of the first queue that has jobs, whose executions have to be kept alive from now on.

        A queue whose first job waits since before `overdue` goes before others of its rank, the oldest first.

        Args:
            places_of: where to look, best first, of the queues of these names.
        """
        execution, moment = token_hex(16), now()
        args = (self.worker, execution, utcformat(moment), moment.timestamp(), heartbeat_ttl_s, utcformat(overdue))
        while True:
            places = places_of(self._used)
            rooms = [part for place in places for part in (place.rank, place.room)]
            reply = self._begin([place.queue.key for place in places], [*args, len(self._used), *rooms])
            if reply != b"stale":
                break
            self._used = frozenset(queue.name for queue in Queue.all(self.connection))
        if not reply:
            return None
        queue = places[reply[0] - 1].queue
        registry = queue.started_job_registry
        tasks = []
        for name, flat, canceled in zip(reply[1::3], reply[2::3], reply[3::3], strict=True):
            job_id = name.decode()
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            task = BatchJob(job_id, fields, Running(execution, job_id, registry, self.worker))
            if canceled:
                task.canceled.set()
            tasks.append(task)
        return Batch(queue, tasks)

    def succeed(self, queue: Queue, tasks: Sequence[BatchJob], worker_key: str, pipeline: Pipeline) -> None:
        """Ends jobs that have answers, in the caller's transaction."""
        first, moment = tasks[0].execution, now()
        args: list[object] = [self.worker, first.id, utcformat(moment), moment.timestamp()]
        for task in tasks:
            task.ended_at = moment
            ttl = int(task.fields[b"result_ttl"])
            blobs = task.parcel.images
            result, began = b64encode(task.answer.model_dump_json().encode()), task.execution.created_at.timestamp()
            args += [task.id, ttl, result, began, len(blobs), *blobs]
            if task.parcel.latents:
                pipeline.set(latents_key(task.id), task.parcel.latents, ex=ttl)
            if b"meta" in task.fields:
                # What `AnnouncedJob` does where rq itself ends a job.
                task.job._status, task.job.ended_at = JobStatus.FINISHED, moment
                task.job.announce(pipeline, task.answer.model_dump(mode="json"))
        keys = [first.registry.key, queue.finished_job_registry.key, worker_key, first.worker_executions_key]
        # By its text: a script that Redis has forgotten would fail alone, in a transaction that goes through.
        pipeline.eval(scripts.SUCCEED, len(keys), *keys, *args)
