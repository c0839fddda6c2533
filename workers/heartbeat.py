"""A worker's heartbeat: keeps it and its jobs alive in rq's registries while its main thread computes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from redis.exceptions import RedisError
from rq import worker_registration
from rq.worker.base import BaseWorker

from core import logs
from jobs.keys import cancel_key
from jobs.worker_state import FIELD, WorkerState
from workers.batch import BatchJob, HeldJobs
from workers.outages import Outages

log = logs.get(__name__)

HEARTBEAT_S = 3
"""Between two heartbeats."""
HEARTBEAT_TTL_S = 15
"""Without a heartbeat for so long, a worker counts as dead and its jobs run elsewhere."""


class Heartbeat:
    """Beats in a thread of its own, and says each time what the worker has and has done lately.

    It also looks for cancels, since the message of one may have been lost.
    """

    def __init__(self, worker: BaseWorker, describe: Callable[[], WorkerState], held: HeldJobs, outages: Outages):
        self.worker, self.describe, self.held, self.outages = worker, describe, held, outages
        self._stopped = threading.Event()

    def start(self) -> None:
        """Beats until it is stopped."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Beats no more."""
        self._stopped.set()

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT_S):
            jobs = self.held.all()
            try:
                flags = self._send(jobs)
            except RedisError as error:
                log.warning("heartbeat_failed", error=str(error))
                continue
            for job, flag in zip(jobs, flags, strict=True):
                if flag is not None:
                    job.canceled.set()

    def _send(self, jobs: list[BatchJob]) -> list[bytes | None]:
        """Answers the jobs' cancel flags."""
        worker = self.worker
        with worker.connection.pipeline() as pipeline:
            pipeline.hexists(worker.key, "birth")
            worker.heartbeat(pipeline=pipeline)
            pipeline.hset(worker.key, FIELD, self.describe().model_dump_json())
            for job in jobs:
                job.execution.heartbeat(job.execution.registry, HEARTBEAT_TTL_S, pipeline=pipeline)
            for job in jobs:
                pipeline.get(cancel_key(job.id))
            known, *replies = pipeline.execute()
            self.outages.note_heartbeat()
            if not known:  # so long ago was the last heartbeat, or Redis has lost its data
                pipeline.hset(worker.key, mapping=worker.serialize() | {"state": worker.get_state()})
                worker_registration.register(worker, pipeline)
                pipeline.execute()
        return replies[len(replies) - len(jobs) :]
