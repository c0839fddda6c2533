"""Trips that many share."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.predictions.shared_pipeline import SharedPipeline


def together(redis_url, ask):
    """What the coroutine function `ask` answers, given trips to that Redis."""

    async def run():
        async with Redis.from_url(redis_url) as redis:
            trips = SharedPipeline(redis)
            try:
                return await ask(trips)
            finally:
                await trips.close()

    return asyncio.run(run())


def test_an_error_reaches_only_who_asked(redis, redis_url):
    async def ask(trips):
        return await asyncio.gather(
            trips.ask(("SET", "a", b"\xff"), ("GET", "a")),
            trips.ask(("INCR", "a")),
            trips.ask(("SET", "b", "\ud800")),
            trips.ask(("HSET", "c", "field", 1), ("HGETALL", "c")),
            return_exceptions=True,
        )

    first, second, third, fourth = together(redis_url, ask)
    assert (first, fourth) == ([True, b"\xff"], [1, {b"field": b"1"}])
    assert (type(second), type(third)) == (ResponseError, UnicodeEncodeError)


def test_a_lost_connection_is_made_again(redis, redis_url):
    async def ask(trips):
        await trips.ask(("SET", "a", 1))
        redis.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.05)
        return await trips.ask(("INCR", "a"))

    assert together(redis_url, ask) == [2]


@pytest.mark.parametrize("asking", [1, 50])
def test_who_leaves_holds_up_nobody(redis, redis_url, asking):
    async def ask(trips):
        tasks = [asyncio.create_task(trips.ask(("INCR", "a"))) for _ in range(asking)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await trips.ask(("INCR", "a"))

    assert together(redis_url, ask) == [asking + 1]
