"""Connections to Redis, of which a client has as many as wait at the same time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from core.redis_connections import connect, connect_async

MANY = 150


def test_many_wait_for_redis_at_the_same_time(redis_url, redis):
    async def wait() -> list:
        client = connect_async(redis_url)
        try:
            return await asyncio.gather(*(client.blpop("nothing", timeout=1) for _ in range(MANY)))
        finally:
            await client.aclose()

    assert asyncio.run(wait()) == [None] * MANY


def test_many_threads_wait_for_redis_at_the_same_time(redis_url, redis):
    with connect(redis_url) as client, ThreadPoolExecutor(MANY) as pool:
        waiting = [pool.submit(client.blpop, "nothing", 1) for _ in range(MANY)]
        assert [each.result() for each in waiting] == [None] * MANY
