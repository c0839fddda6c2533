"""What one key may use: requests per time, unfinished predictions, images per day, bytes that are kept. All of it is
counted in Redis."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any, Literal, Protocol

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from app.access.keys import Key
from app.http.errors import Problem, TooLarge, TooMany, rate_headers
from app.schemas.usage import Allowance, Images, Kept, Requests, Uploads, Usage
from core.settings import Settings
from jobs import keys, scripts
from jobs.admission import Bounds, Claim

MAX_UPLOADS = 1000
"""Files that are kept for one key, however small."""


class CountedFile(Protocol):
    """A file that counts for a key as long as it is kept."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def bytes(self) -> int:
        """Its size."""
        ...

    @property
    def expires_at(self) -> datetime:
        """Until when it is kept."""
        ...


class Limits:
    """The limits of all keys, with the settings' defaults for keys that have none of their own."""

    def __init__(self, redis: Redis, settings: Settings):
        self.redis = redis
        self.settings = settings
        # The URL is for show: the pool is the one that the store uses.
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            **_shared(redis),
            key_prefix=keys.LIMITS_PREFIX,
        )
        self._rates = MovingWindowRateLimiter(storage)
        self._keep_upload = redis.register_script(scripts.KEEP_UPLOAD)
        self._forget_upload = redis.register_script(scripts.FORGET_UPLOAD)
        self._usage = redis.register_script(scripts.USAGE)

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

    def bounds(self, key: Key) -> Bounds:
        """What the key may have."""
        return Bounds(
            key.outstanding or self.settings.key_outstanding,
            key.daily or self.settings.key_daily,
            _bytes(self.settings.key_kept_mb),
        )

    async def claim_upload(self, key: Key, upload: CountedFile) -> None:
        """Counts a file that is about to be kept.

        Raises:
            TooMany: with it, more bytes or files would be kept for the key than may.
        """
        of_uploads, kept = _bytes(self.settings.key_uploads_mb), self.bounds(key).kept_bytes
        ttl_s = _seconds(upload.expires_at.timestamp() - time.time())
        asked = [key.id, upload.id, upload.bytes, ttl_s, of_uploads, MAX_UPLOADS, kept]
        word, *told = await self._keep_upload([], asked)
        if word == b"granted":
            return
        bytes_, reset_s = map(int, told)
        if word == b"kept":
            raise _too_much(bytes_, upload.bytes, kept, reset_s)
        raise TooMany(
            f"{of_uploads:,} bytes and {MAX_UPLOADS:,} files are kept of one key; delete uploads that are not needed",
            code="too_many_uploads",
            limit=of_uploads,
            remaining=max(0, of_uploads - bytes_),
            reset_s=reset_s,
        )

    async def release_upload(self, key: Key, upload: CountedFile) -> None:
        """A file that was counted is kept no more."""
        await self._forget_upload([], [key.id, upload.id])

    async def usage(self, key: Key) -> Usage:
        """What the key has used of what it may."""
        rate, bounds = parse(key.rate or self.settings.key_rate), self.bounds(key)
        sent = await self._rates.get_window_stats(rate, "rate", key.id)
        outstanding, images, predictions, reset_s, kept, of_uploads, uploads = await self._usage([], [key.id])
        return Usage(
            key=key.id,
            name=key.name,
            requests=Requests(used=rate.amount - sent.remaining, limit=rate.amount, per=_period(rate)),
            predictions_today=predictions,
            images_today=Images(used=images, limit=bounds.daily, reset_s=max(1, reset_s) if images else None),
            outstanding=Allowance(used=outstanding, limit=bounds.outstanding),
            uploads=Uploads(count=uploads, used=of_uploads, limit=_bytes(self.settings.key_uploads_mb)),
            kept=Kept(used=kept, limit=bounds.kept_bytes),
        )


def refusal(claim: Claim, reason: str, *told: float) -> Problem:
    """What is answered to a claim that goes beyond its owner's bounds (`jobs/lua/claim.lua`).

    Args:
        reason: `outstanding`, `quota` or `kept`, with what is told of it.
    """
    bounds = claim.bounds
    if bounds is None:
        raise ValueError("a claim without bounds goes beyond none")
    if reason == "outstanding":
        count, ages = told
        # Little's law: with N underway and a mean age of W/2, one of them ends every W/N seconds.
        return TooMany(
            f"{bounds.outstanding} predictions of this key have not ended yet",
            code="too_many_outstanding",
            limit=bounds.outstanding,
            reset_s=min(_seconds(2 * ages / count**2), 60),
        )
    amount, reset_s = map(int, told)
    if reason == "quota":
        return TooMany(
            f"{claim.images} more images exceed this key's {bounds.daily} a day; {amount} are left",
            code="quota_exceeded",
            limit=bounds.daily,
            remaining=amount,
            reset_s=max(1, reset_s),
        )
    return _too_much(amount, claim.needed, bounds.kept_bytes, reset_s)


def _too_much(kept: int, needed: int, most: int, reset_s: int) -> Problem:
    """Of what would be kept of one key besides what is."""
    if needed > most:
        return TooLarge(
            f"this may take {needed:,} bytes, and of one key {most:,} are kept; ask for fewer or smaller images",
            code="too_much_to_keep",
        )
    return TooMany(
        f"{kept:,} bytes are kept of this key (inputs, results and uploads) of {most:,} that may be, and this may take "
        f"{needed:,}; enough will have expired in {reset_s} s, or delete predictions and uploads that are not needed",
        code="too_much_kept",
        limit=most,
        remaining=max(0, most - kept),
        reset_s=reset_s,
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


def _bytes(megabytes: float) -> int:
    return int(megabytes * 2**20)


def _seconds(value: float) -> int:
    return max(1, math.ceil(value))
