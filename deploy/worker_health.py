"""The health check of a worker's container: exits with 0 if a worker of this host has sent a heartbeat lately."""

from __future__ import annotations

import socket
from datetime import timedelta

from redis import Redis
from rq import Worker
from rq.utils import now

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


if __name__ == "__main__":
    redis = Redis.from_url(get_settings().redis, socket_timeout=5, socket_connect_timeout=5)
    if not healthy(redis, socket.gethostname()):
        raise SystemExit(f"no worker of {socket.gethostname()} has sent a heartbeat in the last {FRESH.seconds} s")
