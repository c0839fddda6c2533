"""An API and a worker as threads of the tests' own process: they start in a second, and no port is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from app.main import create_app
from core.embedded_redis import EmbeddedRedis
from core.settings import Settings
from models.registry import Registry
from tests.conftest import free_port
from workers.engine import Engine
from workers.worker import BatchWorker, connect


class ThreadedWorker(BatchWorker):
    """A worker that leaves signals to the tests."""

    def _install_signal_handlers(self) -> None:
        pass


@contextmanager
def working(settings: Settings) -> Iterator[ThreadedWorker]:
    """A worker in a thread."""
    with connect(settings) as connection:
        worker = ThreadedWorker(Engine(Registry(settings.models), "cpu", 1), connection, settings)
        thread = threading.Thread(target=worker.work)
        thread.start()
        try:
            yield worker
        finally:
            worker._stop_requested = True
            thread.join(60)


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """The address of an API that listens on a port."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(60)


@contextmanager
def serving(folder: Path, models: Path, **settings: Any) -> Iterator[TestClient]:
    """A client of an API whose predictions a worker makes, at a Redis of their own in the folder."""
    server = EmbeddedRedis(folder)
    server.start()
    given = {"threads": 1, "auth": "open", "accept_without_workers": True, **settings}
    chosen = Settings(redis_url=server.url, models=str(models), **given)
    try:
        with working(chosen), TestClient(create_app(chosen), "http://localhost") as client:
            yield client
    finally:
        server.stop()
