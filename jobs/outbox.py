"""Webhooks, the half that predictions see: an end queues its delivery in the transaction that makes it the end.

Deliveries are rq jobs in a queue of their own; `workers.deliverer` makes them. This module imports no torch and does no
input or output itself.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from pydantic import TypeAdapter
from rq.job import Job, JobStatus, Retry
from rq.serializers import JSONSerializer
from rq.utils import now

from jobs import keys, records, usage
from jobs.own_job import OwnJob
from jobs.prediction import ENDED, EVENTS, Snapshot, Status

QUEUE = "webhooks"
QUEUE_KEY = keys.queue_key_of(QUEUE)
FUNCTION = "workers.deliverer.deliver"
FORMER_FUNCTIONS = ("app.deliveries.deliver",)
"""What deliveries call it that were queued by an earlier version."""

DELIVERERS = keys.workers_key(QUEUE)
"""The set in which rq keeps the keys of the processes that deliver. They are rq workers and make no pictures."""

RETRY_AFTER_S = (5, 30, 120, 600, 3600)
"""Waits between attempts; each is stretched by up to a fifth, so that what failed together does not return together."""
TIMEOUT_S = 60
"""Ends an attempt that hangs where `core.guard`'s own timeout does not reach."""
RESULT_TTL_S = 600
FAILURE_TTL_S = 86_400
"""How long rq remembers what was given up, so that an operator can requeue it."""

SNAPSHOT = TypeAdapter(Snapshot)


class Outcome(StrEnum):
    """What comes of tries to deliver, and of a delivery that is not tried again."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Delivery:
    """A delivery to be queued: what RPUSH and HSET take, for a caller whose transaction is a script."""

    id: str
    fields: dict[str, Any]


class AnnouncedJob(OwnJob):
    """A prediction's rq job that announces its end; rq calls these two inside the transactions that end a job.

    The second is called for a job that raised, for one whose workers died, and for one that was stopped. It wakes
    whoever waits and counts the end, too, which the worker does for all others of a batch at once.
    """

    def _handle_success(self, result_ttl: int, pipeline: Any, *args: Any, **kwargs: Any) -> None:
        super()._handle_success(result_ttl, pipeline, *args, **kwargs)
        self.announce(pipeline, self._result)

    def _handle_failure(self, exc_string: str, pipeline: Any, *args: Any, **kwargs: Any) -> None:
        self.ended_at = self.ended_at or now()
        super()._handle_failure(exc_string, pipeline, *args, **kwargs)
        pipeline.publish(keys.FINISHED, self.id)
        with suppress(ValueError):  # somebody else's job
            order = records.order_of(self)
            pipeline.hincrby(keys.END_COUNTS, keys.end_field(order.model, order.task, Status.FAILED), 1)
            usage.count(pipeline, self.ended_at, [usage.counts_of(order, Status.FAILED)])
        self.announce(pipeline)

    def announce(self, pipeline: Any, answer: Any = None) -> None:
        """Queues the delivery of this end, and of the answer if there is one, if a webhook asks for it."""
        if "webhook" in self.meta:
            announce(pipeline, records.snapshot_of(self, answer))


def announce(pipeline: Any, ended: Snapshot) -> None:
    """Queues the delivery that an ended prediction asked for, if it did, in the caller's transaction.

    `pipeline` may be of redis or of redis.asyncio.
    """
    if job := delivery(ended):
        pipeline.hset(keys.job_key(job.id), mapping=job.fields)
        pipeline.sadd(keys.QUEUES, QUEUE_KEY)
        pipeline.rpush(QUEUE_KEY, job.id)


def delivery(ended: Snapshot) -> Delivery | None:
    """The rq job that delivers an end, or None if no webhook asks for it.

    It carries all that it will send, so it outlives the prediction; its id is the same however often the same end is
    announced.
    """
    webhook = ended.webhook
    if webhook is None or ended.status not in ENDED or EVENTS[ended.status] not in webhook.events:
        return None
    job = Job.create(
        FUNCTION,
        kwargs={"at": (ended.ended_at or now()).isoformat(), "ended": SNAPSHOT.dump_python(ended, mode="json")},
        id=f"msg_{ended.id}_{ended.status.value}",
        origin=QUEUE,
        description=f"{ended.status.value} {ended.id}",
        timeout=TIMEOUT_S,
        result_ttl=RESULT_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        retry=Retry(max=len(RETRY_AFTER_S), interval=[_stretched(wait) for wait in RETRY_AFTER_S]),
        serializer=JSONSerializer,
        connection=_NO_CONNECTION,
    )
    job.enqueued_at = job.created_at
    return Delivery(job.id, {**job.to_dict(), "status": JobStatus.QUEUED.value})


def _stretched(wait_s: int) -> int:
    return round(wait_s * random.uniform(1, 1.2))


# rq's constructors insist on a connection that serialising never touches.
_NO_CONNECTION: Any = SimpleNamespace()
