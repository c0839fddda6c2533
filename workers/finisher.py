"""Ends batches: encodes what was computed, and commits the ends of all its jobs in one transaction."""

from __future__ import annotations

import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from redis.client import Pipeline
from redis.typing import EncodableT
from rq.job import JobStatus
from rq.registry import CanceledJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat
from rq.worker.base import BaseWorker

from core import logs, tracing
from jobs import completions, records, scripts, usage
from jobs.completions import Completion
from jobs.keys import END_COUNTS, FINISHED, PACE, cancel_key, completions_channel, end_field
from jobs.worker_state import Stage
from workers import results
from workers.batch import Batch, CanceledJob, ComputedJob, EndedJob, FailedJob, HeldJobs, SucceededJob
from workers.metrics import WorkerMetrics
from workers.outages import Outages
from workers.result_objects import ResultObjects
from workers.results import ResultBytes
from workers.runner import RunJob
from workers.time_limits import Clock

log = logs.get(__name__)


class Finisher:
    """Finishes one batch while the next one is computed, where there is a processor for it."""

    def __init__(
        self,
        worker: BaseWorker,
        held: HeldJobs,
        outages: Outages,
        metrics: WorkerMetrics,
        ttl_s: int,
        overlaps: bool,
        objects: ResultObjects | None = None,
    ):
        """
        Args:
            objects: where images and latents are kept instead of in Redis.
            ttl_s: how long canceled jobs are kept.
            overlaps: whether a second thread would find a processor that the first one does not keep busy.
        """
        self.worker, self.connection, self.held, self.outages = worker, worker.connection, held, outages
        self.metrics, self.ttl_s, self.overlaps, self.objects = metrics, ttl_s, overlaps, objects
        self._thread = ThreadPoolExecutor(1, "finisher")
        self._pending: Future[None] | None = None
        self._pace: dict[str, float] = {}

    def finish(self, batch: Batch, jobs: Sequence[RunJob]) -> None:
        """Ends the jobs of a batch, right away or, if that gains time, while the next one is computed."""
        self._note_pace(batch.model, (time.monotonic() - batch.begun) / len(batch.jobs))
        self.wait()
        if self.overlaps and len(jobs) > 1:
            self._pending = self._thread.submit(self._finish, batch, jobs)
        else:
            self._finish(batch, jobs)

    def wait(self) -> None:
        """Returns when the batch before is committed. Its error, if any, ends the worker, not a prediction."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def close(self) -> None:
        """Commits what is still being finished."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def _note_pace(self, model: str, seconds: float) -> None:
        """Keeps a moving average of what a prediction of the model takes."""
        self._pace[model] = 0.8 * self._pace.get(model, seconds) + 0.2 * seconds

    def _finish(self, batch: Batch, jobs: Sequence[RunJob]) -> None:
        encoded = [encode(each) for each in jobs]
        timings = [each.answer.timing for each in encoded if isinstance(each, SucceededJob)]
        self.metrics.stage(Stage.QUEUE, *(timing.queue_ms / 1000 for timing in timings))
        self.metrics.stage(Stage.ENCODE, *(timing.encode_ms / 1000 for timing in timings))
        began = time.monotonic()
        if self.objects is not None:
            encoded = self.objects.keep(encoded)
        committed = self.outages.retry(lambda: self._commit(batch, encoded))
        stored = time.monotonic()
        self.metrics.stage(Stage.STORE, stored - began)
        self.held.remove(batch.jobs)
        for each in committed:
            reason = {"failure": each.failure.model_dump()} if isinstance(each, FailedJob) else {}
            log.info(f"prediction_{each.status.value}", prediction=each.job.id, queue=batch.queue.name, **reason)
        if tracer := tracing.tracer():
            from workers.batch_trace import BatchTrace

            BatchTrace(tracer, batch, (began, stored)).record(committed)

    def _commit(self, batch: Batch, encoded: Sequence[EndedJob]) -> list[EndedJob]:
        """Writes what became of the jobs, and answers what it wrote.

        A worker that was cut off for a while may have been counted as dead, and its jobs begun elsewhere; or it does
        not know whether its last try was heard. Then it first asks which of the jobs are still its own.
        """
        with self.connection.pipeline() as pipeline:
            owned = self._still_owned(batch, encoded, pipeline) if self.outages.since(batch.begun) else encoded
            ended = [_unless_canceled(each) for each in owned]
            succeeded = [each for each in ended if isinstance(each, SucceededJob)]
            canceled = [each for each in ended if isinstance(each, CanceledJob)]
            moment = now()
            if succeeded:
                succeed(self.worker, batch, succeeded, moment, pipeline)
            for each in ended:
                if isinstance(each, CanceledJob):
                    self._cancel(each, moment, pipeline)
                elif isinstance(each, FailedJob):
                    self._fail(each, moment, pipeline)
            # Failures count and announce themselves (`AnnouncedJob`), since not only commits make jobs fail.
            counts = Counter(
                end_field(each.order.model, each.order.task, each.status) for each in (*succeeded, *canceled)
            )
            for name, count in counts.items():
                pipeline.hincrby(END_COUNTS, name, count)
            usage.count(pipeline, moment, (_usage(each) for each in (*succeeded, *canceled)))
            _send_completions(succeeded, moment, pipeline)
            if succeeded or canceled:
                names = (each.job.id for each in ended if not isinstance(each, FailedJob))
                pipeline.publish(FINISHED, " ".join(names))
            if self._pace:
                pipeline.hset(PACE, mapping={**self._pace})
            pipeline.execute()
        return ended

    def _still_owned(self, batch: Batch, encoded: Sequence[EndedJob], pipeline: Pipeline) -> list[EndedJob]:
        """The jobs whose executions are still registered. If that changes meanwhile, the transaction fails."""
        key = batch.queue.started_job_registry.key
        pipeline.watch(key)
        scores = pipeline.zmscore(key, [each.job.execution.composite_key for each in encoded])
        pipeline.multi()
        owned = [each for each, score in zip(encoded, scores, strict=True) if score is not None]
        if len(owned) < len(encoded):
            log.warning("predictions_given_up", jobs=len(encoded) - len(owned), queue=batch.queue.name)
        return owned

    def _cancel(self, canceled: CanceledJob, moment: datetime, pipeline: Pipeline) -> None:
        """What rq's `Job.cancel` does for a job that was running, in the caller's transaction."""
        job = canceled.job.rq_job
        job.ended_at = moment
        job.set_status(JobStatus.CANCELED, pipeline=pipeline)
        job.announce(pipeline)
        pipeline.hset(job.key, "ended_at", utcformat(moment))
        registry = CanceledJobRegistry(job.origin, self.connection, serializer=JSONSerializer)
        registry.add(job, self.ttl_s, pipeline=pipeline)
        job.cleanup(self.ttl_s, pipeline=pipeline, remove_from_queue=False)
        canceled.job.execution.delete(job, pipeline)
        pipeline.delete(cancel_key(job.id))

    def _fail(self, failed: FailedJob, moment: datetime, pipeline: Pipeline) -> None:
        """What rq's `handle_job_failure` does for a job without dependents, in the caller's transaction.

        It is not run again: it would raise again.
        """
        job, execution = failed.job.rq_job, failed.job.execution
        job.ended_at = moment
        job.meta["failure"] = failed.failure.model_dump()
        pipeline.hset(job.key, "meta", JSONSerializer.dumps(job.meta))
        job.set_status(JobStatus.FAILED, pipeline=pipeline)
        job.retries_left = 0
        self.worker.increment_failed_job_count(pipeline=pipeline)
        self.worker.increment_total_working_time(moment - failed.job.started_at, pipeline)
        job._handle_failure(
            failed.trace,
            pipeline=pipeline,
            worker_name=self.worker.name,
            execution_id=execution.id,
            execution_started_at=execution.created_at,
            execution_ended_at=moment,
        )
        execution.delete(job, pipeline)


def encode(ran: RunJob) -> EndedJob:
    """Encodes what was computed, in what is left of its job's time; that of its neighbours in the batch is theirs."""
    if not isinstance(ran, ComputedJob):
        return ran
    job, work, began = ran.job, ran.work, time.monotonic()
    try:
        moments = records.enqueued_at(job.fields), job.execution.created_at
        answer, result = results.encode(work, *moments, Clock(ran.left_s).check)
    except Exception as error:
        return job.failed(error)
    return SucceededJob(job, work, answer, result, began)


def succeed(
    worker: BaseWorker, batch: Batch, succeeded: Sequence[SucceededJob], moment: datetime, pipeline: Pipeline
) -> None:
    """Ends jobs that have answers, as rq's `handle_job_success` does, in the caller's transaction: by a script for all
    of them (`jobs/lua/succeed.lua`)."""
    first = succeeded[0].job.execution
    args: list[EncodableT] = [worker.name, first.id, utcformat(moment), moment.timestamp()]
    for each in succeeded:
        job, made = each.job, each.result
        result, stored = (ResultBytes(), made.size) if each.answer.stored else (made, 0)
        return_value, began = b64encode(each.answer.model_dump_json().encode()), job.execution.created_at.timestamp()
        args += [job.id, job.result_ttl_s, return_value, began, len(result.images)]
        args += [*result.images, result.latents, stored]
    keys = [first.registry.key, batch.queue.finished_job_registry.key, worker.key, first.worker_executions_key]
    # By its text, and first: a script that Redis has forgotten, or one that finds memory full by what came before it,
    # would fail alone, in a transaction that goes through.
    pipeline.eval(scripts.SUCCEED, len(keys), *keys, *args)
    for each in succeeded:
        job = each.job
        if b"meta" in job.fields:
            # What `AnnouncedJob` does where rq itself ends a job.
            job.rq_job._status, job.rq_job.ended_at = JobStatus.FINISHED, moment
            job.rq_job.announce(pipeline, each.answer.model_dump(mode="json"))


def _send_completions(succeeded: Sequence[SucceededJob], moment: datetime, pipeline: Pipeline) -> None:
    """Sends the answers to the API processes that wait for them."""
    by_waiter: dict[str, list[Completion]] = defaultdict(list)
    for each in succeeded:
        if each.job.waiter:
            completion = Completion(each.job.id, each.answer, each.job.started_at, moment, tuple(each.result.images))
            by_waiter[each.job.waiter].append(completion)
    for waiter, completed in by_waiter.items():
        pipeline.publish(completions_channel(waiter), completions.pack(completed))


def _usage(ended: SucceededJob | CanceledJob) -> dict[str, int]:
    """What the end adds to its key's usage: of forward passes that it shared, the share of its rows."""
    if isinstance(ended, CanceledJob):
        return usage.counts_of(ended.order, ended.status)
    work, timing = ended.work, ended.answer.timing
    compute_ms = timing.inference_ms * len(work.rows) / work.batch_size + timing.encode_ms
    return usage.counts_of(ended.order, ended.status, ended.answer.images, compute_ms)


def _unless_canceled(ended: EndedJob) -> EndedJob:
    """A cancel that comes before the commit still counts."""
    if isinstance(ended, SucceededJob) and ended.job.canceled.is_set():
        return CanceledJob(ended.job, ended.order)
    return ended
