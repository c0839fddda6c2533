"""Predictions and uploads in Redis: look up, cancel, forget, wait for an end. They come there by `admission`."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from redis.exceptions import RedisError
from rq.registry import ScheduledJobRegistry, StartedJobRegistry

from app.monitoring import queue_report
from app.monitoring.queue_report import Overview
from app.monitoring.webhook_metrics import Deliveries
from app.predictions.admission import Admission
from app.predictions.result_files import ResultFiles
from app.predictions.signing import Signing
from app.schemas.uploads import Upload
from core import logs, replication
from core.object_store import ObjectStore
from core.pools import Pools
from core.redis_connections import connect_async
from core.replies import all_bytes, as_bytes, bytes_fields, bytes_or_none, pairs
from jobs import commands, completions, keys, outbox, records, scripts
from jobs.completions import Completion
from jobs.prediction import ENDED, ProgressEvent, Snapshot, Status
from pictures.content_credentials import Signer

log = logs.get(__name__)

_OUTAGE_S = 0.5
"""Between two tries to reach Redis again."""
_DEADLINES_EVERY_S = 0.5
"""Between two looks for predictions whose time is over."""


@dataclass(frozen=True)
class HistoryPosition:
    """Where a prediction stands in a history: its id, and when it was made, in ms since 1970."""

    id: str
    ms: int


class Store:
    """Predictions in Redis, and one subscription per process that wakes whoever waits for one of them."""

    def __init__(
        self,
        url: str,
        ttl_s: int,
        pools: Pools,
        signer: Signer | None = None,
        refresh: Callable[[], None] = lambda: None,
        objects: ObjectStore | None = None,
        redirects: bool = False,
        replicas: int = 0,
        home: str = "",
    ):
        """
        Args:
            objects: where pictures may lie instead of in Redis; with `redirects` callers are sent there for them.
            replicas: as many have a prediction or an upload before it is acknowledged.
            home: what the addresses of predictions begin with in answers (`Settings.home`).
            refresh: called when the folders of models are to be looked at.
        """
        self.ttl_s, self.pools, self.refresh, self.replicas = ttl_s, pools, refresh, replicas
        self.home = home
        self.redis = connect_async(url)
        self.files = ResultFiles(self.redis, ttl_s, objects, redirects)
        self.signing = Signing(self.files, signer)
        self._cancel = self.redis.register_script(scripts.CANCEL)
        self._purge = self.redis.register_script(scripts.PURGE)
        self._position = self.redis.register_script(scripts.POSITION)
        self._id = uuid4().hex
        self.admission = Admission(self.redis, pools, ttl_s, self._id, replicas)
        self._waiting: dict[str, set[Waiter]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self._counted: tuple[float, asyncio.Future[int]] | None = None

    async def open(self) -> None:
        """Starts listening for ended predictions, and canceling those whose time is over."""
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_deadlines())]

    async def close(self) -> None:
        """Stops both and lets go of Redis."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.redis.aclose()

    async def overview(self, models: Sequence[str]) -> Overview:
        """All queues of these models, all workers, all ends."""
        return await queue_report.read(self.redis, models, self.pools)

    async def workers(self) -> int:
        """How many workers are alive; asked of Redis at most once a second while there are any, by one for all."""
        if self._counted is None or time.monotonic() - self._counted[0] >= 1:
            self._counted = time.monotonic(), asyncio.ensure_future(self._count_workers())
        counted = self._counted
        alive = 0
        try:
            alive = await asyncio.shield(counted[1])
        finally:
            if not alive and self._counted is counted:
                self._counted = None
        return alive

    async def _count_workers(self) -> int:
        workers = await self.redis.sdiff([keys.WORKERS, outbox.DELIVERERS])
        async with self.redis.pipeline(transaction=False) as pipeline:
            for key in workers:
                pipeline.hmget(key, ["last_heartbeat", "death"])
            return sum(queue_report.is_alive(*fields) for fields in await pipeline.execute())

    async def snapshot(self, prediction: str) -> Snapshot | None:
        """A prediction as it stands, or None if there is none of that id (any more)."""
        return (await self.snapshots([prediction]))[0]

    async def snapshots(self, predictions: list[str]) -> list[Snapshot | None]:
        """Several predictions, each as `snapshot` tells it."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            for prediction in predictions:
                # In this order, so that a job that is seen to have ended has its result.
                pipeline.hgetall(keys.job_key(prediction))
                pipeline.xrevrange(keys.results_key(prediction), count=1)
                pipeline.get(keys.cancel_key(prediction))
            replies = await pipeline.execute()
        return [_read(name, *replies[3 * place : 3 * place + 3]) for place, name in enumerate(predictions)]

    async def standings(self, predictions: list[str]) -> list[tuple[str, Status] | None]:
        """Model and status of several predictions: what a filter asks for, at a tenth of the cost of `snapshots`."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            for prediction in predictions:
                pipeline.hmget(keys.job_key(prediction), ["origin", "status"])
                pipeline.exists(keys.cancel_key(prediction))
            replies = await pipeline.execute()
        fields = zip(replies[::2], replies[1::2], strict=True)
        return [_standing(origin, status, canceling) for (origin, status), canceling in fields]

    async def history(self, owner: str, after: HistoryPosition | None, count: int) -> list[HistoryPosition]:
        """Up to `count` places in an owner's history (everybody's if empty), newest first, from the one after `after`.

        A place whose prediction is gone still tells where to go on.
        """
        key, start = keys.history_key(owner), 0
        if after is not None:
            async with self.redis.pipeline(transaction=True) as pipeline:
                pipeline.zcount(key, f"({after.ms}", "+inf")
                pipeline.zrangebyscore(key, after.ms, after.ms)
                newer, twins = await pipeline.execute()
            start = newer + sum(name.decode() >= after.id for name in twins)
        found = await self.redis.zrevrange(key, start, start + count - 1, withscores=True)
        return [HistoryPosition(name.decode(), int(score)) for name, score in pairs(found)]

    async def strike(self, owner: str, gone: list[str]) -> None:
        """Takes predictions that are kept no more out of a history."""
        await self.redis.zrem(keys.history_key(owner), *gone)

    async def cancel(self, found: Snapshot) -> str | None:
        """Cancels a waiting prediction at once, or tells the worker that holds it; says which (`scripts.CANCEL`)."""
        call = commands.cancel(found, self.ttl_s)
        outcome = await self._cancel(call.keys, call.args)
        if outcome is None:
            return None
        await self.redis.publish(keys.FINISHED if outcome == b"canceled" else keys.CANCEL, found.id)
        return outcome.decode()

    async def cancel_all_of(self, owner: str) -> int:
        """Cancels what has not ended of an owner's predictions; how many those were."""
        names = all_bytes(await self.redis.zrange(keys.history_key(owner), 0, -1))
        unfinished = [
            found
            for name in names
            if (found := await self.snapshot(name.decode())) is not None and found.status not in ENDED
        ]
        for found in unfinished:
            await self.cancel(found)
        return len(unfinished)

    async def tell_workers(self, verb: str, model: str) -> int:
        """Tells all workers to `load` or `unload` a model; how many received it."""
        return await self.redis.publish(keys.MODELS, f"{verb} {model}")

    async def tell_registries(self) -> int:
        """Tells all workers and APIs to look at the folders of models; how many received it."""
        return await self.redis.publish(keys.REGISTRY, "")

    async def cancel_later(self, prediction: str, after_s: float) -> None:
        """Has the prediction canceled unless it ends in time. Any API process does it, this one or another."""
        await self.redis.zadd(keys.DEADLINES, {prediction: time.time() + after_s})

    async def purge(self, found: Snapshot) -> bool:
        """Forgets an ended prediction and its bytes; False if it has not ended.

        Raises:
            StoreError: its files cannot be deleted now, so that it is not forgotten either.
        """
        await self.files.delete(found)
        call = commands.purge(found)
        return await self._purge(call.keys, call.args) != 0

    async def position(self, found: Snapshot) -> int | None:
        """How many predictions of its queue are likely to go before this one; None once it waits no more."""
        call = commands.position(found, self.pools.of(found.order.model))
        return await self._position(call.keys, call.args)

    async def pace(self, model: str) -> float | None:
        """Seconds that a prediction of this model takes lately; None if none was made yet."""
        value = await self.redis.hget(keys.PACE, model)
        return None if value is None else float(value)

    async def events(self, prediction: str, after: str) -> list[ProgressEvent]:
        """The progress reported since the event `after` (a stream id); none if it is the last that there can be."""
        found = await self.redis.xrange(keys.events_key(prediction), after or "-")
        news = [ProgressEvent.of(as_bytes(name), bytes_fields(fields)) for name, fields in found or ()]
        return [event for event in news if event.id != after]

    async def attempts(self, prediction: str) -> list[bytes]:
        """What came of each try at delivering the prediction's webhook, oldest first."""
        return all_bytes(await self.redis.lrange(keys.attempts_key(prediction), 0, -1))

    async def deliveries(self) -> Deliveries:
        """What became of webhooks, and how many are still to be delivered."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(keys.WEBHOOK_OUTCOMES)
            pipeline.llen(outbox.QUEUE_KEY)
            for registry in (ScheduledJobRegistry, StartedJobRegistry):
                pipeline.zcard(registry.key_template.format(outbox.QUEUE))
            found, *pending = await pipeline.execute()
        outcomes = {outbox.Outcome(name.decode()): int(count) for name, count in found.items()}
        return Deliveries(outcomes, sum(pending))

    async def put_upload(self, owner: str, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """Keeps an owner's uploaded file, chunk by chunk. It exists once its record does, which is written last."""
        key = keys.upload_file_key(owner, upload.id)
        await self.redis.set(key, b"", ex=self.ttl_s)
        async for chunk in chunks:
            await self.redis.append(key, chunk)
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.set(keys.upload_key(owner, upload.id), upload.model_dump_json(), ex=self.ttl_s)
            await replication.execute(pipeline, self.replicas)

    async def upload(self, owner: str, upload: str) -> Upload | None:
        """The record of an owner's uploaded file, or None if there is none of that id (any more)."""
        record = await self.redis.get(keys.upload_key(owner, upload))
        return None if record is None else Upload.model_validate_json(record)

    async def uploaded(self, owner: str, upload: str) -> bytes | None:
        """The bytes of an owner's uploaded file as they came, or None if there is none of that id (any more)."""
        record, data = await self.redis.mget([keys.upload_key(owner, upload), keys.upload_file_key(owner, upload)])
        return None if record is None else bytes_or_none(data)

    async def delete_upload(self, owner: str, upload: str) -> None:
        """Forgets an uploaded file. Predictions that took it keep their own copy."""
        await self.redis.delete(keys.upload_key(owner, upload), keys.upload_file_key(owner, upload))

    def waiter(self, prediction: str) -> Waiter:
        """To be made before the prediction is enqueued, so that no end is missed."""
        return Waiter(self, prediction)

    async def _read(self) -> None:
        """Wakes the waiters of each prediction that ends; after an outage of Redis, wakes all to look again."""
        while True:
            try:
                async with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    own = keys.completions_channel(self._id)
                    await pubsub.subscribe(keys.FINISHED, keys.PROGRESS, keys.REGISTRY, own)
                    self._wake(*self._waiting)
                    while True:
                        # The timeout is short of the socket's own, so that a quiet hour is no error.
                        message = await pubsub.get_message(timeout=5)
                        if message is None:
                            continue
                        if message["channel"] == own.encode():
                            self._complete(message["data"])
                        elif message["channel"] == keys.REGISTRY.encode():
                            self.refresh()
                        else:
                            self._wake(*message["data"].decode().split())
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
                await asyncio.sleep(_OUTAGE_S)

    async def _keep_deadlines(self) -> None:
        """Cancels the predictions whose time is over."""
        while True:
            try:
                overdue = await self.redis.zrangebyscore(keys.DEADLINES, "-inf", time.time(), start=0, num=100)
                for name in all_bytes(overdue):
                    if found := await self.snapshot(name.decode()):
                        await self.cancel(found)
                    await self.redis.zrem(keys.DEADLINES, name)
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
            await asyncio.sleep(_DEADLINES_EVERY_S)

    def _wake(self, *predictions: str) -> None:
        for prediction in predictions:
            for waiter in self._waiting.get(prediction, ()):
                waiter.wake()

    def _complete(self, message: bytes) -> None:
        try:
            completed = list(completions.unpack(message))
        except ValueError:  # of a worker of another version; who waits looks by itself
            log.warning("completions_unreadable")
            return
        for completion in completed:
            for waiter in self._waiting.get(completion.id, ()):
                waiter.completion = completion
                waiter.wake()


class Waiter:
    """Waits for one prediction to end, inside `with`."""

    def __init__(self, store: Store, prediction: str):
        self.store = store
        self.prediction = prediction
        self.completion: Completion | None = None
        self.stopped = False
        """Nobody wants to know any more."""
        self._woken = asyncio.get_running_loop().create_future()

    def __enter__(self) -> Waiter:
        self.store._waiting[self.prediction].add(self)
        return self

    def __exit__(self, *exc: object) -> None:
        waiters = self.store._waiting[self.prediction]
        waiters.discard(self)
        if not waiters:
            del self.store._waiting[self.prediction]

    def wake(self) -> None:
        """Something was said of the prediction."""
        if not self._woken.done():
            self._woken.set_result(None)

    def stop(self) -> None:
        """Ends the wait."""
        self.stopped = True
        self.wake()

    async def changed(self, timeout_s: float) -> None:
        """Returns when something was said of the prediction, or after `timeout_s`."""
        loop = asyncio.get_running_loop()
        tired = loop.call_later(timeout_s, self.wake)
        try:
            await self._woken
        finally:
            tired.cancel()
        self._woken = loop.create_future()

    async def ended(self, found: Snapshot, timeout_s: float) -> Snapshot:
        """The prediction `found` once it has ended, or as it stands after `timeout_s` or when the wait was stopped.

        Raises:
            RedisError: Redis could not be reached by then.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # An hour-long wait would still look every few seconds: a message can be lost, a prediction cannot.
            left = min(deadline - time.monotonic(), 5)
            if left > 0:
                await self.changed(left)
            if self.completion is not None:
                return _completed(found, self.completion)
            if self.stopped:
                return found
            try:
                found = await self.store.snapshot(self.prediction) or found
            except RedisError:
                if left <= 0:
                    raise
                await asyncio.sleep(_OUTAGE_S)
                continue
            if found.status in ENDED or left <= 0:
                return found


def _completed(found: Snapshot, completion: Completion) -> Snapshot:
    """A prediction, and how it ended."""
    return replace(
        found,
        status=Status.SUCCEEDED,
        answer=completion.answer,
        blobs=completion.blobs,
        started_at=completion.started_at,
        ended_at=completion.ended_at,
    )


def _standing(origin: bytes | None, status: bytes | None, canceling: int) -> tuple[str, Status] | None:
    model = keys.model_of(origin.decode()) if origin else None
    return (model, records.status_of(status, bool(canceling))) if model and status else None


def _read(prediction: str, fields: dict, results: list, cancel: bytes | None) -> Snapshot | None:
    if not fields:
        return None
    try:
        return records.snapshot(prediction, fields, results, cancel)
    except ValueError:
        return None  # somebody else's rq job
