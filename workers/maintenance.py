"""Maintenance: jobs of dead workers run again or fail, registries forget what has expired.

It does what rq's `clean_registries` does, with two differences: few round trips when there is nothing to do, and a lock
of seconds instead of 15 minutes, since the worker that holds it may be killed too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from redis import Redis
from rq.queue import Queue
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry

from core import logs
from jobs.keys import MAINTENANCE_LOCK, WORKERS, workers_key

log = logs.get(__name__)

LOCK_S = 10
_ENDED = (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry)


class Maintenance:
    """Of some queues; any worker of them does it, one at a time."""

    def __init__(self, connection: Redis, queues: Sequence[Queue], doorbells: Sequence[str], handlers: list[Callable]):
        self.connection = connection
        self.queues = queues
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
                self._rescue()
                self._forget_workers()
            finally:
                self.connection.delete(MAINTENANCE_LOCK)

    def _rescue(self) -> None:
        """Reruns or fails the jobs whose heartbeat has stopped, and strikes off ended jobs that have expired."""
        now = int(time.time())
        with self.connection.pipeline(transaction=False) as pipeline:
            for queue in self.queues:
                pipeline.zcount(StartedJobRegistry.key_template.format(queue.name), 0, now)
                for kind in _ENDED:
                    pipeline.zremrangebyscore(kind.key_template.format(queue.name), 0, now)
            counts = pipeline.execute()[:: 1 + len(_ENDED)]
        for queue, count in zip(self.queues, counts, strict=True):
            if count:
                log.warning("jobs_abandoned", queue=queue.name, jobs=count)
                StartedJobRegistry(queue=queue, job_class=queue.job_class).cleanup(exception_handlers=self.handlers)
                for doorbell in self.doorbells:
                    self.connection.lpush(doorbell, "")

    def _forget_workers(self) -> None:
        """Strikes off workers whose hash has expired."""
        keys = list(self.connection.smembers(WORKERS))
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.exists(key)
            gone = [key for key, exists in zip(keys, pipeline.execute(), strict=True) if not exists]
            if gone:
                for name in (WORKERS, *(workers_key(queue.name) for queue in self.queues)):
                    pipeline.srem(name, *gone)
                pipeline.execute()
