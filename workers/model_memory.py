"""The models in memory: up to a budget of bytes, the least recently used dropped first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import torch

from core import logs
from models import checkpoint, devices
from models.card import Card, Task
from models.model import Model
from models.registry import Entry
from tasks.compilation import Compiled
from workers.exactness import ExactSizes
from workers.metrics import WorkerMetrics
from workers.work import PredictionError

log = logs.get(__name__)

_OUT_OF_MEMORY = ("can't allocate memory", "Failed to allocate memory", "bad_alloc")


@dataclass
class LoadedModel:
    """A model in memory."""

    card: Card
    model: Model
    bytes: int
    sizes: dict[Task, ExactSizes] = field(default_factory=dict)
    native_sizes: OrderedDict[tuple, ExactSizes] = field(default_factory=OrderedDict)
    """Of pictures that do not have the model's own size: by the forward pass of the task, and the rows' key."""
    compiled: dict[tuple, Compiled | None] = field(default_factory=dict)
    """By the forward pass of the task, and options; None where only eager torch will do."""


class ModelMemory:
    """Reads models onto a device and drops them. Not safe for threads."""

    def __init__(self, device: torch.device, budget_bytes: int, metrics: WorkerMetrics):
        self.device, self.budget_bytes, self.metrics = device, budget_bytes, metrics
        self.loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        """By name, in the order in which they would be dropped."""

    def get(self, name: str) -> LoadedModel | None:
        """The model, as the one that was used last; None if it is not in memory."""
        if name in self.loaded:
            self.loaded.move_to_end(name)
        return self.loaded.get(name)

    def read(self, entry: Entry) -> LoadedModel:
        """A model from disk, not yet kept; others are dropped first if the budget asks for it.

        Raises:
            PredictionError: its folder is damaged, or there is no memory for it alone.
        """
        size = entry.card.weights.parameters * 4
        while self.loaded and sum(other.bytes for other in self.loaded.values()) + size > self.budget_bytes:
            self.drop(next(iter(self.loaded)))
        return LoadedModel(entry.card, self._on_device(entry), size)

    def keep(self, loaded: LoadedModel, seconds: float) -> None:
        """Keeps a model, which took so long to read and to measure."""
        self.loaded[loaded.card.name] = loaded
        self.metrics.loaded(loaded.card.name, loaded.bytes, seconds)
        log.info(
            "model_loaded",
            model=loaded.card.name,
            ms=round(seconds * 1000),
            bytes=loaded.bytes,
            batch_sizes={task.value: sizes.known for task, sizes in loaded.sizes.items()},
        )

    def drop(self, name: str) -> None:
        """Drops a model if it is in memory."""
        if self.loaded.pop(name, None):
            self.metrics.dropped(name)
            log.info("model_dropped", model=name)

    def drop_others(self, name: str) -> bool:
        """Drops all models but this one; False if there are none."""
        others = self.loaded.keys() - {name}
        for other in others:
            self.drop(other)
        return bool(others)

    def _on_device(self, entry: Entry) -> Model:
        """If memory is short, all others are dropped first."""
        name = entry.card.name
        try:
            return devices.place(checkpoint.read(entry.folder, entry.card), self.device)
        except checkpoint.BadCheckpoint as error:
            if not is_out_of_memory(error):
                raise PredictionError("model_unusable", str(error)) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self.metrics.out_of_memory(name)
        log.warning("out_of_memory", model=name)
        if not self.drop_others(name):
            raise PredictionError("out_of_memory", f"the weights of {name} need more memory than the worker has")
        return self._on_device(entry)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's memory or the machine's is used up; for the latter torch and ONNX Runtime have only words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in _OUT_OF_MEMORY
    )
