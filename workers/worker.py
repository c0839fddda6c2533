"""The batching worker: an rq worker that takes all compatible jobs at once and answers them with one forward pass.

What rq means by a job's status, registries, retries, results and TTLs stays as it is. What differs from `SimpleWorker`:
jobs are taken by one script, prepared in one transaction, and finished in another, by a second thread, while the next
batch computes. A job that raises goes down rq's own path for failures, alone.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from redis import Redis
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.job_lifecycle import call_exception_handlers
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import now
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from core import logs
from core.settings import Settings
from models.registry import Registry
from workers import predict, results
from workers.batching import Taker
from workers.engine import Engine, PredictionError, Work
from workers.jobs import DOORBELL, FINISHED, Failure, Priority, order_of, picture_key, queue_name
from workers.webhooks import AnnouncedJob

log = logs.get(__name__)

HEARTBEAT_S = 3
"""Between two heartbeats of a running batch."""
HEARTBEAT_TTL_S = 15
"""Without a heartbeat for so long, a worker counts as dead and its jobs run elsewhere."""
IDLE_S = 2
"""Longest sleep of an idle worker; a ring of the doorbell ends it at once."""


@dataclass
class Task:
    """One job of the batch in hand."""

    job: Job
    execution: Execution
    work: Work | None = None
    blobs: list[bytes] | None = None
    """The encoded images, once there are any."""


class BatchWorker(SimpleWorker):
    """Serves the models of an engine from one queue per model and priority."""

    log_result_lifespan = False
    log_job_description = False
    job_class = AnnouncedJob

    def __init__(self, engine: Engine, connection: Redis, settings: Settings):
        self.engine = engine
        self.settings = settings
        self._cards = [entry.card for entry in engine.registry.served()]
        names = [queue_name(card.name, priority) for priority in Priority for card in self._cards]
        super().__init__(
            names,
            connection=connection,
            serializer=JSONSerializer,
            default_result_ttl=settings.result_ttl_s,
            worker_ttl=HEARTBEAT_TTL_S,
            maintenance_interval=HEARTBEAT_TTL_S,
            exception_handlers=[_keep_failure],
        )
        self._max_batch = {
            queue_name(card.name, priority): card.serving.max_batch for priority in Priority for card in self._cards
        }
        self._taker = Taker(connection)
        self._batch: list[Job] = []
        self._finisher = ThreadPoolExecutor(1, "finisher")
        self._finishing: Future[None] | None = None
        self._stopped = threading.Event()

    # Taking

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Blocks until some queue has jobs, and takes a batch of them; hands rq's loop the first.

        With `timeout` None (a burst) returns None when all queues are empty.
        """
        self._state = WorkerStatus.BUSY  # a stop request now waits for the batch instead of stranding it
        while True:
            if self._stop_requested:
                return None
            try:
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                if taken := self._take():
                    return taken
                if timeout is None:
                    return None
                self._wait_idle()
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
                time.sleep(1)

    def _take(self) -> tuple[Job, Queue] | None:
        queues = self._ordered_queues
        taken = self._taker.take([queue.key for queue in queues], [self._max_batch[queue.name] for queue in queues])
        if taken is None:
            return None
        queue = queues[taken[0]]
        # The next model of the same priority goes first next time.
        self._ordered_queues = sorted(queues[taken[0] + 1 :] + queues[: taken[0] + 1], key=_priority_of)
        self._batch = []
        for job_id, fields in taken[1]:
            if not fields:
                self._taker.discard(queue.key, job_id)
                continue
            job = self.job_class(job_id, connection=self.connection, serializer=self.serializer)
            job.restore(fields)
            self._batch.append(job)
        return (self._batch[0], queue) if self._batch else None

    def _wait_idle(self) -> None:
        self._finish_pending()
        self.set_state(WorkerStatus.IDLE)
        self.heartbeat()
        self.connection.blpop([DOORBELL], timeout=IDLE_S)
        self._state = WorkerStatus.BUSY

    # Running

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the batch that `job` came with."""
        tasks = self._prepare(self._batch)
        ready = [task for task in tasks if self._order(task, queue)]
        if not ready:
            return
        done = ready if self._run(ready) else [task for task in ready if self._run_alone(task, queue)]
        self._finish_pending()
        if done:
            self._finishing = self._finisher.submit(self._finish, done, queue)

    def _prepare(self, jobs: list[Job]) -> list[Task]:
        """Marks all jobs as started and takes them out of the intermediate list, in one transaction."""
        tasks = []
        with self.connection.pipeline() as pipeline:
            self.set_state(WorkerStatus.BUSY, pipeline=pipeline)
            for job in jobs:
                ttl = self.get_heartbeat_ttl(job)
                execution = Execution.create(job, ttl, pipeline=pipeline, worker_name=self.name)
                self.executions[execution.id] = execution
                job.heartbeat(now(), ttl, pipeline=pipeline)
                job.prepare_for_execution(self.name, pipeline=pipeline)
                pipeline.persist(job.key)
                pipeline.lrem(Queue(job.origin, connection=self.connection).intermediate_queue_key, 1, job.id)
                tasks.append(Task(job, execution))
            pipeline.execute()
        return tasks

    def _order(self, task: Task, queue: Queue) -> bool:
        """Reads the job's order and fetches its pictures; a job that has none fails alone."""
        try:
            task.work = Work(order_of(task.job), [])
            if pictures := task.work.order.pictures:
                blobs = self.connection.mget([picture_key(picture) for picture in pictures])
                task.work.pictures = predict.unpack(self.engine.registry[task.work.order.model].card, blobs)
            task.work.rows = self.engine.prepare(self.engine.load(task.work.order.model), task.work)
        except Exception:
            self._fail(task, queue)
            return False
        return True

    def _run(self, tasks: list[Task]) -> bool:
        """One try at the whole batch; False if anything was raised. The batch has the time of its slowest job."""
        timeout = max(task.job.timeout or self.queue_class.DEFAULT_TIMEOUT for task in tasks)
        try:
            with self.death_penalty_class(timeout, JobTimeoutException, job_id=tasks[0].job.id):
                self.engine.run([task.work for task in tasks])
        except Exception as error:
            log.warning("batch_failed", jobs=len(tasks), error=repr(error))
            return False
        return True

    def _run_alone(self, task: Task, queue: Queue) -> bool:
        try:
            with self.death_penalty_class(task.job.timeout, JobTimeoutException, job_id=task.job.id):
                self.engine.run([task.work])
        except Exception:
            self._fail(task, queue)
            return False
        return True

    # Finishing

    def _finish(self, tasks: list[Task], queue: Queue) -> None:
        """Encodes all images and commits all answers in one transaction; runs in the finisher's thread."""
        for task in tasks:
            try:
                answer, blobs = results.encode(task.work, task.job.enqueued_at, task.job.started_at)
            except Exception:
                self._fail(task, queue)
                continue
            task.job.ended_at = now()
            task.job._result, task.blobs = answer.model_dump(mode="json"), blobs
        finished = [task for task in tasks if task.blobs is not None]
        with self.connection.pipeline() as pipeline:
            for task in finished:
                predict.store(pipeline, task.job.id, task.blobs, self.settings.result_ttl_s)
                self._succeed(task, pipeline)
            pipeline.execute()
        for task in finished:
            log.info("prediction_succeeded", prediction=task.job.id, queue=queue.name, batch_size=task.work.batch_size)

    def _succeed(self, task: Task, pipeline) -> None:
        """What rq's `handle_job_success` does for a job without dependents, in the caller's transaction."""
        job, execution = task.job, task.execution
        job._status = JobStatus.FINISHED
        self.increment_successful_job_count(pipeline=pipeline)
        self.increment_total_working_time(job.ended_at - job.started_at, pipeline)
        ttl = job.get_result_ttl(self.default_result_ttl)
        job._handle_success(
            ttl,
            pipeline=pipeline,
            worker_name=self.name,
            execution_id=execution.id,
            execution_started_at=execution.created_at,
            execution_ended_at=job.ended_at,
        )
        job.cleanup(ttl, pipeline=pipeline, remove_from_queue=False)
        self.cleanup_execution(job, pipeline=pipeline, execution=execution)
        pipeline.publish(FINISHED, job.id)

    def handle_exception(self, job: Job, *exc_info) -> None:
        """Calls the exception handlers; ours (`_keep_failure`) logs what is worth a log line."""
        call_exception_handlers(self._exc_handlers, job, *exc_info)

    def _fail(self, task: Task, queue: Queue) -> None:
        """rq's own path for a job that raised. It is not run again: it would raise again."""
        task.job.retries_left = 0
        self._finalize_failure(task.job, queue, task.execution, sys.exc_info())

    def handle_job_failure(self, job: Job, *args, **kwargs) -> None:
        """rq's handling, and a word to whoever waits."""
        super().handle_job_failure(job, *args, **kwargs)
        self.connection.publish(FINISHED, job.id)
        log.warning("prediction_failed", prediction=job.id, queue=job.origin, failure=job.meta.get("failure"))

    def _finish_pending(self) -> None:
        """Waits until the batch before this one is committed. Its error, if any, ends the worker, not a prediction."""
        if self._finishing is not None:
            finishing, self._finishing = self._finishing, None
            finishing.result()

    # Living and dying

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Short, since heartbeats are sent while a job runs: a dead worker's jobs are found soon."""
        return HEARTBEAT_TTL_S

    def register_birth(self) -> None:
        """Registers the worker and starts its heartbeat."""
        super().register_birth()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def run_maintenance_tasks(self) -> None:
        """rq's maintenance, which reruns or fails the jobs of dead workers, and a sweep of jobs never begun."""
        super().run_maintenance_tasks()
        if count := self._taker.sweep([queue.key for queue in self.queues]):
            log.warning("jobs_put_back", jobs=count)

    def _beat(self) -> None:
        """Keeps this worker's executions alive in rq's registries while the main thread computes."""
        while not self._stopped.wait(HEARTBEAT_S):
            try:
                with self.connection.pipeline() as pipeline:
                    self.heartbeat(pipeline=pipeline)
                    for execution in list(self.executions.values()):
                        job = execution.job
                        execution.heartbeat(job.started_job_registry, HEARTBEAT_TTL_S, pipeline=pipeline)
                        job.heartbeat(now(), HEARTBEAT_TTL_S, pipeline=pipeline, xx=True)
                    pipeline.execute()
            except RedisError as error:
                log.warning("heartbeat_failed", error=str(error))

    def teardown(self) -> None:
        """Commits what is still being finished, then leaves."""
        self._stopped.set()
        try:
            self._finish_pending()
        finally:
            self._finisher.shutdown()
            super().teardown()


def _priority_of(queue: Queue) -> int:
    return list(Priority).index(Priority(queue.name.rpartition(".")[2]))


def _keep_failure(job: Job, kind: type[BaseException], error: BaseException, trace: TracebackType) -> bool:
    """An rq exception handler: keeps what a user may know of the error in the job's meta."""
    if isinstance(error, PredictionError):
        failure = Failure(code=error.code, detail=error.detail)
    elif isinstance(error, JobTimeoutException):
        failure = Failure(code="timeout", detail=f"the prediction took longer than its {job.timeout} s")
    elif kind.__name__ == "AbandonedJobError":
        failure = Failure(code="worker_lost", detail="the worker died twice while it ran this prediction")
    else:
        failure = Failure(code="internal_error", detail="the model failed on this input; the worker's log says more")
        log.error("prediction_raised", prediction=job.id, exc_info=(kind, error, trace))
    job.meta["failure"] = failure.model_dump()
    job.save_meta()
    return True


def run(settings: Settings) -> None:
    """Runs a worker until it is told to stop. Models to preload are loaded before it takes its first job."""
    logs.configure(settings)
    connection = Redis.from_url(settings.redis, socket_timeout=IDLE_S + 10, health_check_interval=30)
    registry = Registry(settings.model_folders)
    for folder, reason in registry.broken.items():
        log.error("model_unreadable", folder=str(folder), reason=reason)
    engine = Engine(registry, settings.device, settings.worker_threads, settings.model_memory_mb * 2**20)
    for name in settings.preload:
        engine.load(name)
    worker = BatchWorker(engine, connection, settings)
    log.info(
        "worker_ready", worker=worker.name, device=str(engine.device), models=[card.name for card in worker._cards]
    )
    worker.work(logging_level="WARNING")
    log.info("worker_stopped", worker=worker.name)
