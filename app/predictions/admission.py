"""Admission: a prediction is claimed before its pictures are read, and kept with them once it is known to be taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

from redis.asyncio import Redis

from core import replication, tracing
from core.pools import Pools
from core.replies import as_bytes
from jobs import commands, keys, scripts
from jobs.admission import Claim
from jobs.commands import ScriptCall
from jobs.prediction import Order, Snapshot, Status, Webhook


class NotAdmitted(Exception):
    """A claim that is not granted: one of the answers of `jobs/lua/claim.lua`, its word and what it says of it."""

    def __init__(self, claim: Claim, reason: str, told: tuple[bytes, ...]):
        super().__init__(reason)
        self.claim, self.reason, self.told = claim, reason, told


@dataclass(frozen=True)
class NewJob:
    """A prediction to enqueue. With `waited` this process waits for the end."""

    claim: Claim
    order: Order
    timeout_s: int
    expected_bytes: int = 0
    """Of the results; as many are taken for kept until they are there."""
    webhook: Webhook | None = None
    waited: bool = False


@dataclass(frozen=True)
class ExistingPrediction:
    """The prediction that an id or an idempotency key stands for already, and its request's digest."""

    id: str
    digest: str


class Admission:
    """Claims, and what comes of them. What is judged and counted, and where, is told in `jobs/lua/admission.lua`."""

    def __init__(self, redis: Redis, pools: Pools, ttl_s: int, api: str, replicas: int = 0):
        """
        Args:
            api: names this process to whoever ends a prediction that it waits for.
            replicas: as many have a prediction before it is acknowledged.
        """
        self.redis, self.replicas = redis, replicas
        self.pools, self.ttl_s, self.api = pools, ttl_s, api
        self._claim = redis.register_script(scripts.CLAIM)
        self._release = redis.register_script(scripts.RELEASE)
        self._enqueue = redis.register_script(scripts.ENQUEUE)

    async def claim(self, claim: Claim) -> Claim | ExistingPrediction:
        """The claim as it is counted, for `enqueue` or `release`; or what its id or its request stands for already.

        Raises:
            NotAdmitted: it is not granted.
        """
        told = _answer(claim, await self._claim(claim.keys, claim.args))
        return told if isinstance(told, ExistingPrediction) else claim.granted(told)

    async def release(self, claim: Claim, made_perhaps: bool) -> None:
        """Takes a granted claim back; with `made_perhaps` only if there is no prediction of its id."""
        await self._release(*claim.release(made_perhaps))

    async def enqueue(self, job: NewJob, pictures: dict[str, bytes]) -> Snapshot | ExistingPrediction:
        """Puts a prediction and its pictures into Redis, unless its id or its request was used before.

        Its claim is judged with that, if it was not granted yet.

        Raises:
            NotAdmitted: it is not granted. Nothing is kept.
            NotReplicated: it is in the queue, and a fail-over would lose it. Asked for again by its name it is found.
        """
        tracer = tracing.tracer()
        if tracer is None:
            return await self._put(job, pictures, {})
        about = {"easel.prediction": job.claim.prediction, "easel.model": job.order.model}
        with tracing.handing_on(tracer, "enqueue", **about) as trace:
            return await self._put(job, pictures, trace)

    async def _put(
        self, job: NewJob, pictures: dict[str, bytes], trace: dict[str, str]
    ) -> Snapshot | ExistingPrediction:
        """`enqueue`, for a job that carries the name of its trace."""
        order, needed = job.order, job.expected_bytes + sum(map(len, pictures.values()))
        claim = replace(job.claim, images=order.count, needed=needed)
        call, created_at = commands.enqueue(
            claim,
            order,
            job.timeout_s,
            self.ttl_s,
            pool=self.pools.of(order.model),
            webhook=job.webhook,
            waiter=self.api if job.waited else "",
            trace=trace,
            pictures=pictures,
            expected_bytes=job.expected_bytes,
        )
        told = _answer(claim, await self._run(call))
        if isinstance(told, ExistingPrediction):
            return told
        name = keys.queue_name(order.model, claim.priority)
        return Snapshot(claim.prediction, name, order, Status.QUEUED, None, None, created_at, None, None, job.webhook)

    async def _run(self, call: ScriptCall) -> list:
        """What `scripts.ENQUEUE` answers."""
        if not self.replicas:
            return await self._enqueue(call.keys, call.args)
        async with self.redis.pipeline(transaction=False) as pipeline:
            # By its text: after a fail-over the new primary may not know the script.
            pipeline.eval(scripts.ENQUEUE, len(call.keys), *call.keys, *call.args)
            return (await replication.execute(pipeline, self.replicas))[0]


def _answer(claim: Claim, reply: list) -> ExistingPrediction | str:
    """What a script said of a claim that it granted, or of a request that was made before. Raises `NotAdmitted`."""
    word, *told = reply
    if word in (b"granted", b"created"):
        return as_bytes(told[0]).decode() if told else ""
    if word == b"exists":
        return ExistingPrediction(told[0].decode(), told[1].decode())
    raise NotAdmitted(claim, word.decode(), tuple(told))
