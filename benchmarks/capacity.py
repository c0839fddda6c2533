"""What one API process, one Redis and one worker carry where the processor only sleeps.

`python -m benchmarks.capacity`. Workers are those of `benchmarks.simulated_worker`. For several numbers of processes,
the predictions a second that come back from HTTP to png, and how busy each process was: its CPU time by the clock. The
rate divided by that share is what a process carries at most with a core of its own, on the same machine: here all of
them and the load generator share the cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import cpu, models
from benchmarks.load import Result, drive
from benchmarks.simulated_worker import RATE
from core.embedded_redis import EmbeddedRedis
from tests.conftest import free_port

MODEL = "bench-small"
CONFIGURATIONS = ((1, 1), (1, 2), (2, 1), (2, 2))
"""API processes and workers."""
IMAGES = (1, 16)
"""In each prediction."""
CONNECTIONS = 128
WARM_S = 2.0
PARTS = {"redis-server": "Redis", "simulated_worker": "worker", "cli api": "API"}
FULL = 0.85
"""A process or machine that is busy for this share of the time or more carries no more."""


@dataclass
class Carried:
    """One run of load. `busy` is the share of one core that each process of a kind had, on average."""

    apis: int
    workers: int
    images: int
    result: Result
    busy: dict[str, float]
    machine: float
    """The share of all cores that was busy, whoever had it."""

    def at_most(self, part: str) -> float:
        """Predictions a second of one process of this kind with a core of its own."""
        return self.result.rate / self.busy[part] / {"API": self.apis, "worker": self.workers, "Redis": 1}[part]

    @property
    def processor(self) -> float:
        """The share of the time for which a worker's processor was busy."""
        return self.result.rate * self.images / RATE / self.workers

    def full(self) -> str:
        """What was full. A worker is while it waits for its processor, too."""
        shares = {**self.busy, "worker": self.busy["worker"] + self.processor}
        found = [part for part, share in shares.items() if share >= FULL]
        return ", ".join([*found, *(["the cores"] if self.machine >= FULL else [])]) or "nothing"


@contextmanager
def running(folder: Path, apis: int, workers: int) -> Iterator[int]:
    """So many processes with a Redis of their own, until the block ends; gives the port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        redis = EmbeddedRedis(Path(scratch))
        redis.start()
        environment = {
            **os.environ,
            "EASEL_REDIS_URL": redis.url,
            "EASEL_MODELS": str(folder),
            "EASEL_DATA_DIR": scratch,
            "EASEL_PORT": str(port),
            "EASEL_API_PROCESSES": str(apis),
            "EASEL_THREADS": "1",
            "EASEL_PRELOAD": MODEL,
            "EASEL_LOG_LEVEL": "warning",
            "EASEL_RESULT_TTL_S": "300",
            "EASEL_MAX_QUEUE": "5000",
        }
        commands = [["cli", "up", "api"], *[["benchmarks.simulated_worker"]] * workers]
        started = [subprocess.Popen([sys.executable, "-m", *command], env=environment) for command in commands]
        try:
            wait(port, 60)
            yield port
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(60)
            redis.stop()


def wait(port: int, seconds: float) -> None:
    """Until it has a worker."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz?worker=1", timeout=10).close()
            return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def carried(port: int, apis: int, workers: int, images: int, seconds: float) -> Carried:
    """One run of load, after a shorter one to warm up."""
    body = b'{"n":%d,"seed":%%d}' % images
    accept = "image/png" if images == 1 else "application/json"

    def load(seconds: float) -> Result:
        return drive(port, f"/v1/sample/{MODEL}", lambda number: body % number, CONNECTIONS, seconds, accept)

    def spent() -> dict[str, float]:
        return cpu.spent(psutil.Process().children(recursive=True), PARTS)

    load(WARM_S)
    before = spent()
    psutil.cpu_percent()
    result = load(seconds)
    machine = psutil.cpu_percent() / 100
    numbers = {"API": apis, "worker": workers, "Redis": 1}
    busy = {part: (now - before[part]) / seconds / numbers[part] for part, now in spent().items()}
    return Carried(apis, workers, images, result, busy, machine)


def row(found: Carried) -> str:
    """A row of the table."""
    result = found.result
    cells = [found.images, found.apis, found.workers, f"{result.rate:,.0f}", f"{result.rate * found.images:,.0f}"]
    cells += [f"{found.busy[part]:.2f}" for part in ("API", "worker", "Redis")]
    cells.append(f"{found.processor:.2f}")
    cells += [f"{found.at_most(part):,.0f}" for part in ("API", "worker", "Redis")]
    cells += [f"{1000 * result.percentile(0.5):.0f}", found.full(), result.refused]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each run of load")
    given = parser.parse_args()
    heads = ["images each", "APIs", "workers", "predictions/s", "pictures/s", "API busy", "worker busy", "Redis busy"]
    heads += ["processor busy", "one API at most", "one worker at most", "Redis at most", "p50 ms", "full", "refused"]
    print("| " + " | ".join(heads) + " |\n|" + " ---: |" * len(heads))
    with tempfile.TemporaryDirectory() as folder:
        models.make(Path(folder))
        for apis, workers in CONFIGURATIONS:
            with running(Path(folder), apis, workers) as port:
                for images in IMAGES:
                    print(row(carried(port, apis, workers, images, given.seconds)), flush=True)


if __name__ == "__main__":
    main()
