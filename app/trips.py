"""Round trips to Redis, shared: what many requests ask at the same moment travels in one pipeline."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, RedisError

Command = tuple[Any, ...]


class Trips:
    """One pipeline at a time is on its way; what is asked meanwhile goes with the next."""

    def __init__(self, redis: Redis):
        self.redis = redis
        self._waiting: list[tuple[tuple[Command, ...], asyncio.Future[list[Any]]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def ask(self, *commands: Command) -> list[Any]:
        """The replies to some commands. They run in their order, but others' may come between them.

        Raises:
            RedisError: the first that any of them met.
        """
        answered = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, answered))
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._travel())
        return await answered

    async def run(self, script: AsyncScript, keys: list[str], args: list[Any], *before: Command) -> Any:
        """The reply of a script, which runs after the commands `before`. Raises `RedisError`."""
        try:
            return (await self.ask(*before, ("EVALSHA", script.sha, len(keys), *keys, *args)))[-1]
        except NoScriptError:  # Redis forgets scripts when it starts again
            return (await self.ask(("EVAL", script.script, len(keys), *keys, *args)))[-1]

    async def _travel(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                try:
                    replies = iter(await self._trip([command for commands, _ in asked for command in commands]))
                except RedisError as error:
                    for _, answered in asked:
                        _settle(answered, error)
                    continue
                for commands, answered in asked:
                    found = [next(replies) for _ in commands]
                    failed = next((reply for reply in found if isinstance(reply, Exception)), None)
                    _settle(answered, failed or found)
        finally:
            self._under_way = None

    async def _trip(self, commands: list[Command]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute(raise_on_error=False)


def _settle(answered: asyncio.Future[list[Any]], outcome: list[Any] | Exception) -> None:
    if answered.done():  # whoever asked has gone
        return
    if isinstance(outcome, Exception):
        answered.set_exception(outcome)
    else:
        answered.set_result(outcome)
