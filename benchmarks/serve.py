"""Easel against the bare forward pass and against its peers, over HTTP, in one run: `make bench`.

For each of the two models of `benchmarks.models`: pictures a second at 1, 8, 32 and 64 requests at a time, each for one
picture, from HTTP to png and back. Servers take turns within each round, another one first in each, and the others are
stopped (SIGSTOP) meanwhile; the figure is the median of the rounds. The limit is the forward pass and the encoder in a
loop, a process on each core. The load generator runs on the same cores as the servers; its CPU time is stated.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import psutil

from benchmarks import cpu, models
from benchmarks.load import Result, drive
from benchmarks.peers import WORKERS, answering

CONCURRENCY = (1, 8, 32, 64)
SWEEP = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCHES = (8, 16, 32)
"""For the limit; the best counts."""
MEASURED_S, WARM_S, LIMIT_S = 2.0, 0.5, 1.5
PARTS = ("redis-server", "deliver", "worker", "api")


@dataclass
class Server:
    """A running server, all its processes together."""

    name: str
    port: int
    path: str
    body: Callable[[int], bytes]
    accept: str
    process: subprocess.Popen
    at: tuple[int, ...] = CONCURRENCY
    """The concurrencies that it is tuned for."""
    cells: dict[int, list[Result]] = field(default_factory=lambda: defaultdict(list))

    @property
    def processes(self) -> list[psutil.Process]:
        """Itself and its children; none once it has ended."""
        if self.process.poll() is not None:
            return []
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def signal(self, number: int) -> None:
        """To all of its processes."""
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):  # Redis saves in processes that come and go
                process.send_signal(number)

    def measure(self, connections: int) -> Result:
        """A short run of load and what CPU it took, after a shorter one to warm up."""
        self.drive(connections, WARM_S)
        before = self.cpu()
        result = self.drive(connections, MEASURED_S)
        result.server_cpu_s = {part: spent - before[part] for part, spent in self.cpu().items()}
        return result

    def drive(self, connections: int, seconds: float) -> Result:
        """Load without mercy."""
        return drive(self.port, self.path, self.body, connections, seconds, self.accept)

    def wait(self, seconds: float) -> None:
        """Until it answers a request with a picture."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.path}", self.body(0))
        request.headers = {"Content-type": "application/json", "Accept": self.accept}
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    answer.read()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part of Easel."""
        return cpu.spent(self.processes, {part: part for part in PARTS})


@contextmanager
def serving(name: str, command: list[str], port: int, path: str, body, at=CONCURRENCY, accept="image/png", **environ):
    """A server, from its start until it answers, to its end. It begins stopped."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, **environ, "EASEL_DATA_DIR": scratch}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        server = Server(name, port, path, body, accept, process, at)
        try:
            server.wait(120)
            server.signal(signal.SIGSTOP)
            yield server
        finally:
            left = server.processes
            server.signal(signal.SIGCONT)
            process.terminate()
            psutil.wait_procs(left, 15)
            for each in left:
                if each.is_running():
                    each.kill()


@contextmanager
def going(server: Server) -> Iterator[None]:
    """It runs, for once."""
    server.signal(signal.SIGCONT)
    server.wait(60)
    try:
        yield
    finally:
        server.signal(signal.SIGSTOP)


def seed(number: int) -> bytes:
    """A request for one picture."""
    return b'{"seed":%d}' % number


def seeds(number: int) -> bytes:
    """The same, for BentoML."""
    return b'{"seeds":[%d]}' % number


def servers(folder: Path, model: str, bento: Path | None) -> Iterator:
    """Easel, and unless `bento` is None the peers, with our engine and encoder and with plain ones."""
    yield serving(
        "Easel",
        [sys.executable, "-m", "cli", "up"],
        8760,
        f"/v1/sample/{model}",
        seed,
        EASEL_MODELS=str(folder),
        EASEL_PORT="8760",
        EASEL_WORKERS=str(WORKERS),
        EASEL_PRELOAD=model,
        EASEL_LOG_LEVEL="warning",
        EASEL_RESULT_TTL_S="300",
        EASEL_MAX_QUEUE="2000",
    )
    if bento is None:
        return
    target, port = str(folder / model), 8761
    for engine in ("ours", "plain"):
        for at in CONCURRENCY if engine == "ours" else (32, 64):
            batch = max(1, min(32, at // WORKERS))
            command = [sys.executable, "-m", "benchmarks.lit", target, str(port), str(batch)]
            yield serving(f"LitServe, {engine}", command, port, "/predict", seed, (at,), EASEL_BENCH_ENGINE=engine)
            port += 1
        command = [str(bento), "-m", "benchmarks.bento", target, str(port), "32"]
        at = CONCURRENCY if engine == "ours" else (32, 64)
        yield serving(
            f"BentoML, {engine}", command, port, "/generate", seeds, at, "application/json", EASEL_BENCH_ENGINE=engine
        )
        port += 1


_answering = cache(answering)


def _loop(folder: Path, batch: int) -> float:
    answer, count = _answering(folder), 0
    answer(range(batch))
    until = (began := time.perf_counter()) + LIMIT_S
    while time.perf_counter() < until:
        answer(range(count, count + batch))
        count += batch
    return count / (time.perf_counter() - began)


def limit(cores: ProcessPoolExecutor, folder: Path, batch: int) -> float:
    """Pictures a second of the forward pass and the encoder alone, a process on each core."""
    return sum(future.result() for future in [cores.submit(_loop, folder, batch) for _ in range(WORKERS)])


def compare(folder: Path, model: str, rounds: int, bento: Path | None) -> dict:
    """All figures of one model."""
    limits: dict[int, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        running = [stack.enter_context(server) for server in servers(folder, model, bento)]
        easel = running[0]
        cores = stack.enter_context(ProcessPoolExecutor(WORKERS, get_context("spawn")))
        limit(cores, folder / model, BATCHES[0])
        for turn in range(rounds):
            for batch in BATCHES:
                limits[batch].append(limit(cores, folder / model, batch))
            first = turn * len(running) // rounds
            for server in running[first:] + running[:first]:
                with going(server):
                    for at in server.at:
                        server.cells[at].append(server.measure(at))
        sweep = {}
        with going(easel):
            for at in SWEEP:
                sweep[at] = easel.measure(at)
    best = max(statistics.median(rates) for rates in limits.values())
    rates: dict[str, dict[int, float]] = defaultdict(dict)
    for server in running:
        for at, cells in server.cells.items():
            rates[server.name][at] = statistics.median(cell.rate for cell in cells)
    return {
        "model": model,
        "limit": best,
        "rates": rates,
        "cpu_ms_per_job": {
            at: {part: _ms_per_job(cells, lambda cell, part=part: cell.server_cpu_s.get(part, 0)) for part in PARTS}
            for at, cells in easel.cells.items()
        },
        "client_cpu_ms_per_job": {
            at: _ms_per_job(cells, lambda cell: cell.client_cpu_s) for at, cells in easel.cells.items()
        },
        "refused": sum(cell.refused for cells in easel.cells.values() for cell in cells),
        "sweep": {
            at: {"rate": cell.rate, "p50_ms": 1000 * cell.percentile(0.5), "p99_ms": 1000 * cell.percentile(0.99)}
            for at, cell in sweep.items()
        },
    }


def _ms_per_job(cells: list[Result], seconds: Callable[[Result], float]) -> float:
    return 1000 * sum(map(seconds, cells)) / sum(len(cell.latencies) for cell in cells)


def _head(*names: object) -> list[str]:
    return [_row(*names), "| --- |" + " ---: |" * (len(names) - 1)]


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def told(found: dict) -> str:
    """The figures of one model as Markdown."""
    rates, cpu, client = found["rates"], found["cpu_ms_per_job"], found["client_cpu_ms_per_job"]
    bare = 1000 * WORKERS / found["limit"]
    lines = [f"\n### {found['model']}: the limit is {found['limit']:.0f} pictures a second\n"]
    lines += _head("at a time", *CONCURRENCY)
    for name, measured in rates.items():
        lines.append(_row(name, *(f"{measured[at]:.0f}" if at in measured else "" for at in CONCURRENCY)))
    lines.append(_row("*Easel / limit*", *(f"{rates['Easel'][at] / found['limit']:.2f}" for at in CONCURRENCY)))
    for engine in ("ours", "plain"):
        peers = [measured for name, measured in rates.items() if name.endswith(engine)]
        best = {at: max((measured[at] for measured in peers if at in measured), default=0) for at in CONCURRENCY}
        ratios = (f"{rates['Easel'][at] / best[at]:.2f}" if best[at] else "" for at in CONCURRENCY)
        lines.append(_row(f"*Easel / best peer, {engine}*", *ratios))
    lines += ["", *_head("CPU ms a job", *CONCURRENCY)]
    for part in PARTS:
        lines.append(_row(part, *(f"{cpu[at][part]:.2f}" for at in CONCURRENCY)))
    besides = (f"{sum(cpu[at].values()) - bare:.2f}" for at in CONCURRENCY)
    lines.append(_row(f"*besides {bare:.2f} of forward pass and encoder*", *besides))
    lines.append(_row("load generator", *(f"{client[at]:.3f}" for at in CONCURRENCY)))
    lines += ["", *_head("at a time", "pictures/s", "p50 ms", "p99 ms")]
    for at, cell in found["sweep"].items():
        lines.append(_row(at, f"{cell['rate']:.0f}", f"{cell['p50_ms']:.1f}", f"{cell['p99_ms']:.1f}"))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(models.MODELS), choices=list(models.MODELS))
    parser.add_argument("--bento", type=Path, help="a Python that has BentoML; without it, no peers")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        models.make(Path(scratch))
        found = []
        for model in given.models:
            found.append(compare(Path(scratch), model, given.rounds, given.bento))
            print(told(found[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
