"""API keys: who may ask, for what, and within which limits. They live in Redis; of each token only a hash is kept."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from app.schemas.keys import Scope
from core import replication
from core.redis_connections import connect_async
from core.settings import Rate
from jobs import keys

_PREFIX = "ek_"


class Key(BaseModel):
    """A key as it is kept. A limit that is None is the settings' default."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str = Field(min_length=1, max_length=64)
    scopes: frozenset[Scope] = Field(min_length=1)
    rate: Rate | None = None
    outstanding: int | None = Field(None, ge=1)
    daily: int | None = Field(None, ge=1)
    created_at: datetime
    digest: str

    def allows(self, *scopes: Scope) -> bool:
        """Whether the key has one of the scopes; `admin` stands for all."""
        return not self.scopes.isdisjoint({Scope.ADMIN, *scopes})


class Keys:
    """The keys of one Redis."""

    def __init__(self, redis: Redis, replicas: int = 0):
        """
        Args:
            replicas: as many have a key, or know of its end, before it is acknowledged.
        """
        self.redis, self.replicas = redis, replicas

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, replicas: int = 0) -> AsyncIterator[Keys]:
        """The keys of the Redis at `url`, on a connection of their own."""
        async with connect_async(url) as redis:
            yield cls(redis, replicas)

    async def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        rate: str | None = None,
        outstanding: int | None = None,
        daily: int | None = None,
    ) -> tuple[Key, str]:
        """Makes a key; answers with it and its token, which cannot be had again.

        Raises:
            pydantic.ValidationError: a name, scope or limit that is none.
        """
        id = secrets.token_hex(6)
        token = f"{_PREFIX}{id}_{secrets.token_urlsafe(32)}"
        key = Key(
            id=id,
            name=name,
            scopes=frozenset(scopes),
            rate=rate,
            outstanding=outstanding,
            daily=daily,
            created_at=datetime.now(UTC),
            digest=_digest(token),
        )
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.hset(keys.API_KEYS, id, key.model_dump_json())
            await replication.execute(pipeline, self.replicas)
        return key, token

    async def find(self, token: str) -> Key | None:
        """The key of a token, or None for a token that is unknown or revoked.

        The token names its key, so that what is compared, in constant time, is one digest with one digest.
        """
        key = await self.get(token.removeprefix(_PREFIX).partition("_")[0])
        return key if key and hmac.compare_digest(_digest(token), key.digest) else None

    async def get(self, id: str) -> Key | None:
        """The key of an id, or None if there is none (any more)."""
        found = await self.redis.hget(keys.API_KEYS, id)
        return None if found is None else Key.model_validate_json(found)

    async def all(self) -> list[Key]:
        """Every key, the oldest first."""
        found = (await self.redis.hgetall(keys.API_KEYS)).values()
        return sorted(map(Key.model_validate_json, found), key=lambda key: key.created_at)

    async def any(self) -> bool:
        """Whether there is a key at all."""
        return bool(await self.redis.hlen(keys.API_KEYS))

    async def grant(self, id: str, scope: Scope) -> Key | None:
        """Gives a key one more scope; answers with the key as it is now, or None if there is none of that id."""
        key = await self.get(id)
        if key is None:
            return None
        key = key.model_copy(update={"scopes": key.scopes | {scope}})
        await self.redis.hset(keys.API_KEYS, id, key.model_dump_json())
        return key

    async def revoke(self, id: str) -> bool:
        """Forgets a key, from the next request on; False if there is none of that id."""
        async with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.hdel(keys.API_KEYS, id)
            (revoked,) = await replication.execute(pipeline, self.replicas)
        return bool(revoked)


def _digest(token: str) -> str:
    """SHA-256: a token is 32 random bytes, so there is nothing to guess that a slow password hash would protect."""
    return sha256(token.encode()).hexdigest()
