"""Worker processes that can be killed."""

import multiprocessing

import pytest

from models.card import Serving
from tests import zoo
from tests.workers import slow


@pytest.fixture(scope="session")
def processes():
    """Where processes come from: one that has imported all and has no threads, whose locks a fork would copy."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([slow.__name__])
    return context


@pytest.fixture
def spawn(processes, redis_url, tmp_path):
    """Starts slow worker processes (`tests.workers.slow`), at a Redis of their own if one is named; ends them all."""
    zoo.make(tmp_path, "toy-dcgan", Serving(max_batch=4))
    started = []

    def start(slow_s, url=redis_url):
        process = processes.Process(target=slow.run, args=(url, tmp_path, slow_s))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()
