"""Models in memory and forward passes: many requests in, one batch through the network, each request's images out."""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np
import torch
from torch import Tensor

from core import logs
from models import checkpoint
from models.card import Card, Task
from models.inputs import input_model
from models.model import Model
from models.operations import OPERATIONS, Rows, to_pixels
from models.registry import Registry
from workers.jobs import Order

log = logs.get(__name__)


class PredictionError(Exception):
    """A prediction that cannot succeed, told in the user's terms. `code` is for programs, the message for people."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass
class Work:
    """One order on its way through the engine."""

    order: Order
    pictures: Sequence[np.ndarray]
    rows: Rows | None = None
    pixels: np.ndarray | None = None
    """uint8 [N, H, W, C] once it is done."""
    weights: str = ""
    """sha256 of the weights that made the pixels."""
    batch_size: int = 0
    load_ms: float = 0.0
    inference_ms: float = 0.0
    canceled: Event = field(default_factory=Event)
    """May be set at any time, from any thread: the work is left where it is."""


Report = Callable[[Work, int, int], None]
"""Called with a work, the steps that are done, and all steps, whenever a work of several steps moves on."""


@dataclass
class Resident:
    """A model in memory. `sizes` are the batch sizes at which it runs (`_exact_sizes`)."""

    card: Card
    model: Model
    bytes: int
    sizes: dict[Task, tuple[int, ...]] = field(default_factory=dict)


class Engine:
    """Holds models up to a budget of bytes, least recently used dropped first, and runs orders on them.

    Not safe for threads: one engine belongs to the one thread that computes.
    """

    def __init__(self, registry: Registry, device: str = "auto", threads: int = 1, memory_bytes: int = 2**31):
        self.registry = registry
        self.device = torch.device(
            "cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device
        )
        torch.set_num_threads(threads)
        self.memory_bytes = memory_bytes
        self.resident: OrderedDict[str, Resident] = OrderedDict()

    def run(self, works: Sequence[Work], report: Report = lambda work, done, total: None) -> None:
        """Runs orders of one model, filling in each work's pixels and times. Orders that can share a forward pass do.

        A work that is canceled meanwhile ends without pixels if it was alone in its pass.

        Raises:
            PredictionError: the model cannot be loaded. Nothing was run.
        """
        loaded = self.load(works[0].order.model)
        groups: dict[tuple, list[Work]] = defaultdict(list)
        for work in works:
            if work.rows is None:
                self.prepare(work)
            groups[(work.order.task, work.rows.key)].append(work)
        for group in groups.values():
            self._forward(loaded, group, report)

    def prepare(self, work: Work) -> None:
        """Turns an order into rows of a forward pass; loads its model if it is not in memory.

        Raises:
            PredictionError: the order does not fit the model's card (the API checks this first), or no model.
        """
        order, started = work.order, time.monotonic()
        loaded = self.load(order.model)
        work.load_ms, work.weights = (time.monotonic() - started) * 1000, loaded.card.weights.sha256
        try:
            inputs = input_model(loaded.card, order.task).model_validate(order.input)
        except (KeyError, ValueError) as error:
            raise PredictionError("invalid_input", f"{order.model} does not take this input: {error}") from error
        work.rows = OPERATIONS[order.task].prepare(loaded.model, inputs, work.pictures)

    def load(self, name: str) -> Resident:
        """The model, from memory or from disk; others are dropped first if the budget asks for it.

        Raises:
            PredictionError: unknown, or its folder is damaged.
        """
        if name in self.resident:
            self.resident.move_to_end(name)
            return self.resident[name]
        try:
            entry = self.registry[name]
        except KeyError:
            raise PredictionError("model_not_found", f"this worker has no model {name!r}") from None
        size = entry.card.weights.parameters * 4
        while self.resident and sum(other.bytes for other in self.resident.values()) + size > self.memory_bytes:
            evicted, _ = self.resident.popitem(last=False)
            log.info("model_evicted", model=evicted)
        started = time.monotonic()
        try:
            model = checkpoint.read(entry.folder, entry.card)
        except checkpoint.BadCheckpoint as error:
            raise PredictionError("model_unusable", str(error)) from error
        model = model.to(self.device, memory_format=torch.channels_last)
        loaded = Resident(entry.card, model, size)
        loaded.sizes = {task: self._exact_sizes(loaded, task) for task in entry.card.tasks}
        self.resident[name] = loaded
        log.info(
            "model_loaded",
            model=name,
            ms=round((time.monotonic() - started) * 1000),
            bytes=size,
            batch_sizes=loaded.sizes,
        )
        return loaded

    def _exact_sizes(self, loaded: Resident, task: Task) -> tuple[int, ...]:
        """The batch sizes at which an image comes out the same, to the last bit, wherever it stands in the batch.

        Libraries choose another kernel, and so another order of summation, for another batch size; a difference of 1e-7
        can turn a pixel. Measured on probe rows: of the powers of two up to `max_batch`, the largest set that agrees.
        Running them also warms the model up.
        """
        operation, limit = OPERATIONS[task], loaded.card.serving.max_batch
        ladder = [2**power for power in range(limit.bit_length()) if 2**power <= limit]
        probe = operation.probe(loaded.model, loaded.card, ladder[-1])
        found: dict[bytes, list[int]] = defaultdict(list)
        for size in ladder:
            parts = [
                self._apply(loaded, task, probe, range(start, start + size)) for start in range(0, ladder[-1], size)
            ]
            found[torch.cat(parts).numpy().tobytes()].append(size)
        return tuple(max(found.values(), key=lambda sizes: (len(sizes), sizes[-1])))

    def _forward(self, loaded: Resident, group: list[Work], report: Report) -> None:
        """Joins the group's rows, runs them in batches of the exact sizes, and hands each work its images."""
        task, rows = group[0].order.task, _joined([work.rows for work in group])
        sizes = loaded.sizes[task]
        started = time.monotonic()
        images, total = [], len(rows)
        starts = range(0, total, sizes[-1])
        for done, start in enumerate(starts):
            if all(work.canceled.is_set() for work in group):
                return
            if done:
                for work in group:
                    report(work, done, len(starts))
            count = min(sizes[-1], total - start)
            size = next(size for size in sizes if size >= count)
            # A short batch is filled up with its last row, whose copies are dropped again.
            indices = [min(start + offset, total - 1) for offset in range(size)]
            images.append(self._apply(loaded, task, rows, indices)[:count])
        pixels = to_pixels(torch.cat(images))
        elapsed = (time.monotonic() - started) * 1000
        place = 0
        for work in group:
            work.pixels = pixels[place : place + len(work.rows)]
            work.inference_ms, work.batch_size = elapsed, total
            place += len(work.rows)

    def _apply(self, loaded: Resident, task: Task, rows: Rows, indices: Sequence[int]) -> Tensor:
        chosen = torch.as_tensor(list(indices))
        tensors = {name: tensor[chosen].to(self.device) for name, tensor in rows.tensors.items()}
        with torch.inference_mode():
            return OPERATIONS[task].apply(loaded.model, tensors, **rows.options).float().cpu()


def _joined(parts: Sequence[Rows]) -> Rows:
    tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors}
    return Rows(tensors, parts[0].options)
