"""Translators at 256 pixels, random weights, one thread: `python -m benchmarks.translators engines`, and `served`.

`engines`: milliseconds of a forward pass of one picture by network and by how it is run; engines take turns, and the
fastest pass counts. `served`: pictures a second from HTTP to png, each by a request of its own, against the bare
forward pass at the same batch; they take turns, and the server is stopped (SIGSTOP) during the bare pass.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engines import best_ms
from benchmarks.serve import Server, serving
from models import checkpoint
from models.capabilities import directions_of
from models.card import Card, Serving, Task
from models.model import Model, build
from models.registry import Registry
from pictures import codec
from pictures.formats import ImageFormat
from tasks import compilation, operations

SIDE, BATCH, PORT = 256, 4, 8762
TURNS = 5
"""Pictures that each caller gets at least, the first of which is not counted."""
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "unet-64": ("pix2pix", {"size": SIDE, "width": 64}),
    "unet-32": ("pix2pix", {"size": SIDE, "width": 32}),
    "resnet9-64": ("cyclegan", {"width": 64, "blocks": 9}),
    "resnet9-32": ("cyclegan", {"width": 32, "blocks": 9}),
    "resnet9-16": ("cyclegan", {"width": 16, "blocks": 9}),
    "resnet6-32": ("cyclegan", {"width": 32, "blocks": 6}),
}
TRANSLATE = operations.OPERATIONS[Task.TRANSLATE]


def made(folder: Path, name: str) -> tuple[Model, Card]:
    """A model of `NETWORKS`, written into `folder` too."""
    family, config = NETWORKS[name]
    torch.manual_seed(0)
    model = build(family, config).eval().requires_grad_(False)
    card = Card(
        name=name,
        family=family,
        summary="Random weights, for measuring speed",
        config=config,
        tasks=operations.tasks_of(model),
        image=ImageFormat(height=SIDE, width=SIDE, channels=3),
        directions=directions_of(model),
        weights=checkpoint.write(model, folder / name),
        serving=Serving(max_batch=BATCH, timeout_s=600),
        licence="none",
    )
    card.write(folder / name)
    return model, card


@torch.inference_mode()
def engines(name: str) -> str:
    """The row of a network: millions of parameters, and milliseconds of eager torch, of channels_last, of bf16 with it,
    and of ONNX Runtime."""
    with tempfile.TemporaryDirectory() as scratch:
        plain, card = made(Path(scratch), name)
        last = checkpoint.read(Path(scratch) / name).to(memory_format=torch.channels_last)
    rows = TRANSLATE.probe(plain, card, 3)
    one = {"images": rows.tensors["images"][:1]}
    direction = rows.options["direction"]
    onnx = compilation.compile(plain, TRANSLATE, rows, 1)

    def half() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            last.translate(one["images"], direction)

    calls: dict[str, Callable[[], object]] = {
        "eager": lambda: plain.translate(one["images"], direction),
        "channels_last": lambda: last.translate(one["images"], direction),
        "bf16": half,
        "onnx": lambda: onnx(one),
    }
    for call in calls.values():
        call()
    found = best_ms(calls, least=3)
    parameters = sum(parameter.numel() for parameter in plain.parameters()) / len(directions_of(plain)) / 1e6
    return f"| {name} | {parameters:.1f} | " + " | ".join(f"{found[engine]:.0f}" for engine in calls) + " |"


def bare(folder: Path, name: str) -> Callable[[int, float], float]:
    """What measures pictures a second of the forward pass alone, as the engine runs it, by batch and seconds."""
    entry = Registry([folder])[name]
    model = checkpoint.read(entry.folder, entry.card)
    rows = TRANSLATE.probe(model, entry.card, max(BATCH, 3))
    run = compilation.compile(model, TRANSLATE, rows, 1)

    def rate(batch: int, seconds: float) -> float:
        some = {"images": rows.tensors["images"][:batch]}
        run(some)
        count, until = 0, (began := time.perf_counter()) + seconds
        while time.perf_counter() < until:
            run(some)
            count += batch
        return count / (time.perf_counter() - began)

    return rate


def uploaded(port: int) -> bytes:
    """A request that names a picture of noise, which is uploaded."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    headers = {"Content-Type": "image/png"}
    sent = urllib.request.Request(f"http://127.0.0.1:{port}/v1/uploads", codec.encode(pixels), headers)
    with urllib.request.urlopen(sent, timeout=10) as answer:
        upload = json.loads(answer.read())["id"]
    return json.dumps({"image": f"upload:{upload}"}).encode()


def from_http(server: Server, connections: int, seconds: float) -> float:
    """Pictures a second of so many callers who each wait for their picture: by Little's law, callers over latency."""
    latencies = server.drive(connections, seconds).latencies[connections:]
    return connections / statistics.mean(latencies)


def served(name: str, rounds: int, seconds: float) -> str:
    """The rows of a network, for one caller and for two batches of callers."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made(folder, name)
        command = [sys.executable, "-m", "cli", "up"]
        environment = {"MODELS": scratch, "PORT": PORT, "THREADS": 1, "PRELOAD": name, "LOG_LEVEL": "warning"}
        environment = {f"EASEL_{key}": str(value) for key, value in environment.items()}
        first = json.dumps({"image": pictures_uri()}).encode()
        path = f"/v1/translate/{name}"
        with serving("Easel", command, PORT, path, lambda number: first, **environment) as server:
            alone = bare(folder, name)
            server.signal(signal.SIGCONT)
            order = uploaded(PORT)
            server.body = lambda number: order
            print(f"{name}: measuring", file=sys.stderr, flush=True)
            found: dict[int, tuple[list[float], list[float]]] = {1: ([], []), BATCH: ([], [])}
            for _ in range(rounds):
                for batch, (http, forward) in found.items():
                    server.signal(signal.SIGSTOP)
                    forward.append(alone(batch, seconds / 2))
                    server.signal(signal.SIGCONT)
                    callers = 1 if batch == 1 else 2 * batch
                    http.append(from_http(server, callers, max(seconds, TURNS * callers / forward[-1])))
    lines = []
    for batch, (http, forward) in found.items():
        ours, limit = statistics.median(http), statistics.median(forward)
        lines.append(f"| {name} | {batch} | {ours:.2f} | {limit:.2f} | {ours / limit:.2f} |")
    return "\n".join(lines)


def pictures_uri() -> str:
    """A small picture as a data: URI."""
    return "data:image/png;base64," + base64.b64encode(codec.encode(np.zeros((8, 8, 3), np.uint8))).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("engines", "served"))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of one measurement of `served`")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    if given.what == "engines":
        print("| network | million parameters | eager | channels_last | bf16 | ONNX Runtime |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
    else:
        print("| network | batch | from HTTP to png, a second | bare | ratio |")
        print("| --- | ---: | ---: | ---: | ---: |")
    for name in given.networks:
        print(engines(name) if given.what == "engines" else served(name, given.rounds, given.seconds), flush=True)


if __name__ == "__main__":
    main()
