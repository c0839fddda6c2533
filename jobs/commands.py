"""To enqueue, cancel, find and purge a prediction: each one script (`jobs.scripts`), with its keys and arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry
from rq.utils import utcformat

from jobs import keys, outbox, records, usage
from jobs.admission import Claim
from jobs.prediction import Order, Snapshot, Status, Webhook


@dataclass(frozen=True)
class ScriptCall:
    """What EVAL and EVALSHA take besides the script."""

    keys: Sequence[str]
    args: Sequence[Any]


def enqueue(
    claim: Claim,
    order: Order,
    timeout_s: int,
    ttl_s: int,
    *,
    pool: str,
    webhook: Webhook | None = None,
    waiter: str = "",
    trace: Mapping[str, str] | None = None,
    pictures: Mapping[str, bytes] | None = None,
    expected_bytes: int = 0,
) -> tuple[ScriptCall, datetime]:
    """Of `scripts.ENQUEUE`; and when the prediction was made.

    Args:
        claim: granted already, or to be judged with this.
        pool: of the workers that serve the model.
        waiter: the API process that waits for the end.
        trace: what names the trace that it belongs to, if it belongs to one.
        pictures: the pixels of the order's, by id.
        expected_bytes: of the results, as long as they are not there.
    """
    fields = records.new_job(claim.prediction, order, claim.priority, timeout_s, ttl_s, webhook, waiter, trace)
    created_at = datetime.fromisoformat(fields["created_at"])
    claim = replace(claim, images=order.count, needed=expected_bytes + sum(map(len, (pictures or {}).values())))
    names = [
        *claim.keys,
        keys.QUEUES,
        keys.doorbell_key(pool),
        keys.shares_key(pool, claim.priority),
        *histories(order),
    ]
    job = _flat(fields)
    args = [*claim.args, ttl_s, int(created_at.timestamp() * 1000), expected_bytes, fields["created_at"]]
    args += [len(job), *job]
    return ScriptCall(names, [*args, *_flat(pictures or {})]), created_at


def cancel(found: Snapshot, ttl_s: int) -> ScriptCall:
    """Of `scripts.CANCEL`."""
    now = datetime.now(UTC)
    delivery = outbox.delivery(replace(found, status=Status.CANCELED, ended_at=now))
    names = [
        keys.job_key(found.id),
        keys.queue_key_of(found.queue),
        CanceledJobRegistry.key_template.format(found.queue),
        keys.cancel_key(found.id),
        keys.END_COUNTS,
        outbox.QUEUE_KEY,
        usage.day_key(now),
    ]
    counted = keys.end_field(found.order.model, found.order.task, Status.CANCELED)
    used = usage.counts_of(found.order, Status.CANCELED)
    args = [found.id, ttl_s, int(now.timestamp()), utcformat(now), counted, usage.KEPT_S, len(used), *_flat(used)]
    args += [delivery.id, *_flat(delivery.fields)] if delivery else [""]
    return ScriptCall(names, args)


def position(found: Snapshot, pool: str) -> ScriptCall:
    """Of `scripts.POSITION`, of a prediction whose model the workers of a pool serve."""
    shares = keys.shares_key(pool, keys.priority_of(found.queue))
    return ScriptCall([keys.job_key(found.id), keys.queue_key_of(found.queue), shares], [found.id])


def purge(found: Snapshot) -> ScriptCall:
    """Of `scripts.PURGE`."""
    registries = [
        kind.key_template.format(found.queue) for kind in (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry)
    ]
    names = [keys.job_key(found.id), keys.results_key(found.id), *histories(found.order), keys.DEADLINES, *registries]
    stored = [keys.image_key(found.id, index) for index in range(len(found.images))]
    stored += [keys.picture_key(picture) for picture in found.order.pictures]
    stored += [keys.latents_key(found.id), keys.events_key(found.id), keys.attempts_key(found.id)]
    stored.append(keys.signed_key(found.id))
    return ScriptCall(names, [found.id, found.order.owner, *stored])


def histories(order: Order) -> list[str]:
    """Where a prediction is listed: among all, and among its owner's."""
    return [keys.history_key(), *([keys.history_key(order.owner)] if order.owner else [])]


def _flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]
