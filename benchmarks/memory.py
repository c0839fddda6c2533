"""Memory: what processes hold, and that neither switching models nor making predictions lets it grow.

`python -m benchmarks.memory idle`, `… switches` (200 of them), `… predictions` (50,000) and `… kept` (what Redis holds
of a prediction that has ended, with pictures in Redis and in a store). Each prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import httpx

from benchmarks.load import drive
from core import logs
from core.embedded_redis import EmbeddedRedis
from core.redis_connections import connect
from core.settings import Settings
from jobs.keys import picture_key
from jobs.prediction import Order
from models.registry import SHIPPED, Registry
from tests import zoo
from tests.conftest import free_port

SWITCHES = 200
PREDICTIONS = 50_000
TTL_S = 10
KEPT = 50
PICTURES = picture_key("").encode()
SWITCHED = {"mnist-dcgan": {}, "mnist-cgan": {"label": "7"}, "mnist-vae": {}}
"""Shipped models, and what their inputs must have."""


def resident_mb(pid: int | str = "self") -> float:
    """What a process holds in memory (VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


class Easel:
    """A Redis, an API and a worker on 127.0.0.1."""

    def __init__(self, folder: Path, **settings: object):
        self.redis = EmbeddedRedis(folder / "redis")
        self.port = free_port()
        given = {"redis_url": self.redis.url, "port": self.port, "threads": 1, "log_level": "warning", **settings}
        self.environment = {**os.environ, **{f"EASEL_{name.upper()}": str(value) for name, value in given.items()}}

    def __enter__(self) -> Easel:
        self.redis.start()
        run = [sys.executable, "-m", "cli"]
        self.api, self.worker = (subprocess.Popen([*run, name], env=self.environment) for name in ("api", "worker"))
        while not self._ready():
            time.sleep(0.1)
        return self

    def _ready(self) -> bool:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz?worker=1").status == 200
        except OSError:
            return False

    def ask(self, model: str, given: dict[str, str]) -> None:
        """One prediction, from its request to its picture."""
        url = f"http://127.0.0.1:{self.port}/v1/sample/{model}?{urlencode(given)}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"))

    def __exit__(self, *exc: object) -> None:
        for process in (self.api, self.worker):
            process.terminate()
            process.wait(60)
        self.redis.stop()

    @property
    def row(self) -> str:
        """API, worker, Redis as it sees itself, keys."""
        with connect(self.redis.url) as redis:
            used = redis.info("memory")["used_memory"] / 2**20
            return (
                f"{resident_mb(self.api.pid):.0f} | {resident_mb(self.worker.pid):.0f} | {used:.1f} | {redis.dbsize()}"
            )


def idle(folder: Path) -> None:
    """What a fresh API and a fresh worker hold, and what each model adds to a worker."""
    with Easel(folder) as easel:
        time.sleep(5)
        before = resident_mb(easel.worker.pid)
        print(f"idle: API {resident_mb(easel.api.pid):.0f} MB, worker without a model {before:.0f} MB")
        for model, given in SWITCHED.items():
            easel.ask(model, given)
            now = resident_mb(easel.worker.pid)
            print(f"{model}: {now - before:+.0f} MB")
            before = now


def switches(folder: Path) -> None:
    """One model after another, under a budget that holds the largest alone."""
    from workers.engine import Engine
    from workers.work import Work

    logs.configure(Settings(log_level="warning"))
    registry = Registry([SHIPPED])
    engine = Engine(registry, "cpu", 1, max(registry[name].card.weights.parameters for name in SWITCHED) * 4)
    print("| switches | MB |\n| --- | --- |")
    for count, name in zip(range(SWITCHES + 1), itertools.cycle(SWITCHED), strict=False):
        given = {"n": 1, "seed": count, **SWITCHED[name]}
        order = Order(model=name, task=next(iter(registry[name].card.tasks)), input=given)
        engine.run([engine.prepare(Work(order))])
        if count % 20 == 0:
            print(f"| {count} | {resident_mb():.0f} |", flush=True)
    print(f"in memory at the end: {', '.join(engine.memory.names)}")


def predictions(folder: Path) -> None:
    """Many predictions whose results are kept for a short time, and then nothing of them."""
    zoo.make(folder / "zoo", "toy-dcgan")
    body = json.dumps({"model": "toy-dcgan", "input": {"n": 1}}).encode()
    with Easel(folder, models=folder / "zoo", result_ttl_s=TTL_S) as easel:
        easel.ask("toy-dcgan", {})
        print("| predictions | API MB | worker MB | Redis MB | keys |\n| --- | --- | --- | --- | --- |")
        print(f"| 1 | {easel.row} |")
        made, step = 1, 0
        while made < PREDICTIONS:
            made += len(drive(easel.port, "/v1/predictions", lambda number: body, 64, 5).latencies)
            if made >= step:
                print(f"| {made} | {easel.row} |", flush=True)
                step += PREDICTIONS // 10
        time.sleep(TTL_S + 20)  # registries are cleaned every 15 s
        print(f"| {TTL_S + 20} s later | {easel.row} |")
        with connect(easel.redis.url) as redis:
            print("left:", ", ".join(sorted({key.decode().split(":worker:")[0] for key in redis.scan_iter()})))


def kept(folder: Path) -> None:
    """What Redis holds of a prediction that has ended, by its own MEMORY USAGE of all keys."""
    picture = Path("models/zoo/horse2zebra-cyclegan/examples/A-0.png").read_bytes()
    print("| model | bytes of the picture | bytes in Redis | with a store |\n| --- | ---: | ---: | ---: |")
    held: dict[str, list[int]] = {}
    files: dict[str, int] = {}
    for store in (None, f"file://{folder}/pictures"):
        with Easel(folder / ("store" if store else "redis"), **({"store": store} if store else {})) as easel:
            for model, task, files_of in (
                ("mnist-cgan", "sample", {}),
                ("horse2zebra-cyclegan", "translate", {"image": picture}),
            ):
                with httpx.Client(base_url=f"http://127.0.0.1:{easel.port}", timeout=300) as client:
                    fields = {"label": "7"} if task == "sample" else {"direction": "AtoB"}

                    def ask(client=client, url=f"/v1/{task}/{model}", fields=fields, files_of=files_of) -> int:
                        return len(client.post(url, data=fields, files=files_of).raise_for_status().content)

                    ask()
                    before = _held(easel)
                    files[model] = ask()
                    for _ in range(KEPT - 1):
                        ask()
                    held.setdefault(model, []).append((_held(easel) - before) // KEPT)
    for model, (without, with_store) in held.items():
        print(f"| {model} | {files[model]:,} | {without:,} | {with_store:,} |")


def _held(easel: Easel) -> int:
    """Bytes of all keys but the pictures that were sent, which are kept in Redis either way."""
    with connect(easel.redis.url) as redis:
        names = [name for name in redis.scan_iter(count=1000) if not name.startswith(PICTURES)]
        return sum(redis.memory_usage(name, samples=0) or 0 for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["idle", "switches", "predictions", "kept"])
    what = {"idle": idle, "switches": switches, "predictions": predictions, "kept": kept}[parser.parse_args().what]
    with tempfile.TemporaryDirectory() as folder:
        what(Path(folder))


if __name__ == "__main__":
    main()
