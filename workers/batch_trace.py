"""The spans of a batch, where traces are on: they are made once it is committed, of the moments that were noted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, get_current_span, set_span_in_context

from core import tracing
from jobs import records
from workers.batch import Batch, BatchJob, CanceledJob, EndedJob, FailedJob, SucceededJob


class BatchTrace:
    """A batch's own span, and in the trace of each of its requests what became of it.

    The span `batch` stands in the trace of the first request whose trace is sampled, and links to all of those. In the
    trace of each stand `queue`, and `predict` with a link to the batch, of which `load`, `forward`, `encode` and
    `store` are parts. What requests share takes the time that it took all of them.
    """

    def __init__(self, tracer: Tracer, batch: Batch, stored: tuple[float, float]):
        """
        Args:
            stored: when the ends began to be kept, and when they were, by `time.monotonic`.
        """
        self.tracer, self.batch, self.stored = tracer, batch, stored
        self._epoch_ns = time.time_ns() - time.monotonic_ns()

    def record(self, ended: Sequence[EndedJob]) -> None:
        """Makes the spans."""
        contexts = {each.job: tracing.context_of(each.job.trace) for each in ended if each.job.trace}
        links = [Link(get_current_span(context).get_span_context()) for context in contexts.values()]
        if not contexts:
            return
        began = min(_ns(job.execution.created_at) for job in contexts)
        about = {"easel.model": self.batch.model, "messaging.batch.message_count": len(self.batch.jobs)}
        first = next(iter(contexts.values()))
        together = self.tracer.start_span("batch", first, SpanKind.CONSUMER, about, links, began)
        to_batch = [Link(together.get_span_context())]
        for each in ended:
            if context := contexts.get(each.job):
                began = _ns(each.job.execution.created_at)
                queued = min(_ns(records.enqueued_at(each.job.fields)), began)
                self.tracer.start_span("queue", context, start_time=queued).end(began)
                own = self.tracer.start_span(
                    "predict", context, SpanKind.CONSUMER, _about(each, each.job), to_batch, began
                )
                self._parts(own, each)
                if isinstance(each, FailedJob):
                    own.set_status(StatusCode.ERROR, each.failure.code)
                own.end(self._wall(self.stored[1]))
        together.end(self._wall(self.stored[1]))

    def _parts(self, predict: Span, ended: EndedJob) -> None:
        spans = [("store", *self.stored)]
        if isinstance(ended, SucceededJob):
            work, timing = ended.work, ended.answer.timing
            spans = [
                ("load", work.began, work.began + timing.load_ms / 1000),
                ("forward", work.computed_at - timing.inference_ms / 1000, work.computed_at),
                ("encode", ended.encode_began, ended.encode_began + timing.encode_ms / 1000),
                *spans,
            ]
        context = set_span_in_context(predict)
        for name, first, last in spans:
            self.tracer.start_span(name, context, start_time=self._wall(first)).end(self._wall(last))

    def _wall(self, monotonic: float) -> int:
        """In ns since 1970."""
        return self._epoch_ns + int(monotonic * 1e9)


def _about(ended: EndedJob, job: BatchJob) -> dict[str, str | int]:
    about: dict[str, str | int] = {"easel.prediction": job.id, "easel.status": ended.status.value}
    if isinstance(ended, SucceededJob | CanceledJob):
        about |= {"easel.model": ended.order.model, "easel.task": ended.order.task.value}
    if isinstance(ended, SucceededJob):
        about |= {"easel.version": ended.order.version, "easel.batch_size": ended.answer.timing.batch_size}
    if isinstance(ended, FailedJob):
        about["error.type"] = ended.failure.code
    return about


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
