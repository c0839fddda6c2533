"""Which jobs a worker takes next, and how it begins them: many of one queue by one script (`jobs/lua/begin.lua`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from secrets import token_hex
from typing import Any

from redis import Redis
from rq.queue import Queue
from rq.utils import now, utcformat

from core.pools import DEFAULT
from jobs import scripts
from jobs.keys import QUEUES, shares_key
from jobs.prediction import Priority
from workers.batch import Batch, BatchExecution, BatchJob
from workers.engine import Engine

OVERDUE_S = 2
"""A job that has waited for longer goes before those whose models are in memory already."""
FAIR_EVERY = 8
"""Of so many batches, one goes to the priority of what has waited longest."""


@dataclass(frozen=True, eq=False)
class ServedQueue:
    """A queue that a worker serves: of which model, and of which priority."""

    queue: Queue
    model: str
    priority: Priority
    max_batch: int = 1
    """Images that the model takes at once."""
    pool: str = DEFAULT
    """Of the workers that serve the model: in each, every owner has its share."""
    orphaned: bool = False
    """Whether there is no such model, so that what waits has to fail; which goes last."""

    @cached_property
    def rank(self) -> int:
        """0 is the highest priority."""
        return len(Priority) if self.orphaned else list(Priority).index(self.priority)

    @cached_property
    def shares(self) -> str:
        """The key of what owners have had."""
        return shares_key(self.pool, self.priority)


@dataclass(frozen=True)
class QueueCandidate:
    """A queue to take from: how many images may be taken, and whether its model is in memory."""

    served: ServedQueue
    room: int
    warm: bool = True


class QueuesChanged(Exception):
    """There are other queues by now than the candidates were chosen from."""


class BatchStarter:
    """Begins batches in a worker's name."""

    def __init__(self, connection: Redis, worker: str, heartbeat_ttl_s: int):
        self.connection, self.worker, self.heartbeat_ttl_s = connection, worker, heartbeat_ttl_s
        self._script = connection.register_script(scripts.BEGIN)

    def begin(
        self, candidates: Sequence[QueueCandidate], known_queues: int, oldest_first: bool = False
    ) -> Batch | None:
        """A batch of one of the candidates, whose executions have to be kept alive from now on (`lua/begin.lua`).

        Args:
            candidates: queues, best first; those of one rank stand together.
            known_queues: how many there were when the candidates were chosen.
            oldest_first: whether the priority goes first of what has waited longest.

        Returns:
            None if no candidate has a job.

        Raises:
            QueuesChanged: candidates are to be chosen anew.
        """
        execution, moment = token_hex(16), now()
        overdue = utcformat(moment - timedelta(seconds=OVERDUE_S))
        args: list[Any] = [self.worker, execution, utcformat(moment), moment.timestamp(), self.heartbeat_ttl_s, overdue]
        args += [known_queues, int(oldest_first)]
        for each in candidates:
            args += [each.served.rank, each.room, int(each.warm), each.served.shares]
        reply = self._script([QUEUES, *(each.served.queue.key for each in candidates)], args)
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

    Higher priorities go first; within one, whose owner has had least; and of one owner's, models in memory, and what is
    overdue before them. So that no priority starves, now and then that of the oldest goes first.
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
            alike = self._taken % FAIR_EVERY == FAIR_EVERY - 1
            batch = self.starter.begin(self._candidates(), len(self._used), oldest_first=alike)
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
        queues = [(served, self._is_warm(served)) for served in self.queues if served.queue.name in self._used]
        queues.sort(key=lambda each: (each[0].rank, not each[1]))
        return [
            QueueCandidate(served, self._room(served), warm)
            for served, warm in queues
            if not self.loading or (warm and served.model != self.loading)
        ]

    def _is_warm(self, served: ServedQueue) -> bool:
        """Whether what its model's name stands for is in memory; jobs of a model that there is not fail at once."""
        entry = self.engine.registry.current.get(served.model)
        return entry is None or entry.card.reference in self.engine.memory.loaded

    def _room(self, served: ServedQueue) -> int:
        return min(served.max_batch, self.engine.largest.get(served.model, served.max_batch))
