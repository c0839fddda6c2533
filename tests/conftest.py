"""A real redis-server, a folder of small models, and a whole Easel of real processes."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from redis import Redis

from core.embedded_redis import EmbeddedRedis
from tests import zoo

# The networks here are so small that threads cost more than they gain; where other work shares the cores, they wait for
# one another up to forty times as long as the test takes.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> None:
    """Pictures are decoded into a folder of the tests' own."""
    os.environ["EASEL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def redis(redis_url) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(redis_url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture(scope="session")
def toy_zoo(tmp_path_factory) -> Path:
    """A folder with one small model of each kind."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in zoo.MODELS:
        zoo.make(folder, name)
    return folder


@dataclass
class Easel:
    """A running `easel up`."""

    process: subprocess.Popen
    url: str
    log: Path

    def stop(self, number: int = signal.SIGINT) -> int:
        """Sends a signal and waits for the end; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


Start = Callable[..., Easel]


@contextmanager
def starting(tmp_path_factory: pytest.TempPathFactory, toy_zoo: Path) -> Iterator[Start]:
    """Starts `easel up` with settings as keywords and waits until it is ready; stops what is left running."""
    started: list[Easel] = []

    def start(**settings: object) -> Easel:
        port = free_port()
        folder = tmp_path_factory.mktemp("easel")
        given = {"models": toy_zoo, "data_dir": folder, "port": port, "threads": 1, "log_format": "json", **settings}
        environment = {**os.environ, **{f"EASEL_{name.upper()}": str(value) for name, value in given.items()}}
        log = folder / "log"
        with log.open("w") as sink:
            process = subprocess.Popen([sys.executable, "-m", "cli", "up"], env=environment, stdout=sink, stderr=sink)
        easel = Easel(process, f"http://127.0.0.1:{port}", log)
        started.append(easel)
        deadline = time.monotonic() + 110
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{easel.url}/readyz?worker=1").status_code == 200:
                    return easel
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"easel did not become ready:\n{log.read_text()}")

    yield start
    running = [easel for easel in started if easel.process.poll() is None]
    for easel in running:
        easel.process.send_signal(signal.SIGINT)
    for easel in running:
        easel.process.wait(30)


@pytest.fixture(scope="session")
def start_shared(tmp_path_factory, toy_zoo) -> Iterator[Start]:
    """Starts an Easel for tests of many files."""
    with starting(tmp_path_factory, toy_zoo) as start:
        yield start


@pytest.fixture(scope="module")
def start_easel(tmp_path_factory, toy_zoo) -> Iterator[Start]:
    """Starts an Easel for tests of one file."""
    with starting(tmp_path_factory, toy_zoo) as start:
        yield start


@pytest.fixture(scope="session")
def easel(start_shared) -> Easel:
    """One Easel for all tests that do it no harm."""
    return start_shared(max_upload_mb=2, max_pixels=1_000_000)


@pytest.fixture(scope="session")
def client(easel) -> Iterator[httpx.Client]:
    """An HTTP client of that Easel."""
    with httpx.Client(base_url=easel.url, timeout=30) as opened:
        yield opened


def png(size: int = 32, mode: str = "RGB", seed: int = 0) -> bytes:
    """A picture of noise."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, channels), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    """The pixels of encoded image bytes."""
    return np.asarray(Image.open(io.BytesIO(data)))
