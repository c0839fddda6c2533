"""The two generators that the benchmarks serve, with random weights: `python -m benchmarks.models FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from models import checkpoint
from models.card import Card, Serving
from models.model import build
from pictures.formats import ImageFormat
from tasks import operations

MODELS: dict[str, dict[str, Any]] = {
    "bench-dcgan": {"size": 64, "channels": 3, "latent": 100, "width": 64},
    "bench-small": {"size": 28, "channels": 1, "latent": 128, "width": 64},
}
"""`bench-dcgan` has 3.6 million parameters and makes 64 x 64 RGB; `bench-small` has 0.9 million and makes 28 x 28."""


def make(folder: Path) -> None:
    """Writes both models into `folder`, ready to be served by `EASEL_MODELS=folder`."""
    for name, config in MODELS.items():
        write(folder, name, "dcgan", config, (config["size"], config["channels"]), Serving(max_batch=32))


def write(
    folder: Path,
    name: str,
    family: str,
    config: dict[str, Any],
    image: tuple[int, int],
    serving: Serving,
    precision: torch.dtype = torch.float16,
    **card: Any,
) -> None:
    """Writes a model with random weights.

    Args:
        image: the side of its images, and their channels.
        card: what else its card says.
    """
    torch.manual_seed(0)
    model = build(family, config).eval()
    size, channels = image
    Card(
        name=name,
        family=family,
        summary="Random weights, for measuring speed",
        config=config,
        tasks=operations.tasks_of(model),
        image=ImageFormat(height=size, width=size, channels=channels),
        native=model.native,
        weights=checkpoint.write(model, folder / name, precision),
        serving=serving,
        licence="none",
        **card,
    ).write(folder / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
