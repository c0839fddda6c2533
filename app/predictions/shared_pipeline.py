"""Round trips to Redis, shared: what many requests ask at the same moment travels in one pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as TripTimeout

Command = tuple[Any, ...]

_TRIP_S = 10
"""Longest time that a trip may take."""


class SharedPipeline:
    """One pipeline at a time is on its way, on a connection of its own; what is asked meanwhile goes with the next."""

    def __init__(self, redis: Redis):
        self._callbacks = redis.response_callbacks
        self._connection = redis.connection_pool.make_connection()
        self._connection.socket_timeout = None  # redis-py would watch over each reply
        self._waiting: list[_Asked] = []
        self._under_way: asyncio.Task[None] | None = None

    async def ask(self, *commands: Command) -> list[Any]:
        """The replies to some commands. They run in their order, but others' may come between them.

        Raises:
            RedisError: the first that any of them met.
        """
        asked = _Asked(
            b"".join(map(pack_command, commands)),
            [command[0] for command in commands],
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(asked)
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._travel())
        return await asked.answered

    async def run(self, script: AsyncScript, keys: list[str], args: list[Any], *before: Command) -> Any:
        """The reply of a script, which runs after the commands `before`. Raises `RedisError`."""
        try:
            return (await self.ask(*before, ("EVALSHA", script.sha, len(keys), *keys, *args)))[-1]
        except NoScriptError:  # Redis forgets scripts when it starts again
            return (await self.ask(("EVAL", script.script, len(keys), *keys, *args)))[-1]

    async def close(self) -> None:
        """Lets go of the connection."""
        await self._connection.disconnect()

    async def _travel(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                try:
                    replies = await self._trip(together)
                except RedisError as error:
                    for asked in together:
                        asked.settle(error)
                    continue
                for asked, found in zip(together, replies, strict=True):
                    failed = next((reply for reply in found if isinstance(reply, Exception)), None)
                    asked.settle(failed or found)
        finally:
            self._under_way = None

    async def _trip(self, together: Sequence[_Asked]) -> list[list[Any]]:
        """The replies to each, errors among them."""
        try:
            async with asyncio.timeout(_TRIP_S):
                if self._connection.is_connected and await self._connection.can_read():
                    await self._connection.disconnect()  # what there is to read now is the end of the connection
                await self._connection.send_packed_command(b"".join(asked.packed for asked in together))
                return [[await self._reply(name) for name in asked.names] for asked in together]
        except TimeoutError:
            raise TripTimeout(f"Redis did not answer within {_TRIP_S} s") from None

    async def _reply(self, name: str) -> Any:
        try:
            reply = await self._connection.read_response()
        except ResponseError as error:
            return error
        return self._callbacks[name](reply) if name in self._callbacks else reply


@dataclass(frozen=True)
class _Asked:
    """Some commands, as Redis reads them, and who waits for their replies."""

    packed: bytes
    names: Sequence[str]
    answered: asyncio.Future[list[Any]]

    def settle(self, outcome: list[Any] | Exception) -> None:
        if self.answered.done():  # whoever asked has gone
            return
        if isinstance(outcome, Exception):
            self.answered.set_exception(outcome)
        else:
            self.answered.set_result(outcome)
