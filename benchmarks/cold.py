"""From a cold worker to its first picture, against what has to be done for it: `python -m benchmarks.cold [MODEL …]`.

For every shipped model, and a CycleGAN's ResNet of 9 blocks (ngf 64, 256 pixels) with random weights: reading the
weights, building the engine and one pass; the engine's first answer, with nothing in memory or on disk; and that of a
worker that finds what an earlier one has measured. Each in a process of its own that has imported everything and
computed nothing, on one thread. CPU seconds, the least of several rounds in which the three take turns.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
import torch.onnx.utils  # which the first export would import

from benchmarks import models
from jobs.prediction import Order
from models import checkpoint
from models.card import Card, Serving
from models.model import final_images
from models.registry import SHIPPED, Entry, Registry
from tasks import compilation
from tasks.operation import Rows
from tasks.operations import OPERATIONS
from workers.engine import Engine
from workers.work import Work

ROUNDS = 3
RESNET = "resnet-9-blocks"
GOAL = 1.3


def make_resnet(folder: Path) -> None:
    """Writes the generator of the reference CycleGAN, as `easel import` takes it."""
    config = {"a_to_b": {"network": "resnet", "width": 64, "blocks": 9, "norm": "instance"}}
    about = {"domains": {"A": "a", "B": "b"}, "directions": ("AtoB",)}
    models.write(folder, RESNET, "imported-cyclegan", config, (256, 3), Serving(max_batch=8), torch.float32, **about)


def first_answer(registry: Registry, entry: Entry, measured: Path) -> Callable[[], object]:
    """What a worker does for the first request of a model."""
    engine = Engine(registry, "cpu", threads=1, measured=measured)
    task = next(iter(entry.card.tasks))
    order = Order(model=entry.card.name, task=task, input={}, version=entry.card.weights.sha256)

    def answer() -> None:
        loaded = engine.load_version(entry)
        work = Work(order).prepared(one_row(loaded.model, entry.card), entry, 0, time.monotonic())
        engine.compile(work)
        engine.run([work])

    return answer


@torch.inference_mode()
def least_work(entry: Entry) -> None:
    """Reading the weights, building the engine without a look at what comes out, one pass of the model's own size."""
    with torch.inference_mode(False):  # some models take gradients
        model = checkpoint.read(entry.folder, entry.card)
    operation = OPERATIONS[next(iter(entry.card.tasks))]
    rows = one_row(model, entry.card)
    tensors = {name: torch.cat([tensor] * model.own_batch) for name, tensor in rows.tensors.items()}
    typical = operation.probe(model, entry.card, 3)
    try:
        run = compilation.compile(model, operation, typical, 1, compilation.Assurance.WHOLLY)
        run(tensors)
    except compilation.CannotCompile:
        final_images(operation.apply(model, tensors, **rows.options))


def one_row(model: torch.nn.Module, card: Card) -> Rows:
    """A typical request for one image."""
    return OPERATIONS[next(iter(card.tasks))].probe(model, card, 1)  # type: ignore[arg-type]


def in_a_process(call: Callable[[], object]) -> float:
    """CPU seconds of a call, in a child that ends with it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            started = time.process_time()
            call()
            os.write(write, json.dumps(time.process_time() - started).encode())
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as told:
        seconds = told.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"it ended with status {status}")
    return json.loads(seconds)


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        make_resnet(Path(scratch) / "models")
        registry = Registry([SHIPPED, Path(scratch) / "models"])
        entries = [entry for entry in registry.served() if not names or entry.card.name in names]
        print("| model, task | weights, engine, one pass: s | first answer: s | ratio | after a restart: s | ratio |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        worst = 0.0
        for entry in entries:
            kept = Path(scratch) / "kept"
            in_a_process(lambda: first_answer(registry, entry, kept)())  # noqa: B023
            best = [float("inf")] * 3
            for number in range(ROUNDS):
                fresh = Path(scratch) / f"{entry.card.name}-{number}"
                calls = (
                    lambda: least_work(entry),  # noqa: B023
                    lambda: first_answer(registry, entry, fresh)(),  # noqa: B023
                    lambda: first_answer(registry, entry, kept)(),  # noqa: B023
                )
                best = [min(one, in_a_process(call)) for one, call in zip(best, calls, strict=True)]
            least, first, again = best
            worst = max(worst, first / least)
            what = f"{entry.card.name}, {next(iter(entry.card.tasks))}"
            print(f"| {what} | {least:.2f} | {first:.2f} | {first / least:.2f} | {again:.2f} | {again / least:.2f} |")
            sys.stdout.flush()
        print(f"\nThe largest ratio of a first answer is {worst:.2f}; {GOAL} is the goal.")


if __name__ == "__main__":
    main(sys.argv[1:])
