"""What rq writes of a prediction: its job hash and its results, made and read without rq's objects where it matters.

A prediction is one rq job with the JSON serializer; its id is the job's id.
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
from rq.job import Job, JobStatus, Retry
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from jobs.keys import queue_name
from jobs.prediction import ENDED, WORKER_LOST, Answer, Failure, Loading, Order, Priority, Snapshot, Status, Webhook

FUNCTION = "workers.entrypoint.predict"
"""The one function that our queues may run."""

FORMER_FUNCTIONS = ("workers.predict.predict",)
"""What jobs call it that were queued by an earlier version."""

LOADING = "loading"
"""Field of a job hash while a worker loads the job's model (`loading_field`)."""

_STATUS = {
    JobStatus.CREATED: Status.QUEUED,
    JobStatus.QUEUED: Status.QUEUED,
    JobStatus.DEFERRED: Status.QUEUED,
    JobStatus.SCHEDULED: Status.QUEUED,
    JobStatus.READY_TO_ENQUEUE: Status.QUEUED,
    JobStatus.STARTED: Status.PROCESSING,
    JobStatus.FINISHED: Status.SUCCEEDED,
    JobStatus.FAILED: Status.FAILED,
    JobStatus.STOPPED: Status.CANCELED,
    JobStatus.CANCELED: Status.CANCELED,
}


def new_job(
    prediction: str,
    order: Order,
    priority: Priority,
    timeout_s: int,
    ttl_s: int,
    webhook: Webhook | None = None,
    waiter: str = "",
    trace: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The fields of the rq job hash for an order, ready for HSET.

    These are ours: `images` and `owner`, for `scripts.BEGIN`, `waiter`, the API process that waits for the end, and
    what names the trace that the prediction belongs to (`core.tracing.FIELDS`).
    """
    now = utcformat(datetime.now(UTC))
    fields = {
        **_NEW_JOB,
        "created_at": now,
        "enqueued_at": now,
        "origin": queue_name(order.model, priority),
        "description": f"{order.task} {order.model}",
        "data": orjson.dumps((FUNCTION, None, (), order.model_dump(mode="json"))),  # rq compresses, and reads both
        "timeout": timeout_s,
        "result_ttl": ttl_s,
        "failure_ttl": ttl_s,
        "images": order.count,
    }
    if order.owner:
        fields["owner"] = order.owner
    if waiter:
        fields["waiter"] = waiter
    if trace:
        fields.update(trace)
    if webhook:
        fields["meta"] = orjson.dumps({"webhook": webhook.model_dump(mode="json")})
    return fields


def snapshot(
    prediction: str,
    fields: Mapping[bytes, bytes],
    results: list[tuple[bytes, Mapping[bytes, bytes]]],
    cancel: bytes | None = None,
) -> Snapshot:
    """A prediction from its job hash, the newest entry of its results stream, and its cancel flag.

    Reads what rq wrote without making rq's objects of it: the API does this for each answer.

    Raises:
        ValueError: the job is not one of ours.
    """
    status = _STATUS[JobStatus(fields[b"status"].decode())]
    answer = None
    loading = _loading(fields) if status is Status.PROCESSING else None
    if status is Status.SUCCEEDED and results:
        answer = orjson.loads(b64decode(results[0][1][b"return_value"]))
    return _snapshot(
        id=prediction,
        queue=fields[b"origin"].decode(),
        order=order(fields),
        status=_canceling(status) if cancel is not None else status,
        answer=answer,
        meta=orjson.loads(fields.get(b"meta") or b"{}"),
        created_at=moment(fields[b"created_at"]),
        started_at=_moment(fields.get(b"started_at")),
        ended_at=_moment(fields.get(b"ended_at")),
        loading=loading,
    )


def loading_field(fields: Mapping[bytes, bytes], loading: Loading) -> bytes:
    """What `LOADING` holds of a job that was begun: of this attempt, since a worker that dies leaves it behind."""
    return fields[b"started_at"] + b" " + loading.model_dump_json().encode()


def _loading(fields: Mapping[bytes, bytes]) -> Loading | None:
    attempt, _, told = fields.get(LOADING.encode(), b"").partition(b" ")
    return Loading.model_validate_json(told) if told and attempt == fields.get(b"started_at") else None


def snapshot_of(job: Job, answer: Any) -> Snapshot:
    """A prediction from its job and, once it has succeeded, what the job returned."""
    return _snapshot(
        id=job.id,
        queue=job.origin,
        order=order_of(job),
        status=_STATUS[job._status],
        answer=answer,
        meta=job.meta,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _snapshot(status: Status, answer: Any, meta: Mapping[str, Any], **fields: Any) -> Snapshot:
    failure, webhook = meta.get("failure", WORKER_LOST), meta.get("webhook")
    return Snapshot(
        **fields,
        status=status,
        answer=Answer.model_validate(answer) if answer and status is Status.SUCCEEDED else None,
        failure=Failure.model_validate(failure) if status is Status.FAILED else None,
        webhook=Webhook.model_validate(webhook) if webhook else None,
    )


def status_of(status: bytes, canceling: bool) -> Status:
    """Where a prediction is, by the `status` of its job hash and whether it has a cancel flag."""
    found = _STATUS[JobStatus(status.decode())]
    return _canceling(found) if canceling else found


def _canceling(status: Status) -> Status:
    return Status.CANCELING if status in (Status.QUEUED, Status.PROCESSING) else status


def moment(text: bytes) -> datetime:
    """A moment as rq writes it."""
    return datetime.fromisoformat(text.decode())


def _moment(text: bytes | None) -> datetime | None:
    """None where rq writes nothing."""
    return moment(text) if text else None


def has_ended(status: bytes) -> bool:
    """Whether the `status` of a job hash is one that no job leaves again."""
    return _STATUS[JobStatus(status.decode())] in ENDED


def order(fields: Mapping[bytes, bytes]) -> Order:
    """What a job hash asks for. Raises `ValueError` for a job that is not ours."""
    data = fields[b"data"]
    function, _, _, kwargs = orjson.loads(data if data.startswith(b"[") else zlib.decompress(data))
    return _order(function, kwargs)


def enqueued_at(fields: Mapping[bytes, bytes]) -> datetime:
    """Since when a job has waited."""
    return moment(fields[b"enqueued_at"])


def order_of(job: Job) -> Order:
    """What the job asks for. Raises `ValueError` for a job that is not ours."""
    return _order(job.func_name or "", job.kwargs)


def _order(function: str, kwargs: Mapping[str, Any]) -> Order:
    if function not in (FUNCTION, *FORMER_FUNCTIONS):
        raise ValueError(f"a job of {function!r} is not ours to run")
    return Order.model_validate(kwargs)


# rq's constructors insist on a connection that (de)serialising never touches.
_NO_CONNECTION: Any = SimpleNamespace()

_NEW_JOB: dict[str, Any] = {
    **{
        name: value
        for name, value in Job.create(
            FUNCTION, retry=Retry(max=1), serializer=JSONSerializer, connection=_NO_CONNECTION
        )
        .to_dict()
        .items()
        if value != ""
    },
    "status": JobStatus.QUEUED.value,
}
"""What all our job hashes share, as rq writes it, but for what it would leave empty. A job whose worker dies is run
once more (`Retry`); one that raises is not, since it would raise again."""
