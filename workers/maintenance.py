"""Maintenance: jobs of dead workers run again or fail, registries forget what has expired.

It does what rq's `clean_registries` does, with two differences: few round trips when there is nothing to do, and a lock
of seconds instead of 15 minutes, since the worker that holds it may be killed too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from datetime import timedelta

from redis import Redis
from rq.queue import Queue
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.utils import now, utcformat

from core import logs
from core.replies import all_bytes, bytes_or_none
from jobs.keys import MAINTENANCE_LOCK, QUEUES, WORKERS, job_key, model_of, workers_key

log = logs.get(__name__)

LOCK_S = 10
ORPHANED_S = 10
"""A prediction that has waited for longer, of a model that no worker has, will not be made."""
_ENDED = (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry)


class Maintenance:
    """Of all queues of predictions; any worker does it, one at a time."""

    def __init__(
        self,
        connection: Redis,
        queues: Sequence[Queue],
        queue: Callable[[str], Queue],
        models: Callable[[], Container[str]],
        doorbells: Sequence[str],
        handlers: list[Callable],
    ):
        """
        Args:
            queues: those that this worker serves.
            queue: makes rq's object of a queue that it does not serve.
            models: the names of all models that there are, be they served by workers of another pool.
            doorbells: of the pools that this worker belongs to.
        """
        self.connection = connection
        self.queues = queues
        self.queue, self.models = queue, models
        self.doorbells = doorbells
        self.handlers = handlers

    def run(self, settled_s: float) -> None:
        """Does all of it, unless another worker is at it or Redis is back only since less than `settled_s`.

        After an outage all workers seem to be dead until they have sent a heartbeat again.
        """
        if self.connection.info("server")["uptime_in_seconds"] < settled_s:
            return
        if self.connection.set(MAINTENANCE_LOCK, 1, nx=True, ex=LOCK_S):
            try:
                queues = [*self.queues, *self._others()]
                self._rescue(queues)
                self._forget_workers(queues)
            finally:
                self.connection.delete(MAINTENANCE_LOCK)

    def orphans(self) -> list[Queue]:
        """Queues in which predictions wait for a model that there is not, for longer than workers may take to see a
        new one. Of a model that only another pool serves, they wait for that."""
        known = self.models()
        queues = [queue for queue in self._others() if str(model_of(queue.name)) not in known]
        with self.connection.pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.scard(workers_key(queue.name))
                pipeline.lindex(queue.key, 0)
            replies = pipeline.execute()
        heads = [
            (queue, head.decode())
            for queue, workers, head in zip(queues, replies[::2], replies[1::2], strict=True)
            if head and not workers
        ]
        before = utcformat(now() - timedelta(seconds=ORPHANED_S))
        since = [bytes_or_none(self.connection.hget(job_key(head), "enqueued_at")) for _, head in heads]
        return [queue for (queue, _), each in zip(heads, since, strict=True) if each and each.decode() < before]

    def _others(self) -> list[Queue]:
        """Queues of predictions that ever had a job, and that this worker does not serve."""
        own = {queue.name for queue in self.queues}
        prefix = Queue.redis_queue_namespace_prefix
        known = [key.decode().removeprefix(prefix) for key in all_bytes(self.connection.smembers(QUEUES))]
        return [self.queue(name) for name in sorted(known) if model_of(name) and name not in own]

    def _rescue(self, queues: Sequence[Queue]) -> None:
        """Reruns or fails the jobs whose heartbeat has stopped, and strikes off ended jobs that have expired."""
        moment = int(time.time())
        with self.connection.pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.zcount(StartedJobRegistry.key_template.format(queue.name), 0, moment)
                for kind in _ENDED:
                    pipeline.zremrangebyscore(kind.key_template.format(queue.name), 0, moment)
            counts = pipeline.execute()[:: 1 + len(_ENDED)]
        for queue, count in zip(queues, counts, strict=True):
            if count:
                log.warning("jobs_abandoned", queue=queue.name, jobs=count)
                StartedJobRegistry(queue=queue, job_class=queue.job_class).cleanup(exception_handlers=self.handlers)
                for doorbell in self.doorbells:
                    self.connection.lpush(doorbell, "")

    def _forget_workers(self, queues: Sequence[Queue]) -> None:
        """Strikes off workers whose hash has expired."""
        keys = list(self.connection.smembers(WORKERS))
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.exists(key)
            gone = [key for key, exists in zip(keys, pipeline.execute(), strict=True) if not exists]
            if gone:
                for name in (WORKERS, *(workers_key(queue.name) for queue in queues)):
                    pipeline.srem(name, *gone)
                pipeline.execute()
