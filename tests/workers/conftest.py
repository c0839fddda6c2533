"""Worker processes that can be killed."""

import multiprocessing
import time

import pytest

from core.settings import Settings
from models.card import Serving
from models.registry import Registry
from tests import zoo
from workers import steady
from workers.engine import Engine
from workers.worker import BatchWorker, connect


def _run_worker(redis_url, folder, slow_s):
    """A worker whose forward passes take `slow_s`."""
    settings = Settings(redis_url=redis_url, models=str(folder), threads=1)
    engine = Engine(Registry([folder]), "cpu", 1)
    run = engine.run

    def slow(works, report):
        time.sleep(slow_s)
        run(works, report)

    engine.run = slow
    BatchWorker(engine, connect(settings), settings).work()


@pytest.fixture
def spawn(redis_url, tmp_path, monkeypatch):
    """Starts worker processes whose heartbeats are short, at a Redis of their own if one is named; ends them all."""
    zoo.make(tmp_path, "toy-dcgan", Serving(max_batch=4))
    context = multiprocessing.get_context("fork")
    monkeypatch.setattr(steady, "HEARTBEAT_S", 0.5)
    monkeypatch.setattr(steady, "HEARTBEAT_TTL_S", 2)
    started = []

    def start(slow_s, url=redis_url):
        process = context.Process(target=_run_worker, args=(url, tmp_path, slow_s))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()
