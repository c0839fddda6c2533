"""A worker process whose forward passes are slow and whose heartbeats are short; some seeds break it, or hang."""

import ctypes
import time
from pathlib import Path

from core.settings import Settings
from models.registry import Registry
from workers import heartbeat, outages, time_limits
from workers.engine import Engine
from workers.worker import BatchWorker, connect

BREAKS, HANGS = 666, 667
"""Seeds: a pass that has such a one raises, or never ends."""


def run(redis_url: str, folder: Path, slow_s: float) -> None:
    """Works until it is told to stop; each forward pass takes `slow_s`."""
    heartbeat.HEARTBEAT_S, heartbeat.HEARTBEAT_TTL_S = 0.5, 2
    outages.COMMIT_S, time_limits.HUNG_S = 3, 1
    settings = Settings(redis_url=redis_url, models=str(folder), threads=1)
    engine = Engine(Registry([folder]), "cpu", 1)
    compute = engine.run

    def slowly(works, report):
        time.sleep(slow_s)
        seeds = {work.order.input["seed"] for work in works}
        if BREAKS in seeds:
            raise RuntimeError("boom")
        if HANGS in seeds:
            hang()
        return compute(works, report)

    engine.run = slowly
    BatchWorker(engine, connect(settings), settings).work()


def hang() -> None:
    """Waits in C for what never comes, where no signal is heard; other threads go on."""
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    for _ in range(2):
        library.pthread_mutex_lock(mutex)
