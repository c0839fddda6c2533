"""Computes batches: all jobs in one forward pass, or one by one where that raises, so that each fails alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeGuard

from redis import Redis
from redis.exceptions import RedisError

from core import logs
from jobs import records
from jobs.keys import PROGRESS, events_key, job_key
from jobs.prediction import Loading
from models.registry import Entry
from workers import entrypoint, results
from workers.batch import Batch, BatchJob, CanceledJob, ComputedJob, FailedJob, PreparedJob
from workers.engine import Engine
from workers.outages import AnswersLost, Outages
from workers.progress import Progress, Report
from workers.time_limits import within
from workers.work import PredictionError, PreparedWork, Work

log = logs.get(__name__)

RunJob = ComputedJob | FailedJob | CanceledJob
RunnableJob = PreparedJob | FailedJob | CanceledJob


class BatchRunner:
    """Runs batches on an engine; pictures come from Redis, and progress goes there."""

    def __init__(
        self,
        engine: Engine,
        connection: Redis,
        outages: Outages,
        events_ttl_s: int,
    ):
        self.engine, self.connection, self.outages, self.events_ttl_s = engine, connection, outages, events_ttl_s

    def is_warm(self, batch: Batch) -> bool:
        """Whether all that the jobs run on is in memory."""
        return not self._cold(batch)

    def prepare(self, batch: Batch, compiling: bool = False) -> list[RunnableJob]:
        """The jobs, ready to be computed, or what came of them; loads what they run on.

        Args:
            compiling: make ready all that can be before the passes, rather than with the first of them.
        """
        with self._telling_load(batch):
            return self._prepare_all(batch, compiling)

    def _prepare_all(self, batch: Batch, compiling: bool) -> list[RunnableJob]:
        prepared = [self._prepare(job) for job in batch.jobs]
        works = {(each.work.entry.card.reference, each.work.rows.key): each for each in prepared if _runnable(each)}
        for each in works.values() if compiling else ():
            with suppress(Exception):  # it will be raised again where it counts
                self.engine.compile(each.work)
        return prepared

    @contextmanager
    def _telling_load(self, batch: Batch) -> Iterator[None]:
        """Tells the batch's predictions that their model is loaded meanwhile, if it is not in memory."""
        cold = self._cold(batch)
        if not cold:
            yield
            return
        began, measurements = time.monotonic(), self.engine.measurements
        known = [measurements.load_s(weights) for weights in cold]
        self._tell_load(batch, Loading(estimate_s=None if None in known else round(sum(filter(None, known)), 3)))
        try:
            yield
        finally:
            self._tell_load(batch, None)
        if len(cold) == 1 and not self._cold(batch):
            measurements.write_load(cold.pop(), time.monotonic() - began)

    def _tell_load(self, batch: Batch, loading: Loading | None) -> None:
        with suppress(RedisError), self.connection.pipeline(transaction=False) as pipeline:
            for job in batch.jobs:
                if loading is None:
                    pipeline.hdel(job_key(job.id), records.LOADING)
                else:
                    pipeline.hset(job_key(job.id), records.LOADING, records.loading_field(job.fields, loading))
                pipeline.publish(PROGRESS, job.id)
            pipeline.execute()

    def run(self, jobs: Sequence[RunnableJob]) -> list[RunJob]:
        """What came of the jobs, in their order."""
        prepared = [each for each in jobs if _runnable(each)]
        ran: dict[BatchJob, RunJob] = {each.job: each for each in jobs if not isinstance(each, PreparedJob)}
        together = self._run_together(prepared) if len(prepared) > 1 else None
        ran |= {stage.job: stage for stage in together or map(self._run_alone, prepared)}
        return [ran[each.job] for each in jobs]

    def _cold(self, batch: Batch) -> set[str]:
        """sha256 of the weights that the jobs run on and that are not in memory."""
        entries = [entry for job in batch.jobs if (entry := self._entry(job))]
        memory = self.engine.memory.loaded
        return {each.card.weights.sha256 for each in entries if each.card.reference not in memory}

    def _entry(self, job: BatchJob) -> Entry | None:
        try:
            return self.engine.entry(job.order)
        except (ValueError, PredictionError):  # it will fail at once
            return None

    def _prepare(self, job: BatchJob) -> PreparedJob | FailedJob | CanceledJob:
        """Reads the job's order and fetches its pictures.

        A job that is not ours or has lost its pictures fails alone.
        """
        try:
            order = job.order
            if job.canceled.is_set():
                return CanceledJob(job, order)
            pictures = ()
            if order.pictures:
                card = self.engine.entry(order).card
                pictures = self.outages.retry(lambda: entrypoint.pictures_of(self.connection, card, order))
            return PreparedJob(job, self.engine.prepare(Work(order, pictures, job.canceled)))
        except AnswersLost:
            raise
        except Exception as error:
            return job.failed(error)

    def _run_together(self, jobs: Sequence[PreparedJob]) -> list[RunJob] | None:
        """One try at the whole batch, in the time that its slowest job may take; None if anything was raised."""
        try:
            return self._run(jobs, max(each.job.timeout_s for each in jobs))
        except Exception as error:
            log.warning("batch_failed", jobs=len(jobs), error=repr(error))
            return None

    def _run_alone(self, prepared: PreparedJob) -> RunJob:
        try:
            return self._run([prepared], prepared.job.timeout_s)[0]
        except Exception as error:
            return prepared.job.failed(error)

    def _run(self, jobs: Sequence[PreparedJob], timeout_s: int) -> list[RunJob]:
        report = self._reporter(jobs)
        works, left_s = within(timeout_s, lambda: self.engine.run([each.work for each in jobs], report))
        return [
            CanceledJob(each.job, each.work.order) if work is None else ComputedJob(each.job, work, left_s)
            for each, work in zip(jobs, works, strict=True)
        ]

    def _reporter(self, jobs: Sequence[PreparedJob]) -> Report:
        """Hands on the progress of works of several steps to whoever watches their predictions."""
        predictions = {each.work: each.job.id for each in jobs}

        def report(work: PreparedWork, progress: Progress) -> None:
            prediction = predictions[work]
            fields: dict[str, int | bytes] = {"step": progress.done, "total": progress.total}
            if progress.preview is not None:
                fields["preview"] = results.preview(progress.preview)
            with suppress(RedisError), self.connection.pipeline(transaction=False) as pipeline:
                pipeline.xadd(events_key(prediction), {**fields}, maxlen=64)
                pipeline.expire(events_key(prediction), self.events_ttl_s)
                pipeline.publish(PROGRESS, prediction)
                pipeline.execute()

        return report


def _runnable(job: RunnableJob) -> TypeGuard[PreparedJob]:
    return isinstance(job, PreparedJob)
