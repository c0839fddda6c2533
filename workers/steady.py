"""An rq worker that lives as long as it is wanted: it beats while it works, bears outages of Redis, leaves in order.

rq's own loop ends at the first trouble with Redis, and its `SimpleWorker` sends no heartbeat while it works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from redis import Redis, exceptions
from redis.client import PubSub, PubSubWorkerThread
from redis.exceptions import RedisError
from rq import worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import SimpleWorker

from core import logs
from jobs.keys import CANCEL, cancel_key
from jobs.outbox import AnnouncedJob
from jobs.prediction import LOST
from jobs.worker_state import FIELD, WorkerState
from workers.batching import Batch, BatchJob
from workers.maintenance import Caretaker

log = logs.get(__name__)

HEARTBEAT_S = 3
"""Between two heartbeats of a running batch."""
HEARTBEAT_TTL_S = 15
"""Without a heartbeat for so long, a worker counts as dead and its jobs run elsewhere."""
COMMIT_S = 30
"""How long a worker that was told to stop keeps its answers while Redis cannot be reached."""

SUSPENSION_S = 1
"""Between two questions whether workers are suspended."""

IDLE_S = 2
"""Longest sleep of an idle worker; a ring of the doorbell ends it at once."""

AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.WatchError,
)
"""Redis cannot do it now, and may later."""

T = TypeVar("T")


class CommitLost(Exception):
    """The worker was told to stop while Redis was away, and Redis did not come back in time to take the answers."""


class SteadyWorker(SimpleWorker):
    """Runs what `next_batch` finds, come what may."""

    log_result_lifespan = False
    log_job_description = False
    job_class = AnnouncedJob

    def __init__(self, queues: Iterable[str], connection: Redis, result_ttl_s: int):
        super().__init__(
            list(queues),
            connection=connection,
            serializer=JSONSerializer,
            default_result_ttl=result_ttl_s,
            worker_ttl=HEARTBEAT_TTL_S,
            maintenance_interval=HEARTBEAT_TTL_S,
        )
        self.in_hand: dict[str, BatchJob] = {}
        """By id, the predictions that this worker has begun and not ended."""
        self._caretaker = Caretaker(connection, self.queues, [_keep_loss])
        self._stopped = threading.Event()
        self._suspension_asked = 0.0
        self._beaten = self._doubted = time.monotonic()

    def describe(self) -> WorkerState:
        """What this worker has and has done lately."""
        raise NotImplementedError

    def next_batch(self, burst: bool) -> Batch | None:
        """Waits for jobs and begins a batch; None when told to stop, or in a burst when all queues are empty."""
        raise NotImplementedError

    def run_batch(self, batch: Batch) -> None:
        """Answers the jobs of a batch, each with what became of it."""
        raise NotImplementedError

    def finish(self) -> None:
        """Hands over what is in hand; the last thing before the worker leaves."""
        raise NotImplementedError

    def work(self, burst: bool = False) -> None:
        """Takes and runs batches until it is told to stop, or with `burst` until all queues are empty.

        Redis may go and come back meanwhile.
        """
        self.bootstrap("WARNING")
        self._install_signal_handlers()
        try:
            while not self._stop_requested:
                try:
                    self._heed_suspension(burst)
                    batch = self.next_batch(burst)
                    if batch is None:
                        break
                    self.run_batch(batch)
                except StopRequested:
                    break
                except AWAY as error:
                    self._note_outage(error)
        finally:
            self.teardown()

    def _heed_suspension(self, burst: bool) -> None:
        """Waits while `rq suspend` says so; asked of Redis once a second, not before each batch."""
        if time.monotonic() - self._suspension_asked > SUSPENSION_S:
            self.check_for_suspension(burst)
            self._suspension_asked = time.monotonic()

    def patiently(self, ask: Callable[[], T]) -> T:
        """What `ask` answers, asked again every second while Redis is away.

        Raises:
            CommitLost: the worker was told to stop, and Redis was away for `COMMIT_S`. Its jobs will run elsewhere.
        """
        began = time.monotonic()
        while True:
            try:
                return ask()
            except AWAY as error:
                if self._stop_requested and time.monotonic() - began > COMMIT_S:
                    raise CommitLost from error
                self._note_outage(error)

    def _note_outage(self, error: RedisError) -> None:
        """Waits a moment before Redis is asked again."""
        self._doubted = time.monotonic()
        log.warning("redis_unreachable", error=str(error))
        time.sleep(1)

    def doubts(self, since: float) -> bool:
        """Whether since then, in `time.monotonic`, Redis could not be reached or heartbeats came too late."""
        return self._doubted > since or time.monotonic() - self._beaten > HEARTBEAT_TTL_S / 2

    def serialize(self) -> dict:
        """What rq keeps of a worker, and what this one says of itself."""
        return {**super().serialize(), FIELD: self.describe().model_dump_json()}

    def register_birth(self) -> None:
        """Registers the worker and starts its heartbeat."""
        super().register_birth()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def run_maintenance_tasks(self) -> None:
        """What caretakers do, unless this worker itself was cut off lately."""
        if time.monotonic() - self._doubted > HEARTBEAT_TTL_S or self.last_cleaned_at is None:
            self._caretaker.look(HEARTBEAT_TTL_S)
        self.last_cleaned_at = now()

    def subscribe(self) -> None:
        """Listens for rq's commands, and for predictions that are to be canceled."""
        super().subscribe()
        self.pubsub.subscribe(**{CANCEL: self._note_cancel})

    def _pubsub_exception_handler(self, exc: Exception, pubsub: PubSub, pubsub_thread: PubSubWorkerThread) -> None:
        """Listens again after any trouble with Redis; rq's own would stop after a timeout."""
        if not isinstance(exc, RedisError):
            raise exc
        time.sleep(1)

    def _note_cancel(self, message: dict) -> None:
        if task := self.in_hand.get(message["data"].decode()):
            task.canceled.set()

    def _beat(self) -> None:
        """Keeps this worker and its executions alive in rq's registries while the main thread computes.

        It also looks for cancels, since the message of one may have been lost.
        """
        while not self._stopped.wait(HEARTBEAT_S):
            tasks = list(self.in_hand.values())
            try:
                flags = self._send_heartbeat(tasks)
            except RedisError as error:
                log.warning("heartbeat_failed", error=str(error))
                continue
            for task, flag in zip(tasks, flags, strict=True):
                if flag is not None:
                    task.canceled.set()

    def _send_heartbeat(self, tasks: list[BatchJob]) -> list[bytes | None]:
        """Answers the tasks' cancel flags."""
        with self.connection.pipeline() as pipeline:
            pipeline.hexists(self.key, "birth")
            self.heartbeat(pipeline=pipeline)
            pipeline.hset(self.key, FIELD, self.describe().model_dump_json())
            for task in tasks:
                task.execution.heartbeat(task.execution.registry, HEARTBEAT_TTL_S, pipeline=pipeline)
            for task in tasks:
                pipeline.get(cancel_key(task.id))
            known, *replies = pipeline.execute()
            if time.monotonic() - self._beaten > HEARTBEAT_TTL_S / 2:
                self._doubted = time.monotonic()
            self._beaten = time.monotonic()
            if not known:  # so long ago was the last heartbeat, or Redis has lost its data
                pipeline.hset(self.key, mapping=self.serialize() | {"state": self.get_state()})
                worker_registration.register(self, pipeline)
                pipeline.execute()
        return replies[len(replies) - len(tasks) :]

    def set_shutdown_requested_date(self) -> None:
        """rq's note that the worker leaves; made in a signal handler, where nobody could handle an outage."""
        with suppress(RedisError):
            super().set_shutdown_requested_date()

    def teardown(self) -> None:
        """Hands over what is in hand, then leaves."""
        self._stop_requested = True
        try:
            self.finish()
        finally:
            self._stopped.set()
            with suppress(RedisError):
                super().teardown()


def _keep_loss(job: Job, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An rq exception handler, for jobs whose workers died: says so in the job's meta."""
    job.meta["failure"] = LOST.model_dump()
    job.save_meta()
