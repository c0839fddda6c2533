"""The batching worker: an rq worker that takes all compatible jobs at once and answers them with one forward pass.

What rq means by a job's status, registries, retries, results and TTLs stays as it is. What differs from rq's own: jobs
are begun by one script (`dequeuer`), computed together (`runner`) and ended in one transaction (`finisher`); the worker
beats while it computes (`heartbeat`); and Redis may go away at any time, and come back (`outages`).
"""

from __future__ import annotations

import time
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub, PubSubWorkerThread
from redis.exceptions import RedisError
from redis.retry import Retry
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from core import garbage_collection, logs
from core.pools import Pools
from core.redis_errors import is_passing
from core.settings import Settings
from jobs.keys import CANCEL, MODELS, doorbell_key, queue_name
from jobs.outbox import AnnouncedJob
from jobs.prediction import WORKER_LOST, Priority
from jobs.worker_state import FIELD, Resident, WorkerState
from workers import entrypoint, heartbeat
from workers.batch import Batch, HeldJobs
from workers.dequeuer import BatchStarter, Dequeuer, ServedQueue, rank
from workers.engine import Engine
from workers.finisher import Finisher
from workers.heartbeat import Heartbeat
from workers.maintenance import Maintenance
from workers.outages import Outages
from workers.runner import BatchRunner
from workers.work import PredictionError

log = logs.get(__name__)

PAUSE_S = 0.05
"""A worker that waits for longer says that it is idle."""
IDLE_S = 2
"""Longest sleep of an idle worker; a ring of the doorbell ends it at once."""
SUSPENSION_S = 1
"""Between two questions whether workers are suspended."""


class BatchWorker(SimpleWorker):
    """Serves the models of an engine, from one queue per model and priority."""

    log_result_lifespan = False
    log_job_description = False
    job_class = AnnouncedJob

    def __init__(self, engine: Engine, connection: Redis, settings: Settings):
        self.engine, self.settings = engine, settings
        pools = Pools(settings.pools)
        cards = [entry.card for entry in engine.registry.served() if pools.serves(settings.pool, entry.card.name)]
        served = [(card, priority) for priority in Priority for card in cards]
        self.doorbells = [doorbell_key(pool) for pool in pools.names if settings.pool in (None, pool)]
        super().__init__(
            [queue_name(card.name, priority) for card, priority in served],
            connection=connection,
            serializer=JSONSerializer,
            default_result_ttl=settings.result_ttl_s,
            worker_ttl=heartbeat.HEARTBEAT_TTL_S,
            maintenance_interval=heartbeat.HEARTBEAT_TTL_S,
        )
        self.held = HeldJobs()
        self.outages = Outages(heartbeat.HEARTBEAT_TTL_S, lambda: self._stop_requested)
        self.heartbeats = Heartbeat(self, self.describe, self.held, self.outages)
        self.dequeuer = Dequeuer(
            engine,
            [
                ServedQueue(queue, card, rank(priority))
                for queue, (card, priority) in zip(self.queues, served, strict=True)
            ],
            BatchStarter(connection, self.name, self.worker_ttl),
        )
        self.runner = BatchRunner(engine, connection, self.outages, self.death_penalty_class, settings.result_ttl_s)
        overlaps = engine.device.type != "cpu" or settings.worker_threads > 1
        self.finisher = Finisher(self, self.held, self.outages, engine.metrics, settings.result_ttl_s, overlaps)
        self.maintenance = Maintenance(connection, self.queues, self.doorbells, [_keep_reason])
        self._model_commands: SimpleQueue[str] = SimpleQueue()
        self._suspension_asked = 0.0

    def work(self, burst: bool = False, *args: Any, **kwargs: Any) -> bool:
        """Takes and runs batches until it is told to stop, or with `burst` until all queues are empty.

        Redis may go and come back meanwhile.

        Returns:
            Whether there was any batch.

        Raises:
            TypeError: another of rq's options is asked for.
        """
        if args or kwargs:
            raise TypeError("a batching worker has no other options than `burst`")
        self.bootstrap("WARNING")
        self._install_signal_handlers()
        worked = False
        try:
            while not self._stop_requested:
                try:
                    self._heed_suspension(burst)
                    batch = self.next_batch(burst)
                    if batch is None:
                        break
                    worked = True
                    self.finisher.finish(batch, self.runner.run(batch))
                except StopRequested:
                    break
                except RedisError as error:
                    if not is_passing(error):
                        raise
                    self.outages.wait(error)
        finally:
            self.teardown()
        return worked

    def next_batch(self, burst: bool) -> Batch | None:
        """Waits for jobs and begins a batch; None when told to stop, or in a burst when all queues are empty."""
        self._state = WorkerStatus.BUSY  # a stop request now waits for the batch
        while not self._stop_requested:
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            self._load_and_unload()
            if batch := self.dequeuer.begin():
                self.held.add(batch.jobs)
                return batch
            if burst:
                break
            self._wait_idle()
        return None

    def describe(self) -> WorkerState:
        """What this worker has and has done lately."""
        memory = self.engine.memory
        return WorkerState(
            device=str(self.engine.device),
            threads=self.settings.worker_threads,
            pool=self.settings.pool,
            memory_bytes=memory.budget_bytes,
            resident=tuple(Resident(id=name, bytes=model.bytes) for name, model in list(memory.loaded.items())),
            lately=self.engine.metrics.lately(),
        )

    def _wait_idle(self) -> None:
        self.finisher.wait()
        if self.connection.blpop(self.doorbells, timeout=PAUSE_S) is None:
            self.set_state(WorkerStatus.IDLE)
            self.heartbeat()
            if self.connection.blpop(self.doorbells, timeout=IDLE_S) is None:
                self.dequeuer.forget_queues()
        self._state = WorkerStatus.BUSY

    def _heed_suspension(self, burst: bool) -> None:
        """Waits while `rq suspend` says so; asked of Redis once a second, not before each batch."""
        if time.monotonic() - self._suspension_asked > SUSPENSION_S:
            self.check_for_suspension(burst)
            self._suspension_asked = time.monotonic()

    def _load_and_unload(self) -> None:
        """Loads and unloads the models as operators asked for since the last batch."""
        while not self._model_commands.empty():
            verb, _, model = self._model_commands.get().partition(" ")
            try:
                self.engine.load(model) if verb == "load" else self.engine.memory.drop(model)
            except PredictionError as error:
                log.warning("model_not_loaded", model=model, reason=error.detail)

    # What rq calls

    def serialize(self) -> dict:
        """What rq keeps of a worker, and what this one says of itself."""
        return {**super().serialize(), FIELD: self.describe().model_dump_json()}

    def register_birth(self) -> None:
        """Registers the worker and starts its heartbeat."""
        super().register_birth()
        self.heartbeats.start()

    def run_maintenance_tasks(self) -> None:
        """Maintenance, unless this worker itself was cut off lately."""
        if self.outages.seconds_since > heartbeat.HEARTBEAT_TTL_S or self.last_cleaned_at is None:
            self.maintenance.run(heartbeat.HEARTBEAT_TTL_S)
        self.last_cleaned_at = now()

    def subscribe(self) -> None:
        """Listens for rq's commands, for predictions to be canceled, and for models to be loaded or unloaded."""
        super().subscribe()
        if self.pubsub is None:
            raise RuntimeError("rq has not subscribed to its commands")
        self.pubsub.subscribe(
            **{
                CANCEL: lambda message: self.held.cancel(message["data"].decode()),
                MODELS: lambda message: self._model_commands.put(message["data"].decode()),
            }
        )

    def _pubsub_exception_handler(self, exc: Exception, pubsub: PubSub, pubsub_thread: PubSubWorkerThread) -> None:
        """Listens again after any trouble with Redis; rq's own would stop after a timeout."""
        if not isinstance(exc, RedisError):
            raise exc
        time.sleep(1)

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Told again to stop, as by a service manager that signals a process and its parent: says what it waits for.

        rq's own would drop the batch, and a prediction that is dropped twice fails.
        """
        log.warning("worker_finishes_batch", predictions=[job.id for job in self.held.all()])

    def set_shutdown_requested_date(self) -> None:
        """rq's note that the worker leaves; made in a signal handler, where nobody could handle an outage."""
        with suppress(RedisError):
            super().set_shutdown_requested_date()

    def teardown(self) -> None:
        """Commits what is still being finished, then leaves."""
        self._stop_requested = True
        try:
            self.finisher.close()
        finally:
            self.heartbeats.stop()
            with suppress(RedisError):
                super().teardown()


def _keep_reason(job: Job, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An rq exception handler, for jobs whose workers died: says so in the job's meta."""
    job.meta["failure"] = WORKER_LOST.model_dump()
    job.save_meta()


def connect(settings: Settings) -> Redis:
    """A connection without redis-py's own retries, which could write a batch's ends twice."""
    once = Retry(NoBackoff(), 0)
    return Redis.from_url(settings.redis, socket_timeout=IDLE_S + 10, health_check_interval=30, retry=once)


def run(settings: Settings) -> None:
    """Runs a worker until it is told to stop. Models to preload are loaded before it takes its first job."""
    logs.configure(settings)
    connection = connect(settings)
    engine = entrypoint.engine_for(settings)
    for folder, reason in engine.registry.broken.items():
        log.error("model_unreadable", folder=str(folder), reason=reason)
    for name in settings.preload:
        engine.load(name)
    worker = BatchWorker(engine, connection, settings)
    if settings.worker_metrics_port:
        engine.metrics.serve(settings.host, settings.worker_metrics_port)
    garbage_collection.settle()
    log.info(
        "worker_ready",
        worker=worker.name,
        device=str(engine.device),
        pool=settings.pool,
        models=list(dict.fromkeys(served.card.name for served in worker.dequeuer.queues)),
    )
    worker.work()
    log.info("worker_stopped", worker=worker.name)
