"""Access: who a request comes from, what it may do and see, and what it is counted against."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis

from app.access.keys import Key, Keys
from app.access.limits import CountedFile, Limits
from app.access.links import Link, signed
from app.http.errors import Forbidden, Unauthorized
from app.schemas.keys import Scope
from app.schemas.usage import Usage
from core.settings import Settings
from jobs.admission import Bounds

UNKNOWN_KEY = "this needs a valid API key, sent as `Authorization: Bearer ek_…`"


@dataclass(frozen=True)
class Credit:
    """The key of a caller, and what it is counted against."""

    key: Key
    limits: Limits


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request. Without a key, where access is open, it may do and see all, and no limit applies."""

    credit: Credit | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """What the answer will carry, whatever it is."""

    @property
    def key(self) -> Key | None:
        """The key that the request carried; None where access is open."""
        return self.credit.key if self.credit else None

    @property
    def owner(self) -> str:
        """Whose the predictions are that it makes: the key's id, or nobody's."""
        return self.key.id if self.key else ""

    @property
    def sees_all(self) -> bool:
        """Whether it may know of everybody's predictions."""
        return self.key is None or self.key.allows(Scope.ADMIN)

    def sees(self, owner: str) -> bool:
        """Whether it may know of a prediction of that owner."""
        return self.sees_all or owner == self.owner

    def require(self, *scopes: Scope) -> None:
        """Raises `Forbidden` if the key has none of the scopes."""
        if self.key is not None and not self.key.allows(*scopes):
            raise Forbidden(f"this key lacks the scope {' or '.join(scopes)}")

    async def is_known(self) -> bool:
        """Whether its key has not been revoked since the request came."""
        return self.credit is None or await self.credit.limits.knows(self.credit.key)

    def link(self, path: str, expires: int, owner: str) -> str | None:
        """An address of something of the owner's that works without a key, if the caller is the owner and needs one."""
        return signed(path, expires, self.key) if self.key and self.owner == owner else None

    async def count_request(self) -> None:
        """Counts a request for a prediction. Raises `TooMany` beyond the key's rate."""
        if self.credit is not None:
            self.headers.update(await self.credit.limits.request(self.credit.key))

    @property
    def bounds(self) -> Bounds | None:
        """What its key may have; None where no limit applies."""
        return self.credit.limits.bounds(self.credit.key) if self.credit else None

    async def claim_upload(self, upload: CountedFile) -> None:
        """Counts a file that is about to be kept. Raises `TooMany` beyond what is kept for one key."""
        if self.credit is not None:
            await self.credit.limits.claim_upload(self.credit.key, upload)

    async def release_upload(self, upload: CountedFile) -> None:
        """A file that was counted is kept no more."""
        if self.credit is not None:
            await self.credit.limits.release_upload(self.credit.key, upload)


ANYBODY = Caller()
"""Whoever sends a request where access is open."""


class Access:
    """Tells callers by their tokens."""

    def __init__(self, redis: Redis, settings: Settings):
        self.open = settings.open_access
        self.keys = Keys(redis, settings.redis_replicas)
        self.limits = Limits(redis, settings)

    async def usage(self, caller: Caller) -> list[Usage]:
        """That of the caller's key, or of all keys if the caller sees all."""
        keys = await self.keys.all() if caller.key and caller.sees_all else [caller.key] if caller.key else []
        return [await self.limits.usage(key) for key in keys]

    async def visitor(self, link: Link, headers: dict[str, str]) -> Caller:
        """Whoever has a signed address: what it names is seen with the eyes of its key. Raises `Unauthorized`."""
        if self.open:
            return ANYBODY
        key = await self.keys.get(link.key)
        if key is None or not link.signed_by(key):
            raise Unauthorized("this address has expired, or is none that was signed here")
        return Caller(Credit(key, self.limits), headers)

    async def caller(self, token: str | None, headers: dict[str, str]) -> Caller:
        """Whoever holds the token; `headers` will be those of the answer. Where access is open, nobody is asked.

        Raises:
            Unauthorized: no token, an unknown one or a revoked one, without a word on which.
        """
        if self.open:
            return ANYBODY
        key = await self.keys.find(token) if token else None
        if key is None:
            raise Unauthorized(UNKNOWN_KEY)
        structlog.contextvars.bind_contextvars(key=key.id)
        return Caller(Credit(key, self.limits), headers)
