"""Eager torch against ONNX Runtime, for each model and task that ships: `python -m benchmarks.engines`, one thread.

Milliseconds an image, the best of many passes, engines taking turns; and how far apart the images are. For the two
models of `benchmarks.models` also with the batch norms folded into the convolutions.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks import models
from models import checkpoint
from models.registry import Registry
from tasks import compilation
from tasks.operations import OPERATIONS

BATCHES = (1, 8)
SECONDS = 0.4
ZOO = Path(checkpoint.__file__).parent / "zoo"


def best_ms(calls: dict[str, Callable[[], object]], least: int = 1) -> dict[str, float]:
    """The fastest pass of each, in ms; they take turns, `least` ones each."""
    best = dict.fromkeys(calls, float("inf"))
    rounds, until = 0, time.perf_counter() + SECONDS * len(calls)
    while rounds < least or time.perf_counter() < until:
        rounds += 1
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            best[name] = min(best[name], 1000 * (time.perf_counter() - began))
    return best


def folded(net: nn.Sequential) -> nn.Sequential:
    """The same function, each batch norm in the weights of the convolution before it."""
    layers: list[nn.Module] = []
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            transposed = isinstance(layers[-1], nn.ConvTranspose2d)
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=transposed)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        models.make(Path(scratch))
        print("| model, task | batch | eager | folded | ONNX Runtime | ratio | apart |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for entry in Registry([Path(scratch), ZOO]).served():
            for task in entry.card.tasks:
                measure(entry, OPERATIONS[task])


def measure(entry, operation) -> None:
    """Prints the rows of one task of one model; none if it is left to torch."""
    card = entry.card
    model = checkpoint.read(entry.folder, card).to(memory_format=torch.channels_last)
    rows = operation.probe(model, card, max(BATCHES))
    try:
        run = compilation.compile(model, operation, rows, 1)
    except compilation.CannotCompile as reason:
        print(f"| {card.name}, {operation.task.value} | | | | {reason} | | |")
        return
    for batch in BATCHES:
        some = {name: tensor[:batch] for name, tensor in rows.tensors.items()}
        calls = {
            "eager": lambda some=some: operation.apply(model, some, **rows.options),
            "onnx": lambda some=some: run(some),
        }
        if card.name in models.MODELS:
            net = folded(model.generator.net).to(memory_format=torch.channels_last)
            calls["folded"] = lambda some=some, net=net: net(some["latent"][:, :, None, None])
        found = {name: ms / batch for name, ms in best_ms(calls).items()}
        apart = (calls["onnx"]() - calls["eager"]()).abs().max().item()
        fold = f"{found['folded']:.2f}" if "folded" in found else ""
        print(
            f"| {card.name}, {operation.task.value} | {batch} | {found['eager']:.2f} | {fold} | {found['onnx']:.2f} "
            f"| {found['eager'] / found['onnx']:.2f} | {apart:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
