"""The sweep of the store: a thread deletes what has expired there, as Redis does by itself with what it holds.

A rule of the bucket's own (its lifecycle) may do so besides, for what no sweep comes to.
"""

from __future__ import annotations

import threading

from redis import Redis
from redis.exceptions import RedisError

from core import logs
from core.object_store import ObjectStore, StoreError
from jobs import objects
from jobs.keys import SWEEP_LOCK

log = logs.get(__name__)

EVERY_S = 60
_LOCK_S = 300
"""A worker that dies while it sweeps holds up the next sweep for so long."""


class Sweeper:
    """Of the workers one sweeps at a time."""

    def __init__(self, connection: Redis, store: ObjectStore):
        self.connection, self.store = connection, store
        self._stopped = threading.Event()

    def start(self) -> None:
        """Sweeps from now on, every minute."""
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """Begins no other sweep."""
        self._stopped.set()

    def sweep(self) -> int:
        """Deletes what has expired, unless another worker is at it; how many objects those were."""
        if not self.connection.set(SWEEP_LOCK, 1, nx=True, ex=_LOCK_S):
            return 0
        try:
            return self.store.sweep(objects.has_expired)
        finally:
            self.connection.delete(SWEEP_LOCK)

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            try:
                if swept := self.sweep():
                    log.info("store_swept", objects=swept)
            except StoreError as error:
                log.warning("store_unreachable", error=str(error))
            except RedisError as error:
                log.warning("redis_unreachable", error=str(error))
