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
from dataclasses import dataclass, field
from types import TracebackType

from redis import Redis
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.job_lifecycle import call_exception_handlers
from rq.queue import Queue
from rq.registry import CanceledJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import now, utcformat
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from core import logs
from core.settings import Settings
from workers import predict, results
from workers.batching import Taker
from workers.engine import Engine, PredictionError, Progress, Report, Work
from workers.jobs import (
    CANCEL,
    DOORBELL,
    FINISHED,
    PACE,
    PROGRESS,
    Failure,
    Priority,
    cancel_key,
    events_key,
    order_of,
    queue_name,
    snapshot_of,
)
from workers.webhooks import AnnouncedJob, announce

log = logs.get(__name__)

HEARTBEAT_S = 3
"""Between two heartbeats of a running batch."""
HEARTBEAT_TTL_S = 15
"""Without a heartbeat for so long, a worker counts as dead and its jobs run elsewhere."""
COMMIT_S = 60
"""How long answers are kept while Redis cannot be reached."""
IDLE_S = 2
"""Longest sleep of an idle worker; a ring of the doorbell ends it at once."""


class CommitLost(Exception):
    """Redis was away for so long that answers could not be handed over."""


@dataclass
class Task:
    """One job of the batch in hand."""

    job: Job
    execution: Execution
    work: Work | None = None
    canceled: threading.Event = field(default_factory=threading.Event)
    parcel: results.Parcel | None = None
    """What belongs to its answer, once it has one."""


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
        self._in_hand: dict[str, Task] = {}
        self._pace: dict[str, float] = {}
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
        """A batch from the first queue that has jobs whose hashes have not expired."""
        while True:
            queues = self._ordered_queues
            taken = self._taker.take([queue.key for queue in queues], [self._max_batch[queue.name] for queue in queues])
            if taken is None:
                return None
            place, found = taken
            # The next model of the same priority goes first next time.
            self._ordered_queues = sorted(queues[place + 1 :] + queues[: place + 1], key=_priority_of)
            self._batch = [self._restored(job_id, fields) for job_id, fields in found if fields]
            for job_id, fields in found:
                if not fields:
                    self._taker.discard(queues[place].key, job_id)
            if self._batch:
                return self._batch[0], queues[place]

    def _restored(self, job_id: str, fields: dict[bytes, bytes]) -> Job:
        job = self.job_class(job_id, connection=self.connection, serializer=self.serializer)
        job.restore(fields)
        return job

    def _wait_idle(self) -> None:
        self._finish_pending()
        self.set_state(WorkerStatus.IDLE)
        self.heartbeat()
        self.connection.blpop([DOORBELL], timeout=IDLE_S)
        self._state = WorkerStatus.BUSY

    # Running

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the batch that `job` came with."""
        began = time.monotonic()
        tasks = self._prepare(self._batch)
        done: list[Task] = []
        ready: list[Task] = []
        for task in tasks:
            if task.canceled.is_set():
                done.append(task)
            elif self._order(task, queue):
                ready.append(task)
        if len(ready) > 1 and self._run(ready):
            done += ready
        else:
            done += [task for task in ready if self._run_alone(task, queue)]
        self._note_pace(queue, (time.monotonic() - began) / len(tasks))
        self._finish_pending()
        if done:
            self._finishing = self._finisher.submit(self._finish, done, queue)

    def _note_pace(self, queue: Queue, seconds: float) -> None:
        """Keeps a moving average of what a prediction of the queue's model takes."""
        model = queue.name.rpartition(".")[0]
        self._pace[model] = 0.8 * self._pace.get(model, seconds) + 0.2 * seconds

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
            # Known before the flags are read, so that a cancel is either flagged already or heard of.
            self._in_hand |= {task.job.id: task for task in tasks}
            pipeline.mget([cancel_key(job.id) for job in jobs])
            flags = pipeline.execute()[-1]
        for task, flag in zip(tasks, flags, strict=True):
            if flag is not None:
                task.canceled.set()
        return tasks

    def _order(self, task: Task, queue: Queue) -> bool:
        """Reads the job's order and fetches its pictures; a job that has none fails alone."""
        try:
            task.work = Work(order_of(task.job), [], canceled=task.canceled)
            if task.work.order.pictures:
                card = self.engine.registry[task.work.order.model].card
                task.work.pictures = predict.pictures_of(self.connection, card, task.work.order)
            self.engine.prepare(task.work)
        except Exception:
            self._fail(task, queue)
            return False
        return True

    def _run(self, tasks: list[Task]) -> bool:
        """One try at the whole batch; False if anything was raised. The batch has the time of its slowest job."""
        timeout = max(task.job.timeout or self.queue_class.DEFAULT_TIMEOUT for task in tasks)
        try:
            with self.death_penalty_class(timeout, JobTimeoutException, job_id=tasks[0].job.id):
                self.engine.run([task.work for task in tasks], self._reporter(tasks))
        except Exception as error:
            log.warning("batch_failed", jobs=len(tasks), error=repr(error))
            return False
        return True

    def _run_alone(self, task: Task, queue: Queue) -> bool:
        try:
            with self.death_penalty_class(task.job.timeout, JobTimeoutException, job_id=task.job.id):
                self.engine.run([task.work], self._reporter([task]))
        except Exception:
            self._fail(task, queue)
            return False
        return True

    def _reporter(self, tasks: list[Task]) -> Report:
        """Hands on the progress of works of several steps to whoever watches their predictions."""
        ids = {id(task.work): task.job.id for task in tasks}

        def report(work: Work, progress: Progress) -> None:
            prediction = ids[id(work)]
            fields = {"step": progress.done, "total": progress.total}
            if progress.preview is not None:
                fields["preview"] = results.preview(progress.preview)
            with self.connection.pipeline(transaction=False) as pipeline:
                pipeline.xadd(events_key(prediction), fields, maxlen=64)
                pipeline.expire(events_key(prediction), self.settings.result_ttl_s)
                pipeline.publish(PROGRESS, prediction)
                pipeline.execute()

        return report

    # Finishing

    def _finish(self, tasks: list[Task], queue: Queue) -> None:
        """Encodes all images and commits all answers in one transaction; runs in the finisher's thread."""
        tasks = [task for task in tasks if self._encode(task, queue)]
        self._commit(tasks)
        for task in tasks:
            if self._in_hand.pop(task.job.id, None) is not None:
                outcome = "canceled" if task.parcel is None else "succeeded"
                log.info(f"prediction_{outcome}", prediction=task.job.id, queue=queue.name)

    def _encode(self, task: Task, queue: Queue) -> bool:
        """Encodes what a task has made, if it came to its end; False if that failed the task."""
        task.job.ended_at = now()
        if task.work is None or not task.work.done:
            return True
        try:
            answer, parcel = results.encode(task.work, task.job.enqueued_at, task.job.started_at)
        except Exception:
            self._fail(task, queue)
            return False
        task.job._result, task.parcel = answer.model_dump(mode="json"), parcel
        return True

    def _commit(self, tasks: list[Task]) -> None:
        """Writes what became of the tasks; while Redis is away, again and again.

        Raises:
            CommitLost: Redis was away for `COMMIT_S`. The worker ends, and the jobs run elsewhere.
        """
        deadline = time.monotonic() + COMMIT_S
        while True:
            try:
                with self.connection.pipeline() as pipeline:
                    for task in tasks:
                        if task.canceled.is_set():
                            task.parcel = None
                            self._cancel(task, pipeline)
                        elif task.parcel is not None:
                            predict.store(pipeline, task.job.id, task.parcel, self.settings.result_ttl_s)
                            self._succeed(task, pipeline)
                    if self._pace:
                        pipeline.hset(PACE, mapping=self._pace)
                    pipeline.execute()
                return
            except RedisError as error:
                if time.monotonic() > deadline:
                    raise CommitLost from error
                log.warning("redis_unreachable", error=str(error))
                time.sleep(1)

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

    def _cancel(self, task: Task, pipeline) -> None:
        """What rq's `Job.cancel` does for a job that was running, in the caller's transaction."""
        job, ttl = task.job, self.settings.result_ttl_s
        job.set_status(JobStatus.CANCELED, pipeline=pipeline)
        announce(pipeline, snapshot_of(job, None))
        pipeline.hset(job.key, "ended_at", utcformat(job.ended_at))
        self.cleanup_execution(job, pipeline=pipeline, execution=task.execution)
        CanceledJobRegistry(job.origin, self.connection, serializer=self.serializer).add(job, ttl, pipeline=pipeline)
        job.cleanup(ttl, pipeline=pipeline, remove_from_queue=False)
        pipeline.delete(cancel_key(job.id))
        pipeline.publish(FINISHED, job.id)

    def handle_exception(self, job: Job, *exc_info) -> None:
        """Calls the exception handlers; ours (`_keep_failure`) logs what is worth a log line."""
        call_exception_handlers(self._exc_handlers, job, *exc_info)

    def _fail(self, task: Task, queue: Queue) -> None:
        """rq's own path for a job that raised. It is not run again: it would raise again."""
        self._in_hand.pop(task.job.id, None)
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

    def subscribe(self) -> None:
        """Listens for rq's commands, and for predictions that are to be canceled."""
        super().subscribe()
        self.pubsub.subscribe(**{CANCEL: self._note_cancel})

    def _note_cancel(self, message: dict) -> None:
        if task := self._in_hand.get(message["data"].decode()):
            task.canceled.set()

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
    engine = predict.engine_for(settings)
    for folder, reason in engine.registry.broken.items():
        log.error("model_unreadable", folder=str(folder), reason=reason)
    for name in settings.preload:
        engine.load(name)
    worker = BatchWorker(engine, connection, settings)
    log.info(
        "worker_ready", worker=worker.name, device=str(engine.device), models=[card.name for card in worker._cards]
    )
    worker.work(logging_level="WARNING")
    log.info("worker_stopped", worker=worker.name)
