"""What Redis knows of all queues and workers at a moment: what operators look at and Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from rq.registry import StartedJobRegistry

from app.schemas.queue import PoolRow, QueueReport, QueueRow, StageRow, Throughput, WorkerRow
from core.pools import Pools
from core.replies import all_bytes
from jobs import keys, outbox
from jobs.prediction import Priority
from jobs.worker_state import FIELD, Lately, Stage, Sum, WorkerState

HEARTBEAT_AGE_S = 20
"""A worker that was not heard of for longer does not count as alive."""

UNKNOWN_PACE_S = 1.0
"""What a prediction is taken to need of a model that has made none yet."""

_WORKER = ("hostname", "pid", "state", "birth", "last_heartbeat", "death", "successful_job_count", "failed_job_count")


@dataclass(frozen=True)
class Overview:
    """Every queue, every worker that rq remembers, and how many predictions ended how (`jobs.end_field`), ever."""

    queues: list[QueueRow]
    pools: list[PoolRow]
    workers: list[WorkerRow]
    lately: list[Lately]
    ends: dict[tuple[str, ...], int]

    @property
    def alive(self) -> int:
        """How many workers were heard of lately."""
        return sum(worker.alive for worker in self.workers)

    def report(self) -> QueueReport:
        """The same for people: without empty queues, and with the workers' figures as one."""
        ages = [queue.oldest_age_s for queue in self.queues if queue.oldest_age_s is not None]
        return QueueReport(
            depth=sum(queue.depth for queue in self.queues),
            running=sum(queue.running for queue in self.queues),
            oldest_age_s=max(ages, default=None),
            queues=[queue for queue in self.queues if queue.depth or queue.running],
            pools=self.pools,
            workers=self.workers,
            lately=_throughput(self.lately),
        )


async def read(redis: Redis, models: Sequence[str], pools: Pools) -> Overview:
    """Three round trips, however many queues and workers there are.

    Args:
        models: whose queues are told of even if they are empty; of others those in which something waits or runs.
    """
    served = set(models)
    prefix = keys.queue_key_of("")
    known = {keys.model_of(key.decode().removeprefix(prefix)) for key in all_bytes(await redis.smembers(keys.QUEUES))}
    others = sorted(name for name in known - served if name)
    places = [(model, priority) for model in (*models, *others) for priority in Priority]
    async with redis.pipeline(transaction=False) as pipeline:
        for place in places:
            pipeline.llen(keys.queue_key(*place))
            pipeline.lindex(keys.queue_key(*place), 0)
            pipeline.zcard(StartedJobRegistry.key_template.format(keys.queue_name(*place)))
        pipeline.sdiff([keys.WORKERS, outbox.DELIVERERS])
        pipeline.hgetall(keys.PACE)
        pipeline.hgetall(keys.END_COUNTS)
        *counts, workers, paces, ends = await pipeline.execute()
    rows = list(zip(places, counts[::3], counts[1::3], counts[2::3], strict=True))
    heads = [head.decode() for _, _, head, _ in rows if head]
    names = sorted(key.decode() for key in workers)
    async with redis.pipeline(transaction=False) as pipeline:
        for head in heads:
            pipeline.hget(keys.job_key(head), "enqueued_at")
        for name in names:
            pipeline.hmget(name, [*_WORKER, FIELD])
        found = await pipeline.execute()
    now = datetime.now(UTC)
    since = dict(zip(heads, found, strict=False))
    seen = [_worker(name, fields, now) for name, fields in zip(names, found[len(heads) :], strict=True)]
    queues = [
        QueueRow(
            model=model,
            priority=priority,
            depth=depth,
            running=running,
            oldest_age_s=_age(since[head.decode()], now) if head else None,
            pace_s=_number(paces.get(model.encode())),
        )
        for (model, priority), depth, head, running in rows
        if model in served or depth or running
    ]
    return Overview(
        queues=queues,
        pools=_pools(pools, queues, [row for row, _ in filter(None, seen) if row.alive]),
        workers=[row for row, _ in filter(None, seen)],
        lately=[state.lately for row, state in filter(None, seen) if row.alive],
        ends={tuple(field.decode().split()): int(count) for field, count in ends.items()},
    )


def is_alive(heartbeat: bytes | None, death: bytes | None) -> bool:
    """Whether a worker was heard of lately and has not said goodbye."""
    return heartbeat is not None and death is None and _seconds_since(heartbeat, datetime.now(UTC)) < HEARTBEAT_AGE_S


def _worker(key: str, fields: list[bytes | None], now: datetime) -> tuple[WorkerRow, WorkerState] | None:
    """None for a worker that has left, or that is not ours."""
    host, pid, state, birth, heartbeat, death, succeeded, failed, own = fields
    if own is None or birth is None or heartbeat is None or death is not None:
        return None
    own_state = WorkerState.model_validate_json(own)
    row = WorkerRow(
        id=key.rpartition(":")[2],
        host=(host or b"").decode(),
        pid=int(pid or 0),
        state=(state or b"started").decode(),
        alive=is_alive(heartbeat, death),
        started_at=_time(birth),
        heartbeat_age_s=_seconds_since(heartbeat, now),
        succeeded=int(succeeded or 0),
        failed=int(failed or 0),
        device=own_state.device,
        threads=own_state.threads,
        pool=own_state.pool,
        memory_bytes=own_state.memory_bytes,
        models=list(own_state.resident),
    )
    return row, own_state


def _pools(pools: Pools, queues: Sequence[QueueRow], alive: Sequence[WorkerRow]) -> list[PoolRow]:
    """The work of each pool. A model that was never asked for counts as slow as `UNKNOWN_PACE_S`."""
    work = dict.fromkeys(pools.names, 0.0)
    for queue in queues:
        pace = UNKNOWN_PACE_S if queue.pace_s is None else queue.pace_s
        work[pools.of(queue.model)] += (queue.depth + queue.running) * pace
    return [
        PoolRow(name=name, work_s=round(seconds, 3), workers=sum(each.pool in (None, name) for each in alive))
        for name, seconds in work.items()
    ]


def _throughput(lately: Sequence[Lately]) -> Throughput:
    stages = {stage: _sum(each.stages.get(stage, Sum()) for each in lately) for stage in Stage}
    batches = _sum(each.batches for each in lately)
    window_s = max((each.window_s for each in lately), default=0)
    return Throughput(
        window_s=window_s,
        predictions_per_s=_rate(stages[Stage.ENCODE].count, window_s),
        images_per_s=_rate(batches.total, window_s),
        batch_size=round(batches.total / batches.count, 2) if batches.count else None,
        stages={
            stage: StageRow(count=found.count, mean_ms=round(found.total / found.count * 1000, 3))
            for stage, found in stages.items()
            if found.count
        },
    )


def _sum(parts: Any) -> Sum:
    return sum(parts, Sum())


def _rate(count: float, seconds: float) -> float:
    return round(count / seconds, 3) if seconds else 0


def _number(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _time(value: bytes) -> datetime:
    return datetime.fromisoformat(value.decode())


def _age(since: bytes | None, now: datetime) -> float | None:
    """Seconds, or None of what has expired meanwhile."""
    return None if since is None else _seconds_since(since, now)


def _seconds_since(since: bytes, now: datetime) -> float:
    """Clocks of two machines may differ: never below 0."""
    return round(max((now - _time(since)).total_seconds(), 0), 3)
