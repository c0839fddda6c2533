"""Which jobs a worker takes next, and how it begins them: many of one queue by one script (`jobs/lua/begin.lua`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from redis import Redis
from rq.queue import Queue
from rq.utils import now, utcformat

from jobs import scripts
from jobs.keys import QUEUES
from jobs.prediction import Priority
from workers.batch import Batch, BatchExecution, BatchJob
from workers.engine import Engine

OVERDUE_S = 2
"""A job that has waited for longer goes before those whose models are in memory already."""
FAIR_EVERY = 8
"""Of so many batches, one goes to what has waited longest, whatever its priority."""


@dataclass(frozen=True, eq=False)
class ServedQueue:
    """A queue that a worker serves: of which model, and of which priority."""

    queue: Queue
    model: str
    rank: int
    """0 is the highest priority."""
    max_batch: int = 1
    """Images that the model takes at once."""


@dataclass(frozen=True)
class QueueCandidate:
    """A queue to take from: its rank among the others, and how many images may be taken."""

    served: ServedQueue
    rank: int
    room: int


class QueuesChanged(Exception):
    """There are other queues by now than the candidates were chosen from."""


class BatchStarter:
    """Begins batches in a worker's name."""

    def __init__(self, connection: Redis, worker: str, heartbeat_ttl_s: int):
        self.connection, self.worker, self.heartbeat_ttl_s = connection, worker, heartbeat_ttl_s
        self._script = connection.register_script(scripts.BEGIN)

    def begin(self, candidates: Sequence[QueueCandidate], known_queues: int) -> Batch | None:
        """A batch of the first candidate that has jobs, whose executions have to be kept alive from now on.

        A queue whose first job is overdue goes before others of its rank, the oldest first.

        Args:
            candidates: queues, best first; those of one rank stand together.
            known_queues: how many there were when the candidates were chosen.

        Returns:
            None if no candidate has a job.

        Raises:
            QueuesChanged: candidates are to be chosen anew.
        """
        execution, moment = token_hex(16), now()
        overdue = utcformat(moment - timedelta(seconds=OVERDUE_S))
        args = [self.worker, execution, utcformat(moment), moment.timestamp(), self.heartbeat_ttl_s, overdue]
        rooms = [part for candidate in candidates for part in (candidate.rank, candidate.room)]
        keys = [QUEUES, *(candidate.served.queue.key for candidate in candidates)]
        reply = self._script(keys, [*args, known_queues, *rooms])
        if reply == b"stale":
            raise QueuesChanged
        if not reply:
            return None
        served = candidates[reply[0] - 1].served
        registry, jobs = served.queue.started_job_registry, []
        for name, flat, canceled in zip(reply[1::3], reply[2::3], reply[3::3], strict=True):
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            job = BatchJob(name.decode(), fields, BatchExecution(execution, name.decode(), registry, self.worker))
            if canceled:
                job.canceled.set()
            jobs.append(job)
        return Batch(served.queue, served.model, jobs)


class Dequeuer:
    """Takes from the queues of an engine's models.

    Higher priorities go first; within one, models in memory; and what is overdue, before them. So that no priority
    starves, now and then all count alike.
    """

    def __init__(self, engine: Engine, queues: Sequence[ServedQueue], starter: BatchStarter):
        self.engine, self.starter = engine, starter
        self.queues = list(queues)
        self.loading = ""
        """The model that is being loaded, if one is: its queues wait, and those of others that are not in memory."""
        self._used: frozenset[str] = frozenset()
        """The queues that ever had a job: few, where many models are served and few are asked for."""
        self._taken = 0

    def begin(self) -> Batch | None:
        """A batch of the first queue that has jobs; None if none has."""
        try:
            batch = self.starter.begin(self._candidates(), len(self._used))
        except QueuesChanged:
            self._used = frozenset(queue.name for queue in Queue.all(self.starter.connection))
            return self.begin()
        if batch is None:
            return None
        # The next model that is preferred as much goes first next time. Found by identity: rq's queues are equal
        # by name, which takes long to compare with all of them.
        self._taken += 1
        place = next(place for place, served in enumerate(self.queues, 1) if served.queue is batch.queue)
        self.queues = self.queues[place:] + self.queues[:place]
        return batch

    def serve(self, queues: Sequence[ServedQueue]) -> None:
        """Takes from these queues from now on."""
        self.queues = list(queues)
        self.forget_queues()

    def forget_queues(self) -> None:
        """Asks anew which queues there are: of queues that came and went, their count may not tell."""
        self._used = frozenset()

    def _candidates(self) -> list[QueueCandidate]:
        """Those of the queues that are in use, best first."""
        alike = self._taken % FAIR_EVERY == FAIR_EVERY - 1
        queues = [(served, self._is_warm(served)) for served in self.queues if served.queue.name in self._used]
        queues.sort(key=lambda each: (each[0].rank, not each[1]))
        return [
            QueueCandidate(served, 0 if alike else served.rank, self._room(served))
            for served, warm in queues
            if not self.loading or (warm and served.model != self.loading)
        ]

    def _is_warm(self, served: ServedQueue) -> bool:
        """Whether what its model's name stands for is in memory; jobs of a model that there is not fail at once."""
        entry = self.engine.registry.current.get(served.model)
        return entry is None or entry.card.reference in self.engine.memory.loaded

    def _room(self, served: ServedQueue) -> int:
        return min(served.max_batch, self.engine.largest.get(served.model, served.max_batch))


def rank(priority: Priority) -> int:
    """0 is the highest priority."""
    return list(Priority).index(priority)
