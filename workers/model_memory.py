"""The models in memory: up to a budget of bytes, the least recently used dropped first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import RLock

import torch

from core import logs
from models import checkpoint, devices
from models.card import Card
from models.model import Model
from models.registry import Entry
from tasks.compilation import Compiled
from workers.exactness import ExactSizes
from workers.metrics import WorkerMetrics
from workers.work import PredictionError

log = logs.get(__name__)

_OUT_OF_MEMORY = (
    "can't allocate memory",
    "Failed to allocate memory",
    "is smaller than requested bytes",
    "bad_alloc",
)


@dataclass
class LoadedModel:
    """A version of a model in memory."""

    entry: Entry
    model: Model
    bytes: int
    sizes: dict[tuple, ExactSizes] = field(default_factory=dict)
    """By the forward pass of the task."""
    native_sizes: OrderedDict[tuple, ExactSizes] = field(default_factory=OrderedDict)
    """Of pictures that do not have the model's own size: by the forward pass of the task, and the rows' key."""
    compiled: dict[tuple, Compiled | None] = field(default_factory=dict)
    """By the forward pass of the task, and options; None where only eager torch will do."""

    @property
    def card(self) -> Card:
        """What it is."""
        return self.entry.card


class ModelMemory:
    """Reads models onto a device and drops them. Safe for threads; one that is dropped while it computes goes after."""

    def __init__(self, device: torch.device, budget_bytes: int, metrics: WorkerMetrics):
        self.device, self.budget_bytes, self.metrics = device, budget_bytes, metrics
        self.loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        """By reference, in the order in which they would be dropped."""
        self._lock = RLock()

    @property
    def names(self) -> list[str]:
        """Of the models in memory, in the order in which they would be dropped."""
        with self._lock:
            return [loaded.card.name for loaded in self.loaded.values()]

    def get(self, entry: Entry) -> LoadedModel | None:
        """The model, as the one that was used last; None if it is not in memory."""
        with self._lock:
            reference = entry.card.reference
            if reference in self.loaded:
                self.loaded.move_to_end(reference)
            return self.loaded.get(reference)

    def read(self, entry: Entry) -> LoadedModel:
        """A model from disk, not yet kept; others are dropped first if the budget asks for it.

        Raises:
            PredictionError: its folder is damaged or gone, or there is no memory for it alone.
        """
        size = entry.card.weights.parameters * 4
        with self._lock:
            while self.loaded and sum(other.bytes for other in self.loaded.values()) + size > self.budget_bytes:
                self.drop(next(iter(self.loaded)))
        return LoadedModel(entry, self._on_device(entry), size)

    def keep(self, loaded: LoadedModel, seconds: float) -> None:
        """Keeps a model that took so long to read."""
        with self._lock:
            self.loaded[loaded.card.reference] = loaded
            self.metrics.loaded(loaded.card.name, seconds)
            self._tell_bytes(loaded.card.name)
        log.info("model_loaded", model=loaded.card.reference, ms=round(seconds * 1000), bytes=loaded.bytes)

    def drop(self, model: str) -> None:
        """Drops what is in memory of a reference, or all versions of a model's name."""
        with self._lock:
            for reference in [each for each in self.loaded if each == model or each.startswith(f"{model}@")]:
                name = self.loaded.pop(reference).card.name
                self.metrics.dropped(name)
                self._tell_bytes(name)
                log.info("model_dropped", model=reference)

    def drop_others(self, name: str) -> bool:
        """Drops all models but the versions of this one; False if there are none."""
        with self._lock:
            others = {other for other in self.names if other != name}
            for other in others:
                self.drop(other)
        return bool(others)

    def _tell_bytes(self, name: str) -> None:
        self.metrics.resident(name, sum(each.bytes for each in self.loaded.values() if each.card.name == name))

    def _on_device(self, entry: Entry) -> Model:
        """If memory is short, all others are dropped first."""
        name = entry.card.name
        try:
            return devices.place(checkpoint.read(entry.folder, entry.card), self.device)
        except checkpoint.BadCheckpoint as error:
            if not entry.folder.exists():
                raise PredictionError("model_not_found", f"{entry.card.reference} was removed") from error
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
