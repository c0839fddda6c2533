"""A worker process whose forward passes are slow and whose heartbeats are short."""

import time
from pathlib import Path

from core.settings import Settings
from models.registry import Registry
from workers import heartbeat
from workers.engine import Engine
from workers.worker import BatchWorker, connect


def run(redis_url: str, folder: Path, slow_s: float) -> None:
    """Works until it is told to stop; each forward pass takes `slow_s`."""
    heartbeat.HEARTBEAT_S, heartbeat.HEARTBEAT_TTL_S = 0.5, 2
    settings = Settings(redis_url=redis_url, models=str(folder), threads=1)
    engine = Engine(Registry([folder]), "cpu", 1)
    compute = engine.run

    def slowly(works, report):
        time.sleep(slow_s)
        return compute(works, report)

    engine.run = slowly
    BatchWorker(engine, connect(settings), settings).work()
