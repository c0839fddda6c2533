"""The batching worker: an rq worker that takes all compatible jobs at once and answers them with one forward pass.

What rq means by a job's status, registries, retries, results and TTLs stays as it is. What differs from `SimpleWorker`:
jobs are taken by one script, prepared in one transaction, and finished in another, by a second thread, while the next
batch computes. A job that raises fails alone. Redis may go away at any time, and come back.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from queue import SimpleQueue

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.registry import CanceledJobRegistry
from rq.timeouts import JobTimeoutException
from rq.utils import now, utcformat
from rq.worker.base import WorkerStatus

from core import logs
from core.settings import Settings
from workers import predict, results
from workers.batching import Place
from workers.engine import Engine, PredictionError, Progress, Report, Work
from workers.jobs import (
    DOORBELL,
    ENDS,
    FINISHED,
    MODELS,
    PACE,
    PROGRESS,
    Failure,
    Priority,
    Status,
    cancel_key,
    end_field,
    events_key,
    order_of,
    queue_name,
    snapshot_of,
)
from workers.state import Resident, Stage, WorkerState
from workers.steady import AWAY, IDLE_S, CommitLost, SteadyWorker
from workers.webhooks import announce

log = logs.get(__name__)

OVERDUE_S = 2
"""A job that has waited for longer goes before those whose models are in memory already."""
FAIR_EVERY = 8
"""Of so many batches, one goes to what has waited longest, whatever its priority."""


@dataclass
class Task:
    """One job of the batch in hand."""

    job: Job
    execution: Execution
    begun: float = field(default_factory=time.monotonic)
    work: Work | None = None
    canceled: threading.Event = field(default_factory=threading.Event)
    blobs: list[bytes] = field(default_factory=list)
    """The encoded images, once there are any."""
    failure: Failure | None = None
    trace: str = ""
    """Of the failure, for operators."""

    @property
    def outcome(self) -> Status:
        """What became of it, once it is done."""
        if self.failure is not None:
            return Status.FAILED
        return Status.CANCELED if self.canceled.is_set() else Status.SUCCEEDED

    def fail(self, error: Exception) -> None:
        """Notes what was raised."""
        self.failure = _failure_of(error, self.job)
        self.trace = "".join(traceback.format_exception(error))
        if self.failure.code == "internal_error":
            log.error("prediction_raised", prediction=self.job.id, exc_info=error)


class BatchWorker(SteadyWorker):
    """Serves the models of an engine from one queue per model and priority."""

    def __init__(self, engine: Engine, connection: Redis, settings: Settings):
        self.engine = engine
        self.settings = settings
        cards = [entry.card for entry in engine.registry.served()]
        served = {queue_name(card.name, priority): (priority, card) for priority in Priority for card in cards}
        super().__init__(served, connection, settings.result_ttl_s)
        self._rank = {name: list(Priority).index(priority) for name, (priority, _) in served.items()}
        self._card = {name: card for name, (_, card) in served.items()}
        self._batches = 0
        self._batch: list[Job] = []
        self._pace: dict[str, float] = {}
        self._told: SimpleQueue[str] = SimpleQueue()
        self._finisher = ThreadPoolExecutor(1, "finisher")
        self._finishing: Future[None] | None = None

    def describe(self) -> WorkerState:
        """What this worker has and has done lately."""
        engine = self.engine
        return WorkerState(
            device=str(engine.device),
            threads=self.settings.worker_threads,
            memory_bytes=engine.memory_bytes,
            resident=tuple(Resident(id=name, bytes=model.bytes) for name, model in list(engine.resident.items())),
            lately=engine.metrics.lately(),
        )

    def subscribe(self) -> None:
        """Listens for models that are to be loaded or unloaded, too."""
        super().subscribe()
        self.pubsub.subscribe(**{MODELS: lambda message: self._told.put(message["data"].decode())})

    def _heed(self) -> None:
        """Loads and unloads the models that this worker was told to, since its last batch."""
        while not self._told.empty():
            verb, _, model = self._told.get().partition(" ")
            try:
                self.engine.load(model) if verb == "load" else self.engine.unload(model)
            except PredictionError as error:
                log.warning("model_not_loaded", model=model, reason=error.detail)

    # Taking

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Blocks until some queue has jobs, and takes a batch of them: answers the first.

        With `timeout` None (a burst) returns None when all queues are empty.
        """
        self._state = WorkerStatus.BUSY  # a stop request now waits for the batch instead of stranding it
        while not self._stop_requested:
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            self._heed()
            if taken := self._take():
                return taken
            if timeout is None:
                break
            self._wait_idle()
        return None

    def _take(self) -> tuple[Job, Queue] | None:
        """A batch from the first queue that has jobs whose hashes have not expired.

        Higher priorities go first; within one, models in memory; and what is overdue, before them. So that no priority
        starves, now and then all count alike.
        """
        while True:
            self._batches += 1
            alike = self._batches % FAIR_EVERY == 0
            queues = sorted(self._ordered_queues, key=self._preference)
            places = [
                Place(queue.key, 0 if alike else self._rank[queue.name], self._room(queue.name)) for queue in queues
            ]
            taken = self.taker.take(places, now() - timedelta(seconds=OVERDUE_S))
            if taken is None:
                return None
            place, found = taken
            # The next model that is preferred as much goes first next time.
            self._ordered_queues = queues[place + 1 :] + queues[: place + 1]
            self._batch = [self._restored(job_id, fields) for job_id, fields in found if fields]
            for job_id, fields in found:
                if not fields:
                    self.taker.discard(queues[place].key, job_id)
            if self._batch:
                return self._batch[0], queues[place]

    def _preference(self, queue: Queue) -> tuple[int, bool]:
        return self._rank[queue.name], self._card[queue.name].name not in self.engine.resident

    def _room(self, queue: str) -> int:
        card = self._card[queue]
        return min(card.serving.max_batch, self.engine.largest.get(card.name, card.serving.max_batch))

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
        ready = [task for task in tasks if self._order(task)]
        if len(ready) == 1 or not self._run(ready):
            for task in ready:
                self._run_alone(task)
        self._note_pace(queue, (time.monotonic() - began) / len(tasks))
        self._finish_pending()
        self._finishing = self._finisher.submit(self._finish, tasks, queue)

    def _note_pace(self, queue: Queue, seconds: float) -> None:
        """Keeps a moving average of what a prediction of the queue's model takes."""
        model = self._card[queue.name].name
        self._pace[model] = 0.8 * self._pace.get(model, seconds) + 0.2 * seconds

    def _prepare(self, jobs: list[Job]) -> list[Task]:
        """Marks all jobs as started and takes them out of the intermediate list, in one transaction.

        If Redis goes away meanwhile, the jobs are nobody's: whether they were begun or not, a caretaker finds them.
        """
        tasks = []
        try:
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
                self.cancels |= {task.job.id: task.canceled for task in tasks}
                pipeline.mget([cancel_key(job.id) for job in jobs])
                flags = pipeline.execute()[-1]
        except AWAY:
            self._let_go(tasks)
            raise
        for task, flag in zip(tasks, flags, strict=True):
            if flag is not None:
                task.canceled.set()
        return tasks

    def _let_go(self, tasks: list[Task]) -> None:
        """Sends no more heartbeats for these."""
        for task in tasks:
            self.executions.pop(task.execution.id, None)
            self.cancels.pop(task.job.id, None)

    def _order(self, task: Task) -> bool:
        """Reads the job's order and fetches its pictures; False if there is nothing to run.

        A job that is not ours or has lost its pictures fails alone.
        """
        try:
            task.work = Work(order_of(task.job), [], canceled=task.canceled)
            if task.canceled.is_set():
                return False
            if task.work.order.pictures:
                card = self.engine.registry[task.work.order.model].card
                task.work.pictures = self.patiently(lambda: predict.pictures_of(self.connection, card, task.work.order))
            self.engine.prepare(task.work)
        except CommitLost:
            raise
        except Exception as error:
            task.fail(error)
        return task.failure is None

    def _run(self, tasks: list[Task]) -> bool:
        """One try at the whole batch, in the time that its slowest job may take; False if anything was raised."""
        if not tasks:
            return True
        timeout = max(task.job.timeout or self.queue_class.DEFAULT_TIMEOUT for task in tasks)
        try:
            with self.death_penalty_class(timeout, JobTimeoutException, job_id=tasks[0].job.id):
                self.engine.run([task.work for task in tasks], self._reporter(tasks))
        except Exception as error:
            log.warning("batch_failed", jobs=len(tasks), error=repr(error))
            return False
        return True

    def _run_alone(self, task: Task) -> None:
        try:
            with self.death_penalty_class(task.job.timeout, JobTimeoutException, job_id=task.job.id):
                self.engine.run([task.work], self._reporter([task]))
        except Exception as error:
            task.fail(error)

    def _reporter(self, tasks: list[Task]) -> Report:
        """Hands on the progress of works of several steps to whoever watches their predictions."""
        ids = {id(task.work): task.job.id for task in tasks}

        def report(work: Work, progress: Progress) -> None:
            prediction = ids[id(work)]
            fields = {"step": progress.done, "total": progress.total}
            if progress.preview is not None:
                fields["preview"] = results.preview(progress.preview)
            with suppress(*AWAY), self.connection.pipeline(transaction=False) as pipeline:
                pipeline.xadd(events_key(prediction), fields, maxlen=64)
                pipeline.expire(events_key(prediction), self.settings.result_ttl_s)
                pipeline.publish(PROGRESS, prediction)
                pipeline.execute()

        return report

    # Finishing

    def _finish(self, tasks: list[Task], queue: Queue) -> None:
        """Encodes all images and commits all ends in one transaction; runs in the finisher's thread."""
        for task in tasks:
            self._encode(task)
        encoded = time.monotonic()
        committed = self.patiently(lambda: self._commit(tasks, queue))
        self.engine.metrics.stage(Stage.STORE, time.monotonic() - encoded)
        self._let_go(tasks)
        for task, outcome in committed:
            told = {"failure": task.failure.model_dump()} if task.failure else {}
            log.info(f"prediction_{outcome.value}", prediction=task.job.id, queue=queue.name, **told)

    def _encode(self, task: Task) -> None:
        """Encodes the images of a task, if it made any."""
        task.job.ended_at = now()
        if task.failure is not None or task.work is None or task.work.pixels is None:
            return
        try:
            answer, task.blobs = results.encode(task.work, task.job.enqueued_at, task.job.started_at)
        except Exception as error:
            task.fail(error)
            return
        task.job._result = answer.model_dump(mode="json")
        self.engine.metrics.stage(Stage.QUEUE, answer.timing.queue_ms / 1000)
        self.engine.metrics.stage(Stage.ENCODE, answer.timing.encode_ms / 1000)

    def _commit(self, tasks: list[Task], queue: Queue) -> list[tuple[Task, Status]]:
        """Writes what became of the tasks, and answers what it wrote.

        A worker that was cut off for a while may have been counted as dead, and its jobs begun elsewhere; or it does
        not know whether its last try was heard. Then it first asks which of the jobs are still its own.
        """
        with self.connection.pipeline() as pipeline:
            if self.doubts(min(task.begun for task in tasks)):
                tasks = self._still_ours(tasks, queue, pipeline)
            ended = [(task, task.outcome) for task in tasks]
            writers = {Status.SUCCEEDED: self._succeed, Status.CANCELED: self._cancel, Status.FAILED: self._fail}
            for task, outcome in ended:
                writers[outcome](task, pipeline)
            # Failures tell and count themselves (`AnnouncedJob`), since not only commits make jobs fail.
            others = [(task, outcome) for task, outcome in ended if outcome is not Status.FAILED]
            counts = Counter(
                end_field(task.work.order.model, task.work.order.task, outcome) for task, outcome in others
            )
            for name, count in counts.items():
                pipeline.hincrby(ENDS, name, count)
            if others:
                pipeline.publish(FINISHED, " ".join(task.job.id for task, _ in others))
            if self._pace:
                pipeline.hset(PACE, mapping=self._pace)
            pipeline.execute()
        return ended

    def _still_ours(self, tasks: list[Task], queue: Queue, pipeline: Pipeline) -> list[Task]:
        """The tasks whose executions are still registered. If that changes meanwhile, the transaction fails."""
        key = queue.started_job_registry.key
        pipeline.watch(key)
        scores = pipeline.zmscore(key, [task.execution.composite_key for task in tasks])
        pipeline.multi()
        ours = [task for task, score in zip(tasks, scores, strict=True) if score is not None]
        if len(ours) < len(tasks):
            log.warning("predictions_given_up", jobs=len(tasks) - len(ours), queue=queue.name)
        return ours

    def _succeed(self, task: Task, pipeline: Pipeline) -> None:
        """What rq's `handle_job_success` does for a job without dependents, in the caller's transaction."""
        job, execution = task.job, task.execution
        predict.store(pipeline, job.id, task.blobs, self.settings.result_ttl_s)
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
        execution.delete(job, pipeline)

    def _cancel(self, task: Task, pipeline: Pipeline) -> None:
        """What rq's `Job.cancel` does for a job that was running, in the caller's transaction."""
        job, ttl = task.job, self.settings.result_ttl_s
        job.set_status(JobStatus.CANCELED, pipeline=pipeline)
        announce(pipeline, snapshot_of(job, None))
        pipeline.hset(job.key, "ended_at", utcformat(job.ended_at))
        CanceledJobRegistry(job.origin, self.connection, serializer=self.serializer).add(job, ttl, pipeline=pipeline)
        job.cleanup(ttl, pipeline=pipeline, remove_from_queue=False)
        task.execution.delete(job, pipeline)
        pipeline.delete(cancel_key(job.id))

    def _fail(self, task: Task, pipeline: Pipeline) -> None:
        """What rq's `handle_job_failure` does for a job without dependents, in the caller's transaction.

        It is not run again: it would raise again.
        """
        job, execution = task.job, task.execution
        job.meta["failure"] = task.failure.model_dump()
        pipeline.hset(job.key, "meta", self.serializer.dumps(job.meta))
        job.set_status(JobStatus.FAILED, pipeline=pipeline)
        job.retries_left = 0
        self.increment_failed_job_count(pipeline=pipeline)
        self.increment_total_working_time(job.ended_at - job.started_at, pipeline)
        job._handle_failure(
            task.trace,
            pipeline=pipeline,
            worker_name=self.name,
            execution_id=execution.id,
            execution_started_at=execution.created_at,
            execution_ended_at=job.ended_at,
        )
        execution.delete(job, pipeline)

    def finish(self) -> None:
        """Commits what is still being finished."""
        try:
            self._finish_pending()
        finally:
            self._finisher.shutdown()

    def _finish_pending(self) -> None:
        """Waits until the batch before this one is committed. Its error, if any, ends the worker, not a prediction."""
        if self._finishing is not None:
            finishing, self._finishing = self._finishing, None
            finishing.result()


def _failure_of(error: Exception, job: Job) -> Failure:
    """What a user may know of an error."""
    if isinstance(error, PredictionError):
        return Failure(code=error.code, detail=error.detail)
    if isinstance(error, JobTimeoutException):
        return Failure(code="timeout", detail=f"the prediction took longer than its {job.timeout} s")
    return Failure(code="internal_error", detail="the model failed on this input; the worker's log says more")


def connect(settings: Settings) -> Redis:
    """A connection without redis-py's own retries, which could write a batch's ends twice."""
    once = Retry(NoBackoff(), 0)
    return Redis.from_url(settings.redis, socket_timeout=IDLE_S + 10, health_check_interval=30, retry=once)


def run(settings: Settings) -> None:
    """Runs a worker until it is told to stop. Models to preload are loaded before it takes its first job."""
    logs.configure(settings)
    connection = connect(settings)
    engine = predict.engine_for(settings)
    for folder, reason in engine.registry.broken.items():
        log.error("model_unreadable", folder=str(folder), reason=reason)
    for name in settings.preload:
        engine.load(name)
    worker = BatchWorker(engine, connection, settings)
    if settings.worker_metrics_port:
        engine.metrics.serve(settings.host, settings.worker_metrics_port)
    log.info(
        "worker_ready",
        worker=worker.name,
        device=str(engine.device),
        models=[entry.card.name for entry in engine.registry.served()],
    )
    worker.work()
    log.info("worker_stopped", worker=worker.name)
