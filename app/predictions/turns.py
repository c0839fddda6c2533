"""Places that keys share fairly: waiting keys take turns, however much one of them waits for."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Turns:
    """A number of places, of which one key has so many at most. For one event loop."""

    def __init__(self, places: int, per_key: int):
        self._free, self._per_key = places, per_key
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By key; the first key is the next. Each has as many places as it may, or none is free."""

    @asynccontextmanager
    async def of(self, key: str, wait_s: float | None = None) -> AsyncIterator[None]:
        """Waits for a place, and holds it meanwhile.

        Raises:
            TimeoutError: there was none within `wait_s`.
        """
        async with asyncio.timeout(wait_s):
            await self._enter(key)
        try:
            yield
        finally:
            self._leave(key)

    async def _enter(self, key: str) -> None:
        if self._free and self._held[key] < self._per_key:
            self._take(key)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came in the same moment
                self._leave(key)
            elif waiting := self._waiting.get(key):
                with suppress(ValueError):
                    waiting.remove(turn)
            raise

    def _take(self, key: str) -> None:
        self._free -= 1
        self._held[key] += 1

    def _leave(self, key: str) -> None:
        self._free += 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
        for other in list(self._waiting):
            if self._held[other] < self._per_key and self._admit(other):
                return

    def _admit(self, key: str) -> bool:
        """Gives the place to the first that waits of this key, which goes last from then on; False if none does."""
        waiting = self._waiting.pop(key)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                if waiting:
                    self._waiting[key] = waiting
                self._take(key)
                turn.set_result(None)
                return True
        return False
