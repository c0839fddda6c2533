"""A worker whose model computes nothing and takes as long as a GPU would: `python -m benchmarks.simulated_worker`.

All else is as `easel worker` does it, the encoder too, and it is set up by the same variables.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from core.settings import get_settings
from models.card import Task
from models.model import Steps
from workers import entrypoint, worker
from workers.engine import Engine
from workers.model_memory import LoadedModel

RATE = 5000
"""Pictures a second that the simulated processor makes."""


class SimulatedEngine(Engine):
    """Sleeps instead of computing, and gives the same smooth picture each time."""

    def _apply(
        self, loaded: LoadedModel, task: Task, tensors: dict[str, Tensor], options: dict[str, Any]
    ) -> Tensor | Steps:
        count = len(next(iter(tensors.values())))
        time.sleep(count / RATE)
        image = loaded.card.image
        shape = (image.channels, image.height, image.width)
        return torch.linspace(-1, 1, image.channels * image.height * image.width).view(shape).expand(count, *shape)


if __name__ == "__main__":
    entrypoint.Engine = SimulatedEngine
    worker.run(get_settings())
