"""Taking jobs off the queues, many at once, none lost: they rest in rq's intermediate list until they are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis import Redis
from rq.intermediate_queue import IntermediateQueue
from rq.utils import utcformat

from workers import scripts

Taken = tuple[int, list[tuple[str, dict[bytes, bytes]]]]


@dataclass(frozen=True)
class Place:
    """A queue to take from: its Redis key, its rank among the others, and how many images may be taken."""

    key: str
    rank: int
    room: int


class Taker:
    """The two scripts, bound to a connection."""

    def __init__(self, connection: Redis):
        self.connection = connection
        self._take = connection.register_script(scripts.TAKE)
        self._put_back = connection.register_script(scripts.PUT_BACK)
        self._lingering: set[str] = set()

    def take(self, queues: Sequence[Place], overdue: datetime) -> Taken | None:
        """Jobs of the first queue that has any: its index, and id and hash of each job.

        A queue whose first job waits since before `overdue` goes before others of its rank, the oldest first.
        """
        args: list[object] = [utcformat(overdue)]
        for queue in queues:
            args += [queue.rank, queue.room]
        reply = self._take(keys=[queue.key for queue in queues], args=args)
        if not reply:
            return None
        jobs = []
        for at in range(1, len(reply), 2):
            flat = reply[at + 1]
            jobs.append((reply[at].decode(), dict(zip(flat[::2], flat[1::2], strict=True))))
        return reply[0] - 1, jobs

    def sweep(self, queue_keys: Sequence[str]) -> int:
        """Puts back jobs that some worker took and never began, since it died in between.

        A living worker begins at once what it takes, so a job that two calls in turn find waiting has lost its worker.
        The calls should be seconds apart.
        """
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in queue_keys:
                pipeline.lrange(IntermediateQueue.get_intermediate_queue_key(key), 0, -1)
            waiting = [{job.decode() for job in jobs} for jobs in pipeline.execute()]
        count = 0
        for key, jobs in zip(queue_keys, waiting, strict=True):
            if lost := jobs & self._lingering:
                count += self._put_back(keys=[key], args=list(lost))
        self._lingering = set().union(*waiting)
        return count

    def discard(self, queue_key: str, job_id: str) -> None:
        """Forgets a job whose hash has expired."""
        IntermediateQueue(queue_key, self.connection).remove(job_id)
