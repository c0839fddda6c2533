"""The health check of a worker's container: exits with 0 if a worker of this host has sent a heartbeat lately."""

from __future__ import annotations

import socket
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError
from rq import Worker
from rq.utils import now

from core.redis_connections import connect
from core.settings import get_settings

FRESH = timedelta(seconds=30)
"""A worker beats every few seconds; one that has been silent for longer is hung, cut off or dead."""


def healthy(connection: Redis, hostname: str) -> bool:
    """Whether some worker of `hostname` has sent a heartbeat within `FRESH`."""
    oldest = now() - FRESH
    workers = Worker.all(connection=connection)
    return any(
        worker.hostname == hostname and worker.last_heartbeat and worker.last_heartbeat > oldest for worker in workers
    )


def main() -> None:
    hostname = socket.gethostname()
    connection = connect(get_settings().redis, timeout_s=5)
    try:
        alive = healthy(connection, hostname)
    except RedisError as error:
        raise SystemExit(f"Redis does not answer: {error}") from None
    if not alive:
        raise SystemExit(f"no worker of {hostname} has sent a heartbeat in the last {FRESH.seconds} s")


if __name__ == "__main__":
    main()
