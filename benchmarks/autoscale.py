"""Workers come and go under load, as KEDA would have it of `deploy/kubernetes`, and every prediction is accounted for.

`python -m benchmarks.autoscale --minutes 2`. An API that accepts without workers and a Redis, on 127.0.0.1; at the
start there is no worker. The script plays the autoscaler: it reads the figure that the ScaledObject names, and starts
`easel worker` or sends SIGTERM. Ends with status 1 if a prediction was lost or failed, or a worker did not leave.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks import models
from core.embedded_redis import EmbeddedRedis
from tests.conftest import free_port

SCALED = Path(__file__).parents[1] / "deploy/kubernetes/scaling/worker.yaml"
MODEL = "bench-dcgan"
IMAGES = 32
POLLING_S = 2.0
"""KEDA asks every 10 s; here, more often, so that minutes are enough."""
COOLDOWN_S = 8.0
"""Without work for so long, the last worker goes; KEDA waits for minutes."""
MOST = 3
"""Workers, on a machine of few cores."""


class Autoscaler:
    """What KEDA and the horizontal pod autoscaler do of one ScaledObject with one trigger."""

    def __init__(self, scaled: dict[str, Any], target: float, start: Any):
        """
        Args:
            scaled: the ScaledObject.
            target: of the figure that is scaled by, for each worker.
            start: starts a worker and returns its process.
        """
        location = scaled["spec"]["triggers"][0]["metadata"]["valueLocation"]
        self.pool = location.partition('"')[2].partition('"')[0]
        self.figure = location.rpartition(".")[2]
        self.least = scaled["spec"]["minReplicaCount"]
        self.target, self.start = target, start
        self.workers: list[subprocess.Popen[bytes]] = []
        self.leaving: list[subprocess.Popen[bytes]] = []
        self.idle_since = time.monotonic()
        self.seen: list[tuple[float, int]] = []

    def act(self, report: dict[str, Any]) -> None:
        """Brings the number of workers to what the report of `/v1/queue` asks for."""
        (pool,) = [each for each in report["pools"] if each["name"] == self.pool]
        work = pool[self.figure]
        self.seen.append((work, len(self.workers)))
        if work > 0:
            self.idle_since = time.monotonic()
        wanted = min(MOST, math.ceil(work / self.target))
        if wanted == 0 and time.monotonic() - self.idle_since < COOLDOWN_S:
            wanted = 1 if self.workers else 0
        wanted = max(wanted, self.least)
        while len(self.workers) < wanted:
            self.workers.append(self.start())
        while len(self.workers) > wanted:
            leaving = self.workers.pop()
            leaving.send_signal(signal.SIGTERM)
            self.leaving.append(leaving)

    def drained(self) -> list[int]:
        """The exit statuses of the workers that were told to leave, once all have."""
        return [each.wait(120) for each in self.leaving]


async def load(client: httpx.AsyncClient, until: float) -> list[str]:
    """Bursts with pauses between them, so that workers are needed and then are not; the ids of what was accepted."""
    accepted = []
    while time.monotonic() < until:
        for _ in range(random.randint(20, 60)):
            body = {"model": MODEL, "input": {"n": IMAGES, "seed": len(accepted)}}
            answer = await client.post("/v1/predictions", json=body, headers={"Prefer": "respond-async"})
            answer.raise_for_status()
            accepted.append(answer.json()["id"])
        await asyncio.sleep(random.uniform(2, 25))
    return accepted


async def scale(autoscaler: Autoscaler, client: httpx.AsyncClient, loading: asyncio.Task[list[str]]) -> None:
    """Until the load has ended and the last worker has been told to leave."""
    while not loading.done() or autoscaler.workers:
        answer = await client.get("/v1/queue")
        autoscaler.act(answer.raise_for_status().json())
        await asyncio.sleep(POLLING_S)


async def run(url: str, autoscaler: Autoscaler, seconds: float) -> Counter[str]:
    """What became of the predictions, by status."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        while True:
            try:
                (await client.get("/readyz")).raise_for_status()
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
        loading = asyncio.create_task(load(client, time.monotonic() + seconds))
        await scale(autoscaler, client, loading)
        ends: Counter[str] = Counter()
        for prediction in loading.result():
            ends[(await client.get(f"/v1/predictions/{prediction}")).json()["status"]] += 1
        return ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--target", type=float, default=1, help="seconds of work for each worker; the manifest has 30")
    given = parser.parse_args()
    random.seed(0)
    scaled = next(each for each in yaml.safe_load_all(SCALED.read_text()) if each["kind"] == "ScaledObject")
    with tempfile.TemporaryDirectory() as name, Path(name, "log").open("w") as sink:
        folder, port = Path(name), free_port()
        models.make(folder / "models")
        redis = EmbeddedRedis(folder / "redis")
        redis.start()
        environment = {
            **os.environ,
            "EASEL_REDIS_URL": redis.url,
            "EASEL_MODELS": str(folder / "models"),
            "EASEL_PORT": str(port),
            "EASEL_THREADS": "1",
            "EASEL_ACCEPT_WITHOUT_WORKERS": "true",
        }

        def start(command: str = "worker") -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-m", "cli", command], env=environment, stdout=sink, stderr=sink)

        api, autoscaler = start("api"), Autoscaler(scaled, given.target, start)
        try:
            ends = asyncio.run(run(f"http://127.0.0.1:{port}", autoscaler, given.minutes * 60))
            statuses = autoscaler.drained()
        finally:
            for process in (*autoscaler.workers, api):
                process.terminate()
            api.wait(60)
            redis.stop()
    counts = [count for _, count in autoscaler.seen]
    started = Counter("in work" if status == 0 else "while they started" for status in statuses)
    print(f"predictions of {IMAGES} images: {dict(ends)}")
    print(f"most that waited or ran: {max(autoscaler.seen)[0]:.0f} s of one worker's work")
    print(f"at most {max(counts)} workers at once, none in {counts.count(0)} of {len(counts)} looks")
    print(f"workers told to leave: {dict(started)}")
    if set(ends) != {"succeeded"} or not set(statuses) <= {0, -signal.SIGTERM}:
        sys.exit("something was lost")


if __name__ == "__main__":
    main()
