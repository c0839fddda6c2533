"""Every connection to Redis is made here: to a server, over TLS or a socket, or to the primary that Sentinels name.

After a fail-over connections go to the new primary by themselves: they break, and whoever uses them tries again.
"""

from __future__ import annotations

from typing import Any

from redis import Redis, Sentinel
from redis import asyncio as aio
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from core.redis_address import SentinelAddress, sentinel_of

_CONNECT_S = 2
_HEALTH_CHECK_S = 30
"""A connection that was idle for longer is tried before it is used."""
_MOST = 10_000
"""Connections of one client, as many as Redis itself admits by default. redis-py's own bound of a hundred would refuse
the hundred and first of those who wait at the same time; how many may is what `EASEL_MAX_CONNECTIONS` says."""
_SENTINEL_TIMEOUT_S = 1
_NO_NOTICES = MaintNotificationsConfig(enabled=False)
"""Of maintenance, which Redis Enterprise alone sends; to ask for them is a command that a user may not have."""


class _Pool(SentinelConnectionPool):
    """Lets go of the Sentinels, too, when it is closed."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Those in use are closed with the pool alone, and the others after each fail-over."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def connect(url: str, *, timeout_s: float = 10, retries: bool = True) -> Redis:
    """A client, which connects when it is first used.

    Args:
        url: as `core.redis_address` has it.
        timeout_s: how long a reply may take.
        retries: whether a command that got no reply is sent again; not for writes that must not happen twice.
    """
    options = _options(timeout_s, retries)
    sentinel = sentinel_of(url)
    if sentinel is None:
        return Redis.from_url(url, **options)
    own, primary = _sentinel_options(sentinel)
    return Sentinel(sentinel.hosts, sentinel_kwargs=own).master_for(sentinel.name, Redis, **primary, **options)


def connect_async(url: str, *, timeout_s: float = 10) -> aio.Redis:
    """`connect`, for asyncio."""
    options = _options(timeout_s, retries=True)
    sentinel = sentinel_of(url)
    if sentinel is None:
        return aio.Redis.from_url(url, **options)
    own, primary = _sentinel_options(sentinel)
    manager = aio.Sentinel(sentinel.hosts, sentinel_kwargs=own)
    return manager.master_for(sentinel.name, aio.Redis, _Pool, **primary, **options)


def require_suitable(redis: Redis) -> None:
    """To be called before anything is served from it.

    Raises:
        RuntimeError: Redis lets this user not in, or is a Cluster.
        RedisError: it does not answer.
    """
    try:
        if redis.info("cluster").get("cluster_enabled"):
            raise RuntimeError(
                "this Redis is a Cluster, whose nodes each hold a part of the keys, and Easel's transactions need all "
                "of them in one place: use a Redis without cluster-enabled, with replicas and Sentinel if it must not "
                "fail (docs/deploying.md)"
            )
    except (AuthenticationError, NoPermissionError) as error:
        raise RuntimeError(
            f"Redis refuses this user: {error}; docs/deploying.md has the ACL that Easel needs"
        ) from None


def _options(timeout_s: float, retries: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": _CONNECT_S,
        "max_connections": _MOST,
        "health_check_interval": _HEALTH_CHECK_S,
        "maint_notifications_config": _NO_NOTICES,
    }
    return options if retries else options | {"retry": Retry(NoBackoff(), 0)}


def _sentinel_options(address: SentinelAddress) -> tuple[dict[str, Any], dict[str, Any]]:
    """What connections to the Sentinels are made with, and what those to the primary."""
    primary = dict(parse_url(address.url))
    primary.pop("connection_class", None)
    tls = {name: value for name, value in primary.items() if name.startswith("ssl_")}
    own = {"socket_timeout": _SENTINEL_TIMEOUT_S, "socket_connect_timeout": _SENTINEL_TIMEOUT_S, **tls}
    login = {"username": address.username, "password": address.password}
    own |= {name: value for name, value in login.items() if value is not None}
    if address.tls:
        own["ssl"] = primary["ssl"] = True
    return own, primary
