"""Writes that a fail-over cannot lose: they are acknowledged once replicas have them.

Redis replicates asynchronously: a primary that fails takes with it what no replica has received yet. WAIT asks which of
them have received what a connection has written.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

_WAIT_MS = 1000


class NotReplicated(ResponseError):
    """Redis has what was written, and too few replicas do: a fail-over now would lose it."""


async def execute(pipeline: Pipeline, replicas: int) -> list[Any]:
    """The replies to what a pipeline, which is no transaction, has, once so many replicas have what it wrote.

    Raises:
        NotReplicated: fewer had it after a second. It is written all the same, and may reach them yet.
        RedisError: of the first command that failed.
    """
    if not replicas:
        return await pipeline.execute()
    pipeline.execute_command("WAIT", replicas, _WAIT_MS)
    *replies, reached = await pipeline.execute()
    if reached < replicas:
        raise NotReplicated(f"NOREPLICAS {reached} of {replicas} replicas have what was written")
    return replies
