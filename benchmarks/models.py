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
        torch.manual_seed(0)
        model = build("dcgan", config).eval()
        weights = checkpoint.write(model, folder / name)
        Card(
            name=name,
            family="dcgan",
            summary="Random weights, for measuring speed",
            config=config,
            tasks=operations.tasks_of(model),
            image=ImageFormat(height=config["size"], width=config["size"], channels=config["channels"]),
            weights=weights,
            serving=Serving(max_batch=32),
            licence="none",
        ).write(folder / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
