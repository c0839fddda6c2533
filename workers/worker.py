"""The batching worker: an rq worker that takes all compatible jobs at once and answers them with one forward pass.

What rq means by a job's status, registries, retries, results and TTLs stays as it is. What differs from rq's own: jobs
are begun by one script (`dequeuer`), computed together (`runner`) and ended in one transaction (`finisher`); the worker
beats while it computes (`heartbeat`); and Redis may go away at any time, and come back (`outages`).
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Event
from types import FrameType, TracebackType
from typing import Any

from redis import Redis
from redis.client import PubSub, PubSubWorkerThread
from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from core import garbage_collection, logs, redis_connections, tracing
from core.object_store import ObjectStore
from core.pools import Pools
from core.settings import Settings
from jobs.keys import CANCEL, MODELS, REGISTRY, doorbell_key, model_of, priority_of, queue_name, workers_key
from jobs.outbox import AnnouncedJob
from jobs.prediction import WORKER_LOST, Priority
from jobs.worker_state import FIELD, Resident, WorkerState
from models.registry import Entry
from models.registry_watch import RegistryWatch
from workers import entrypoint, heartbeat
from workers.batch import Batch, HeldJobs
from workers.dequeuer import BatchStarter, Dequeuer, ServedQueue
from workers.engine import Engine
from workers.finisher import Finisher
from workers.heartbeat import Heartbeat
from workers.loader import Loader, ReadyBatch
from workers.maintenance import Maintenance
from workers.outages import Outages
from workers.result_objects import ResultObjects
from workers.runner import BatchRunner
from workers.sweeper import Sweeper
from workers.work import PredictionError

log = logs.get(__name__)

PAUSE_S = 0.05
"""A worker that waits for longer says that it is idle."""
IDLE_S = 2
"""Longest sleep of an idle worker; a ring of the doorbell ends it at once."""
ORPHANS_EVERY_S = 5
"""Between two looks for predictions of models that no worker has."""
SUSPENSION_S = 1
"""Between two questions whether workers are suspended."""


class BatchWorker(SimpleWorker):
    """Serves the models of an engine, from one queue per model and priority."""

    log_result_lifespan = False
    log_job_description = False
    job_class = AnnouncedJob

    def __init__(self, engine: Engine, connection: Redis, settings: Settings):
        self.engine, self.settings = engine, settings
        self.pools = Pools(settings.pools)
        self.doorbells = [doorbell_key(pool) for pool in self.pools.names if settings.pool in (None, pool)]
        super().__init__(
            [queue_name(name, priority) for priority in Priority for name in self._own_models()],
            connection=connection,
            serializer=JSONSerializer,
            default_result_ttl=settings.result_ttl_s,
            worker_ttl=heartbeat.HEARTBEAT_TTL_S,
            maintenance_interval=heartbeat.HEARTBEAT_TTL_S,
        )
        self.held = HeldJobs()
        self.outages = Outages(heartbeat.HEARTBEAT_TTL_S, lambda: self._stop_requested)
        self.heartbeats = Heartbeat(self, self.describe, self.held, self.outages)
        served = self._served()
        self.queues = [each.queue for each in served]
        self.dequeuer = Dequeuer(engine, served, BatchStarter(connection, self.name, self.worker_ttl))
        self.runner = BatchRunner(engine, connection, self.outages, settings.result_ttl_s)
        overlaps = engine.device.type != "cpu" or settings.worker_threads > 1
        store = ObjectStore(settings.store) if settings.store else None
        objects = ResultObjects(store) if store else None
        self.finisher = Finisher(
            self, self.held, self.outages, engine.metrics, settings.result_ttl_s, overlaps, objects
        )
        self.sweeper = Sweeper(connection, store) if store else None
        self.maintenance = Maintenance(
            connection,
            self.queues,
            self._queue,
            engine.registry.askable,
            self.doorbells,
            [_keep_reason],
        )
        self.loader = Loader(settings.worker_threads)
        self.watch = RegistryWatch(engine.registry, settings.models_refresh_s, self._note_registry)
        self._registry_changed = Event()
        self._adopted: frozenset[str] = frozenset()
        """Names of queues whose models there are not, so that their jobs have to fail."""
        self._orphans_sought = time.monotonic()
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
            while not self._stop_requested or self.loader.busy:  # what was begun is answered
                try:
                    self._heed_suspension(burst)
                    ready = self.next_batch(burst)
                    if ready is None:
                        break
                    worked = True
                    self.finisher.finish(ready.batch, self.runner.run(ready.jobs))
                except StopRequested:
                    break
                except RedisError as error:
                    self.outages.wait(error)
        finally:
            self.teardown()
        return worked

    def next_batch(self, burst: bool) -> ReadyBatch | None:
        """Waits for jobs and begins a batch; None when told to stop, or in a burst when all queues are empty.

        A batch whose model is not in memory comes once it is; until then, those of other models do.
        """
        self._state = WorkerStatus.BUSY  # a stop request now waits for the batch
        while not self._stop_requested:
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            self._heed_registry()
            self._load_and_unload()
            if ready := self.loader.take():
                return ready
            self.dequeuer.loading = self.loader.model
            if batch := self.dequeuer.begin():
                self.held.add(batch.jobs)
                if self.runner.is_warm(batch) or self.loader.busy:
                    return ReadyBatch(batch, self.runner.prepare(batch))
                self.loader.begin(batch.model, partial(self._prepared, batch))
            elif not burst:
                self._wait_idle()
            elif not self.loader.busy:
                break
            elif ready := self.loader.take(waiting=True):
                return ready
        return self.loader.take(waiting=True)

    def _prepared(self, batch: Batch) -> ReadyBatch:
        return ReadyBatch(batch, self.runner.prepare(batch, compiling=True))

    def describe(self) -> WorkerState:
        """What this worker has and has done lately."""
        memory = self.engine.memory
        return WorkerState(
            device=str(self.engine.device),
            threads=self.settings.worker_threads,
            pool=self.settings.pool,
            memory_bytes=memory.budget_bytes,
            resident=tuple(
                Resident(id=model.card.name, version=model.card.weights.sha256, bytes=model.bytes)
                for model in list(memory.loaded.values())
            ),
            lately=self.engine.metrics.lately(),
        )

    def _wait_idle(self) -> None:
        self.finisher.wait()
        if self.connection.blpop(self.doorbells, timeout=PAUSE_S) is None and not self.loader.busy:
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
        while not self._model_commands.empty() and not self.loader.busy:
            verb, _, model = self._model_commands.get().partition(" ")
            if verb == "load":
                self.loader.begin(model, partial(self._load, model))
            else:
                self.engine.memory.drop(model)

    def _load(self, model: str) -> None:
        try:
            self.engine.load(model)
        except PredictionError as error:
            log.warning("model_not_loaded", model=model, reason=error.detail)

    def _heed_registry(self) -> None:
        """Serves the queues of the models that there are by now, and now and then of those that nobody serves."""
        orphans: dict[str, Queue] = {}
        if time.monotonic() - self._orphans_sought > ORPHANS_EVERY_S:
            self._orphans_sought = time.monotonic()
            orphans = {queue.name: queue for queue in self.maintenance.orphans()}
        if not orphans and not self._registry_changed.is_set():
            return
        self._registry_changed.clear()
        before = {queue.name for queue in self.queues}
        served = self._served()
        kept = {queue.name: queue for queue in self.queues if queue.name in self._adopted}
        known = self.engine.registry.askable()
        adopted = {name: queue for name, queue in {**kept, **orphans}.items() if str(model_of(name)) not in known}
        self._adopted = frozenset(adopted)
        served += [
            ServedQueue(
                queue, str(model_of(name)), priority_of(name), pool=self.pools.of(str(model_of(name))), orphaned=True
            )
            for name, queue in adopted.items()
        ]
        self.queues = [each.queue for each in served]
        self.maintenance.queues = self.queues
        self.dequeuer.serve(served)
        now_served = {queue.name for queue in self.queues}
        with self.connection.pipeline() as pipeline:
            for name in before - now_served:
                pipeline.srem(workers_key(name), self.key)
            for name in now_served - before:
                pipeline.sadd(workers_key(name), self.key)
            pipeline.hset(self.key, "queues", ",".join(self.queue_names()))
            pipeline.execute()

    def _own_models(self) -> dict[str, Entry]:
        """The models that workers of this pool serve, by what requests call them."""
        askable = self.engine.registry.askable()
        return {name: entry for name, entry in askable.items() if self.pools.serves(self.settings.pool, name)}

    def _served(self) -> list[ServedQueue]:
        """The queues of this worker's models, higher priorities first."""
        own = self._own_models()
        return [
            ServedQueue(
                self._queue(queue_name(name, priority)),
                name,
                priority,
                entry.card.serving.max_batch,
                self.pools.of(name),
            )
            for priority in Priority
            for name, entry in own.items()
        ]

    def _queue(self, name: str) -> Queue:
        return Queue(name, self.connection, job_class=self.job_class, serializer=JSONSerializer)

    def _note_registry(self) -> None:
        registry = self.engine.registry
        log.info(
            "models_changed", models=len(registry), broken={str(path): why for path, why in registry.broken.items()}
        )
        self._registry_changed.set()

    # What rq calls

    def serialize(self) -> dict:
        """What rq keeps of a worker, and what this one says of itself."""
        return {**super().serialize(), FIELD: self.describe().model_dump_json()}

    def register_birth(self) -> None:
        """Registers the worker and starts its heartbeat."""
        super().register_birth()
        self.heartbeats.start()
        self.watch.start()
        if self.sweeper:
            self.sweeper.start()

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
                REGISTRY: lambda message: self.watch.look(),
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
        self.watch.stop()
        if self.sweeper:
            self.sweeper.stop()
        self.loader.close()
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
    return redis_connections.connect(settings.redis, timeout_s=IDLE_S + 10, retries=False)


def run(settings: Settings) -> None:
    """Runs a worker until it is told to stop. Models to preload are loaded before it takes its first job."""
    logs.configure(settings)
    tracing.configure("easel-worker")
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
        models=list(dict.fromkeys(served.model for served in worker.dequeuer.queues)),
    )
    worker.work()
    log.info("worker_stopped", worker=worker.name)
