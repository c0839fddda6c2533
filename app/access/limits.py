"""What one key may use: requests per time, unfinished predictions, images per day. All of it is counted in Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

from limits import RateLimitItem, RateLimitItemPerDay, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from redis.asyncio import Redis

from app.access.keys import Key
from app.http.errors import TooMany, rate_headers
from app.schemas.uploads import Upload
from app.schemas.usage import Allowance, Images, Requests, Uploads, Usage
from core.replies import all_bytes, pairs
from core.settings import Settings
from jobs import keys, records

_ENQUEUE_S = 60
"""A claimed prediction without a job is on its way into the queue for this long; after that it is gone."""

_FORGET_S = 7 * 24 * 3600
"""Claims of a key that has made none for this long, such as a revoked one, are forgotten."""


MAX_UPLOADS = 1000
"""Files that are kept for one key, however small."""

_PREDICTIONS = RateLimitItemPerDay(1)
"""Names the counter of a key's predictions in a day. Nothing is refused by it."""


class Limits:
    """The limits of all keys, with the settings' defaults for keys that have none of their own."""

    def __init__(self, redis: Redis, settings: Settings):
        self.redis = redis
        self.settings = settings
        # The URL is for show: the pool is the one that the store uses.
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            **_shared(redis),
            key_prefix=keys.LIMITS_PREFIX,
        )
        self._rates = MovingWindowRateLimiter(self._storage)
        self._quotas = FixedWindowRateLimiter(self._storage)

    async def knows(self, key: Key) -> bool:
        """Whether the key is one still."""
        return bool(await self.redis.hexists(keys.API_KEYS, key.id))

    async def request(self, key: Key) -> dict[str, str]:
        """Counts one request; answers with the `RateLimit-*` headers. What is refused is not counted.

        Raises:
            TooMany: the key has sent as many as it may in its moving window.
        """
        allowed = key.rate or self.settings.key_rate
        rate = parse(allowed)
        taken = await self._rates.hit(rate, "rate", key.id)
        stats = await self._rates.get_window_stats(rate, "rate", key.id)
        reset_s = _seconds(stats.reset_time - time.time())
        if not taken:
            raise TooMany(
                f"this key may send {allowed} requests", code="rate_limited", limit=rate.amount, reset_s=reset_s
            )
        return rate_headers(rate.amount, stats.remaining, reset_s)

    async def claim(self, key: Key, prediction: str, images: int) -> bool:
        """Counts a prediction that is about to be enqueued, as unfinished and in images.

        False if it was unfinished before, which happens to one that is asked for again under its id.

        Raises:
            TooMany: too many of the key's predictions have not ended, or the images exceed what its day has left.
        """
        new = await self._claim_place(key, prediction)
        try:
            await self._claim_images(key, images)
        except TooMany:
            if new:
                await self.redis.zrem(keys.unfinished_key(key.id), prediction)
            raise
        if new:
            await self._count_prediction(key, 1)
        return new

    async def claim_upload(self, key: Key, upload: Upload) -> None:
        """Counts a file that is about to be kept.

        Raises:
            TooMany: with it, more bytes or files would be kept for the key than may.
        """
        cap, now = int(self.settings.key_uploads_mb * 2**20), time.time()
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.zremrangebyscore(keys.kept_uploads_key(key.id), "-inf", now)
            pipeline.zadd(keys.kept_uploads_key(key.id), {_member(upload): upload.expires_at.timestamp()})
            pipeline.expire(keys.kept_uploads_key(key.id), _FORGET_S)
            pipeline.zrange(keys.kept_uploads_key(key.id), 0, -1, withscores=True)
            kept = [(_size(member), until) for member, until in (await pipeline.execute())[-1]]
        over, count = sum(size for size, _ in kept) - cap, len(kept)
        if over <= 0 and count <= MAX_UPLOADS:
            return
        await self.release_upload(key, upload)
        raise TooMany(
            f"{cap:,} bytes and {MAX_UPLOADS:,} files are kept of one key; delete uploads that are not needed",
            code="too_many_uploads",
            limit=cap,
            remaining=max(0, upload.bytes - over),
            reset_s=_seconds(_room_at(kept, over, count - MAX_UPLOADS) - now),
        )

    async def release_upload(self, key: Key, upload: Upload) -> None:
        """A file that was counted is kept no more."""
        await self.redis.zrem(keys.kept_uploads_key(key.id), _member(upload))

    async def release(self, key: Key, prediction: str | None, images: int) -> None:
        """Takes a claim back: the images, and the prediction if one is named."""
        quota = self._quota(key)
        await self._storage.incr(quota.key_for("images", key.id), quota.get_expiry(), -images)
        if prediction is not None:
            await self.redis.zrem(keys.unfinished_key(key.id), prediction)
            await self._count_prediction(key, -1)

    async def usage(self, key: Key) -> Usage:
        """What the key has used of what it may."""
        rate, quota = parse(key.rate or self.settings.key_rate), self._quota(key)
        kept_bytes = int(self.settings.key_uploads_mb * 2**20)
        sent = await self._rates.get_window_stats(rate, "rate", key.id)
        drawn = await self._quotas.get_window_stats(quota, "images", key.id)
        made = await self._storage.get(_PREDICTIONS.key_for("predictions", key.id))
        kept = all_bytes(await self.redis.zrangebyscore(keys.kept_uploads_key(key.id), time.time(), "+inf"))
        used = quota.amount - drawn.remaining
        return Usage(
            key=key.id,
            name=key.name,
            requests=Requests(used=rate.amount - sent.remaining, limit=rate.amount, per=_period(rate)),
            predictions_today=max(made, 0),
            images_today=Images(
                used=used, limit=quota.amount, reset_s=_seconds(drawn.reset_time - time.time()) if used else None
            ),
            outstanding=Allowance(used=len(await self._unfinished(key)), limit=self._cap(key)),
            uploads=Uploads(count=len(kept), used=sum(map(_size, kept)), limit=kept_bytes),
        )

    async def _count_prediction(self, key: Key, by: int) -> None:
        await self._storage.incr(_PREDICTIONS.key_for("predictions", key.id), _PREDICTIONS.get_expiry(), by)

    def _cap(self, key: Key) -> int:
        return key.outstanding or self.settings.key_outstanding

    def _quota(self, key: Key) -> RateLimitItemPerDay:
        return RateLimitItemPerDay(key.daily or self.settings.key_daily)

    async def _claim_place(self, key: Key, prediction: str) -> bool:
        """Adds the prediction before it counts, so that of requests at the same time none slips past the cap."""
        cap = self._cap(key)
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(keys.unfinished_key(key.id), {prediction: time.time()}, nx=True)
            pipeline.expire(keys.unfinished_key(key.id), _FORGET_S)
            pipeline.zcard(keys.unfinished_key(key.id))
            new, _, count = await pipeline.execute()
        if count <= cap:
            return bool(new)
        ages = await self._unfinished(key)
        if len(ages) <= cap:
            return bool(new)
        if new:
            await self.redis.zrem(keys.unfinished_key(key.id), prediction)
        # Little's law: with N underway and a mean age of W/2, one of them ends every W/N seconds.
        reset_s = min(_seconds(2 * sum(ages) / len(ages) ** 2), 60)
        raise TooMany(
            f"{cap} predictions of this key have not ended yet", code="too_many_outstanding", limit=cap, reset_s=reset_s
        )

    async def _unfinished(self, key: Key) -> list[float]:
        """Ages in seconds of the key's predictions that have not ended; the others are struck off.

        Nobody reports an end here: the jobs themselves are asked, so a worker that dies leaves no count behind.
        """
        now = time.time()
        claimed = pairs(await self.redis.zrange(keys.unfinished_key(key.id), 0, -1, withscores=True))
        claims = {id: now - since for id, since in claimed}
        async with self.redis.pipeline(transaction=False) as pipeline:
            for id in claims:
                pipeline.hget(keys.job_key(id.decode()), "status")
            statuses = dict(zip(claims, await pipeline.execute(), strict=True))
        over = {
            id
            for id, status in statuses.items()
            if (claims[id] > _ENQUEUE_S if status is None else records.has_ended(status))
        }
        if over:
            await self.redis.zrem(keys.unfinished_key(key.id), *over)
        return [age for id, age in claims.items() if id not in over]

    async def _claim_images(self, key: Key, images: int) -> None:
        quota = self._quota(key)
        # The test keeps what is refused from being counted; the hit alone decides between requests at the same time.
        if await self._quotas.test(quota, "images", key.id, cost=images) and await self._quotas.hit(
            quota, "images", key.id, cost=images
        ):
            return
        stats = await self._quotas.get_window_stats(quota, "images", key.id)
        ends_s = stats.reset_time - time.time() if stats.remaining < quota.amount else quota.get_expiry()
        raise TooMany(
            f"{images} more images exceed this key's {quota.amount} a day; {stats.remaining} are left",
            code="quota_exceeded",
            limit=quota.amount,
            remaining=stats.remaining,
            reset_s=_seconds(ends_s),
        )


def _shared(redis: Redis) -> dict[str, Any]:
    """What makes `limits` use the pool of a client; its types know of no such option."""
    return {"connection_pool": redis.connection_pool}


def _period(rate: RateLimitItem) -> Literal["second", "minute", "hour", "day"]:
    """The unit of a rate, of those that `core.settings.Rate` has."""
    for name in ("second", "minute", "hour"):
        if rate.GRANULARITY.name == name:
            return name
    return "day"


def _member(upload: Upload) -> str:
    return f"{upload.id}:{upload.bytes}"


def _size(member: bytes) -> int:
    return int(member.partition(b":")[2])


def _room_at(kept: Sequence[tuple[int, float]], over: int, many: int) -> float:
    """When so many bytes and so many files of those kept, each a size and a time, will have expired, soonest first."""
    for size, until in kept:
        over, many = over - size, many - 1
        if over <= 0 and many <= 0:
            return until
    return kept[-1][1]


def _seconds(value: float) -> int:
    return max(1, math.ceil(value))
