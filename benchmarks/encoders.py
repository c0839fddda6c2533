"""Ways to write a png, on pictures that shipped models make: `python -m benchmarks.encoders`, one thread.

Microseconds a picture, the best of many, and bytes. `png.write` is what Easel uses, by its level; 0 is fastest.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from benchmarks.engines import ZOO
from models import checkpoint, pictures, png
from models.operations import OPERATIONS, to_pixels
from models.registry import Registry

PICTURES = {"mnist-cgan": 28, "facades-pix2pix": 128, "horse2zebra-cyclegan": 128}


def by_pillow(pixels: np.ndarray, level: int) -> bytes:
    """Pillow's own encoder, which picks a filter for each line."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "Pillow, level 6": lambda pixels: by_pillow(pixels, 6),
    "Pillow, level 1": lambda pixels: by_pillow(pixels, 1),
    "png.write, level 3": lambda pixels: png.write(pixels, level=3),
    "png.write, level 1": lambda pixels: png.write(pixels, level=1),
    "png.write, level 0": lambda pixels: png.write(pixels, level=0),
    "JPEG, quality 90": lambda pixels: pictures.encode(pixels, "jpg"),
    "WebP, quality 90": lambda pixels: pictures.encode(pixels, "webp"),
}


def best_us(call: Callable[[], object], seconds: float = 0.3) -> float:
    """The fastest of many calls."""
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return 1e6 * best


@torch.inference_mode()
def made(name: str) -> np.ndarray:
    """A picture that the model makes of typical input."""
    entry = Registry([ZOO])[name]
    model = checkpoint.read(entry.folder, entry.card)
    operation = OPERATIONS[next(iter(entry.card.tasks))]
    rows = operation.probe(model, entry.card, 4)
    return to_pixels(operation.apply(model, rows.tensors, **rows.options))[3]


def main() -> None:
    torch.set_num_threads(1)
    samples = {name: made(name) for name in PICTURES}
    print("| encoder | " + " | ".join(f"{name}, us | bytes" for name in samples) + " |")
    print("| --- |" + " ---: | ---: |" * len(samples))
    for label, encode in ENCODERS.items():
        cells = [
            f"{best_us(lambda pixels=pixels: encode(pixels)):.0f} | {len(encode(pixels)):,}"  # noqa: B023
            for pixels in samples.values()
        ]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
