"""Outages of Redis, as a worker lives through them: it tries again, and knows that it may have been taken for dead."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import RedisError

from core import logs
from core.redis_errors import is_passing

log = logs.get(__name__)

RETRY_S = 1
"""Between two tries to reach Redis."""
COMMIT_S = 30
"""How long a worker that was told to stop keeps its answers while Redis cannot be reached."""

T = TypeVar("T")


class AnswersLost(Exception):
    """The worker was told to stop while Redis was away, and Redis did not come back in time to take the answers."""


class Outages:
    """What a worker knows of its connection. Safe for threads."""

    def __init__(self, heartbeat_ttl_s: float, stop_requested: Callable[[], bool]):
        self.late_s = heartbeat_ttl_s / 2
        self.stop_requested = stop_requested
        self._last = self._heartbeat = time.monotonic()

    @property
    def seconds_since(self) -> float:
        """How long the last outage, or the worker's start, is ago."""
        return time.monotonic() - self._last

    def since(self, moment: float) -> bool:
        """Whether since then, in `time.monotonic`, Redis could not be reached or heartbeats came late: others may count
        this worker as dead, and have begun its jobs again."""
        return self._last > moment or time.monotonic() - self._heartbeat > self.late_s

    def note_heartbeat(self) -> None:
        """A heartbeat has reached Redis."""
        if time.monotonic() - self._heartbeat > self.late_s:
            self._last = time.monotonic()
        self._heartbeat = time.monotonic()

    def wait(self, error: RedisError) -> None:
        """Notes that Redis cannot do what was asked, and waits a moment before it is asked again.

        Raises:
            RedisError: the error itself, if it is none that passes.
        """
        if not is_passing(error):
            raise error
        self._last = time.monotonic()
        log.warning("redis_unreachable", error=str(error))
        time.sleep(RETRY_S)

    def retry(self, ask: Callable[[], T]) -> T:
        """What `ask` answers, asked again and again while Redis is away or full.

        Raises:
            AnswersLost: the worker was told to stop, and Redis was away for `COMMIT_S`. Its jobs will run elsewhere.
        """
        began = time.monotonic()
        while True:
            try:
                return ask()
            except RedisError as error:
                if is_passing(error) and self.stop_requested() and time.monotonic() - began > COMMIT_S:
                    raise AnswersLost from error
                self.wait(error)
