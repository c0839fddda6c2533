"""What the peers serve: the same generator and the same noise, as `benchmarks.lit` and `benchmarks.bento` do it.

By `EASEL_BENCH_ENGINE` the forward pass and the encoder are `ours` (ONNX Runtime, ISA-L) or `plain` (eager torch and
Pillow, as one would write it first).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.encoders import by_pillow
from models import checkpoint, noise
from models.card import Card, Task
from pictures import codec
from tasks import compilation
from tasks.operation import to_pixels
from tasks.operations import OPERATIONS

Answer = Callable[[Sequence[int]], list[bytes]]
WORKERS = os.cpu_count() or 1
"""Processes of one thread each: on few cores that beats one process of several threads, for all of the servers."""


def answering(folder: Path) -> Answer:
    """From seeds to png files, in one forward pass."""
    torch.set_num_threads(1)
    card = Card.read(folder)
    model = checkpoint.read(folder, card)
    operation = OPERATIONS[Task.SAMPLE]
    ours = os.environ.get("EASEL_BENCH_ENGINE", "ours") == "ours"
    forward = compilation.compile(model, operation, operation.probe(model, card, 3), 1) if ours else None

    @torch.inference_mode()
    def answer(seeds: Sequence[int]) -> list[bytes]:
        latent = noise.normal(seeds, model.latent_shape)
        images = forward({"latent": latent}) if forward else model.sample(latent)
        encode = codec.encode if ours else by_pillow
        return [encode(pixels) for pixels in to_pixels(images)]

    return answer
