"""Ways to write a png, on pictures that shipped models make: `python -m benchmarks.encoders`, one thread.

Microseconds a picture, the best of many, and bytes. `png.write` is what Easel uses, by its level; 0 is fastest.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image

from benchmarks.engines import ZOO, best_ms
from models import checkpoint
from models.registry import Registry
from pictures import codec, png
from tasks.operation import to_pixels
from tasks.operations import OPERATIONS

PICTURES = {"mnist-cgan": 28, "facades-pix2pix": 128, "horse2zebra-cyclegan": 128}


def by_pillow(pixels: np.ndarray, level: int = 6) -> bytes:
    """Pillow's own encoder, which picks a filter for each line; level 6 is its default."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "Pillow, level 6": by_pillow,
    "Pillow, level 1": partial(by_pillow, level=1),
    "png.write, level 3": partial(png.write, level=3),
    "png.write, level 1": partial(png.write, level=1),
    "png.write, level 0": partial(png.write, level=0),
    "JPEG, quality 90": partial(codec.encode, format="jpg"),
    "WebP, quality 90": partial(codec.encode, format="webp"),
}


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
    best = [
        best_ms({label: partial(encode, pixels) for label, encode in ENCODERS.items()}) for pixels in samples.values()
    ]
    for label, encode in ENCODERS.items():
        cells = [
            f"{1000 * ms[label]:.0f} | {len(encode(pixels)):,}"
            for ms, pixels in zip(best, samples.values(), strict=True)
        ]
        print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
