"""The batching worker: an rq worker that takes all compatible jobs at once and answers them with one forward pass.

What rq means by a job's status, registries, retries, results and TTLs stays as it is. What differs from `SimpleWorker`:
jobs are begun by one script and ended in one transaction, by a second thread while the next batch computes where there
is a processor for it. A job that raises fails alone. Redis may go away at any time, and come back.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from queue import SimpleQueue

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry
from rq.job import JobStatus
from rq.queue import Queue
from rq.registry import CanceledJobRegistry
from rq.timeouts import JobTimeoutException
from rq.utils import now, utcformat
from rq.worker.base import WorkerStatus

from core import garbage_collection, logs
from core.settings import Settings
from jobs import completions, records
from jobs.completions import Completion
from jobs.keys import (
    DOORBELL,
    END_COUNTS,
    FINISHED,
    MODELS,
    PACE,
    PROGRESS,
    cancel_key,
    end_field,
    events_key,
    queue_name,
)
from jobs.prediction import Priority, Status
from jobs.worker_state import Resident, Stage, WorkerState
from workers import entrypoint, results
from workers.batching import Batch, Batches, BatchJob, QueueCandidate
from workers.engine import Engine, PredictionError, Progress, Report, Work
from workers.steady import AWAY, IDLE_S, CommitLost, SteadyWorker

log = logs.get(__name__)

PAUSE_S = 0.05
"""A worker that waits for longer says that it is idle."""
OVERDUE_S = 2
"""A job that has waited for longer goes before those whose models are in memory already."""
FAIR_EVERY = 8
"""Of so many batches, one goes to what has waited longest, whatever its priority."""


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
        self._batches = Batches(connection, self.name)
        self._taken = 0
        self._pace: dict[str, float] = {}
        self._told: SimpleQueue[str] = SimpleQueue()
        self._overlaps = engine.device.type != "cpu" or settings.worker_threads > 1
        """Whether a second thread would find a processor that the first one does not keep busy."""
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

    def next_batch(self, burst: bool) -> Batch | None:
        self._state = WorkerStatus.BUSY  # a stop request now waits for the batch
        while not self._stop_requested:
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            self._heed()
            if batch := self._begin():
                return batch
            if burst:
                break
            self._wait_idle()
        return None

    def _begin(self) -> Batch | None:
        """A batch of the first queue that has jobs.

        Higher priorities go first; within one, models in memory; and what is overdue, before them. So that no priority
        starves, now and then all count alike.
        """
        self._taken += 1
        batch = self._batches.begin(self._places, now() - timedelta(seconds=OVERDUE_S), self.worker_ttl)
        if batch is not None:
            # The next model that is preferred as much goes first next time. Found by identity: rq's queues are equal
            # by name, which takes long to compare with all of them.
            at = next(place for place, queue in enumerate(self._ordered_queues, 1) if queue is batch.queue)
            self._ordered_queues = self._ordered_queues[at:] + self._ordered_queues[:at]
            self.in_hand |= {task.id: task for task in batch.tasks}
        return batch

    def _places(self, used: Collection[str]) -> list[QueueCandidate]:
        """Those of the queues that are in use, best first."""
        alike = self._taken % FAIR_EVERY == 0
        queues = sorted((queue for queue in self._ordered_queues if queue.name in used), key=self._preference)
        return [
            QueueCandidate(queue, 0 if alike else self._rank[queue.name], self._room(queue.name)) for queue in queues
        ]

    def _preference(self, queue: Queue) -> tuple[int, bool]:
        return self._rank[queue.name], self._card[queue.name].name not in self.engine.resident

    def _room(self, queue: str) -> int:
        card = self._card[queue]
        return min(card.serving.max_batch, self.engine.largest.get(card.name, card.serving.max_batch))

    def _wait_idle(self) -> None:
        self._finish_pending()
        if self.connection.blpop([DOORBELL], timeout=PAUSE_S) is None:
            self.set_state(WorkerStatus.IDLE)
            self.heartbeat()
            if self.connection.blpop([DOORBELL], timeout=IDLE_S) is None:
                self._batches.look_anew()
        self._state = WorkerStatus.BUSY

    # Running

    def run_batch(self, batch: Batch) -> None:
        """Computes a batch, and finishes it right away or, if that gains time, while the next one is computed."""
        ready = [task for task in batch.tasks if self._order(task)]
        if len(ready) == 1 or not self._run(ready):
            for task in ready:
                self._run_alone(task)
        self._note_pace(batch.queue, (time.monotonic() - batch.begun) / len(batch.tasks))
        self._finish_pending()
        if self._overlaps and len(batch.tasks) > 1:
            self._finishing = self._finisher.submit(self._finish, batch)
        else:
            self._finish(batch)

    def _note_pace(self, queue: Queue, seconds: float) -> None:
        """Keeps a moving average of what a prediction of the queue's model takes."""
        model = self._card[queue.name].name
        self._pace[model] = 0.8 * self._pace.get(model, seconds) + 0.2 * seconds

    def _order(self, task: BatchJob) -> bool:
        """Reads the job's order and fetches its pictures; False if there is nothing to run.

        A job that is not ours or has lost its pictures fails alone.
        """
        try:
            task.work = Work(records.order(task.fields), [], canceled=task.canceled)
            if task.canceled.is_set():
                return False
            if task.work.order.pictures:
                card = self.engine.registry[task.work.order.model].card
                task.work.pictures = self.patiently(
                    lambda: entrypoint.pictures_of(self.connection, card, task.work.order)
                )
            self.engine.prepare(task.work)
        except CommitLost:
            raise
        except Exception as error:
            task.fail(error)
        return task.failure is None

    def _run(self, tasks: list[BatchJob]) -> bool:
        """One try at the whole batch, in the time that its slowest job may take; False if anything was raised."""
        if not tasks:
            return True
        timeout = max(task.timeout_s for task in tasks)
        try:
            with self.death_penalty_class(timeout, JobTimeoutException, job_id=tasks[0].id):
                self.engine.run([task.work for task in tasks], self._reporter(tasks))
        except Exception as error:
            log.warning("batch_failed", jobs=len(tasks), error=repr(error))
            return False
        return True

    def _run_alone(self, task: BatchJob) -> None:
        try:
            with self.death_penalty_class(task.timeout_s, JobTimeoutException, job_id=task.id):
                self.engine.run([task.work], self._reporter([task]))
        except Exception as error:
            task.fail(error)

    def _reporter(self, tasks: list[BatchJob]) -> Report:
        """Hands on the progress of works of several steps to whoever watches their predictions."""
        ids = {id(task.work): task.id for task in tasks}

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

    def _finish(self, batch: Batch) -> None:
        """Encodes all images and commits all ends in one transaction; may run in the finisher's thread."""
        for task in batch.tasks:
            self._encode(task)
        timings = [task.answer.timing for task in batch.tasks if task.answer]
        self.engine.metrics.stage(Stage.QUEUE, *(timing.queue_ms / 1000 for timing in timings))
        self.engine.metrics.stage(Stage.ENCODE, *(timing.encode_ms / 1000 for timing in timings))
        encoded = time.monotonic()
        committed = self.patiently(lambda: self._commit(batch))
        self.engine.metrics.stage(Stage.STORE, time.monotonic() - encoded)
        for task in batch.tasks:
            if self.in_hand.get(task.id) is task:  # and not begun anew, after others had taken it over
                del self.in_hand[task.id]
        for task, outcome in committed:
            told = {"failure": task.failure.model_dump()} if task.failure else {}
            log.info(f"prediction_{outcome.value}", prediction=task.id, queue=batch.queue.name, **told)

    def _encode(self, task: BatchJob) -> None:
        """Encodes what a task has made, if it came to its end."""
        if task.failure is not None or task.work is None or not task.work.done:
            return
        try:
            task.answer, task.parcel = results.encode(
                task.work, records.enqueued_at(task.fields), task.execution.created_at
            )
        except Exception as error:
            task.fail(error)

    def _commit(self, batch: Batch) -> list[tuple[BatchJob, Status]]:
        """Writes what became of the tasks, and answers what it wrote.

        A worker that was cut off for a while may have been counted as dead, and its jobs begun elsewhere; or it does
        not know whether its last try was heard. Then it first asks which of the jobs are still its own.
        """
        with self.connection.pipeline() as pipeline:
            doubtful = self.doubts(batch.begun)
            ended = [(task, task.outcome) for task in (self._still_ours(batch, pipeline) if doubtful else batch.tasks)]
            if succeeded := [task for task, outcome in ended if outcome is Status.SUCCEEDED]:
                self._batches.succeed(batch.queue, succeeded, self.key, pipeline)
            for task, outcome in ended:
                if outcome is Status.CANCELED:
                    self._cancel(task, pipeline)
                elif outcome is Status.FAILED:
                    self._fail(task, pipeline)
            # Failures tell and count themselves (`AnnouncedJob`), since not only commits make jobs fail.
            others = [(task, outcome) for task, outcome in ended if outcome is not Status.FAILED]
            counts = Counter(
                end_field(task.work.order.model, task.work.order.task, outcome) for task, outcome in others
            )
            for name, count in counts.items():
                pipeline.hincrby(END_COUNTS, name, count)
            if others:
                self._tell(others, pipeline)
            if self._pace:
                pipeline.hset(PACE, mapping=self._pace)
            pipeline.execute()
        return ended

    def _tell(self, ended: list[tuple[BatchJob, Status]], pipeline: Pipeline) -> None:
        """Publishes that the tasks have ended, and what they answer to the API processes that wait for it."""
        told: dict[str, list[Completion]] = defaultdict(list)
        for task, outcome in ended:
            if outcome is Status.SUCCEEDED and (waiter := task.fields.get(b"waiter")):
                told[waiter.decode()].append(task.news)
        for waiter, of_it in told.items():
            pipeline.publish(completions.channel(waiter), completions.pack(of_it))
        pipeline.publish(FINISHED, " ".join(task.id for task, _ in ended))

    def _still_ours(self, batch: Batch, pipeline: Pipeline) -> list[BatchJob]:
        """The tasks whose executions are still registered. If that changes meanwhile, the transaction fails."""
        key = batch.queue.started_job_registry.key
        pipeline.watch(key)
        scores = pipeline.zmscore(key, [task.execution.composite_key for task in batch.tasks])
        pipeline.multi()
        ours = [task for task, score in zip(batch.tasks, scores, strict=True) if score is not None]
        if len(ours) < len(batch.tasks):
            log.warning("predictions_given_up", jobs=len(batch.tasks) - len(ours), queue=batch.queue.name)
        return ours

    def _cancel(self, task: BatchJob, pipeline: Pipeline) -> None:
        """What rq's `Job.cancel` does for a job that was running, in the caller's transaction."""
        job, ttl = task.job, self.settings.result_ttl_s
        job.ended_at = now()
        job.set_status(JobStatus.CANCELED, pipeline=pipeline)
        job.announce(pipeline)
        pipeline.hset(job.key, "ended_at", utcformat(job.ended_at))
        CanceledJobRegistry(job.origin, self.connection, serializer=self.serializer).add(job, ttl, pipeline=pipeline)
        job.cleanup(ttl, pipeline=pipeline, remove_from_queue=False)
        task.execution.delete(job, pipeline)
        pipeline.delete(cancel_key(job.id))

    def _fail(self, task: BatchJob, pipeline: Pipeline) -> None:
        """What rq's `handle_job_failure` does for a job without dependents, in the caller's transaction.

        It is not run again: it would raise again.
        """
        job, execution = task.job, task.execution
        job.ended_at = now()
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
        models=[entry.card.name for entry in engine.registry.served()],
    )
    worker.work()
    log.info("worker_stopped", worker=worker.name)
