"""Models in memory and forward passes: many requests in, one batch through the network, each request's images out."""

from __future__ import annotations

import itertools
import math
import time
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import logs
from jobs.prediction import Order
from models import checkpoint, devices
from models.card import Card, Task
from models.model import Model, Step, Steps, steps_of
from models.registry import Entry, Registry
from tasks.compilation import CannotCompile, Compiled, compile
from tasks.inpainting import over_parts
from tasks.inputs import input_model
from tasks.operation import Rows, over_tiles, to_pixels
from tasks.operations import OPERATIONS
from workers.exactness import ALONE, Alone, ExactSizes
from workers.metrics import WorkerMetrics

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
    """uint8 [H, W, C] each, in the order in which the input names them."""
    rows: Rows | None = None
    pixels: np.ndarray | None = None
    """uint8 [N, H, W, C] once it is done, a row each; `Operation.finish` makes the answer's pictures of them."""
    numbers: np.ndarray | None = None
    """Instead of pixels, float32 [N, D] once a task is done whose answer is no pictures."""
    columns: tuple[str, ...] = ()
    """Names of the numbers, if they have any."""
    weights: str = ""
    """sha256 of the weights that made the pixels."""
    batch_size: int = 0
    load_ms: float = 0.0
    inference_ms: float = 0.0
    canceled: Event = field(default_factory=Event)
    """May be set at any time, from any thread: the work is left where it is."""

    @property
    def done(self) -> bool:
        """Whether it has run to its end."""
        return self.pixels is not None or self.numbers is not None


@dataclass(frozen=True)
class Progress:
    """How far a work of several steps has come."""

    done: int
    total: int
    preview: np.ndarray | None = None
    """uint8 [N, H, W, C], the images in the making; None of what is made in one pass."""


Report = Callable[[Work, Progress], None]
"""Called whenever a work of several steps moves on, but of the steps of one pass no more than every `REPORT_S`."""

REPORT_S = 0.25
_NO_MEMORY = ("can't allocate memory", "Failed to allocate memory", "bad_alloc")
BATCH_PIXELS = 2**17
"""Pixels of a batch of pictures that do not have the model's own size; larger ones go one by one."""
SIZES_KEPT = 32
"""How many of such sizes it is remembered for which batches are exact."""
PROBE_STEPS = 2
"""How many steps of a model that takes many are run to measure it."""


@dataclass
class LoadedModel:
    """A model in memory."""

    card: Card
    model: Model
    bytes: int
    sizes: dict[Task, ExactSizes] = field(default_factory=dict)
    native_sizes: OrderedDict[tuple, ExactSizes] = field(default_factory=OrderedDict)
    """Of pictures that do not have the model's own size: by `_pass_of` the task, and the rows' key."""
    compiled: dict[tuple, Compiled | None] = field(default_factory=dict)
    """By `_pass_of` the task, and options; None where only eager torch will do."""


class Engine:
    """Holds models up to a budget of bytes, least recently used dropped first, and runs orders on them.

    Not safe for threads: one engine belongs to the one thread that computes.
    """

    def __init__(
        self,
        registry: Registry,
        device: str = "auto",
        threads: int = 1,
        memory_bytes: int = 2**31,
        metrics: WorkerMetrics | None = None,
        eager: bool = False,
    ):
        """
        Args:
            eager: leave ONNX Runtime aside, to compare with torch.
        """
        self.registry = registry
        self.metrics = metrics or WorkerMetrics()
        self.threads, self.eager = threads, eager
        self.device = devices.choose(device)
        torch.set_num_threads(threads)
        self.memory_bytes = memory_bytes
        self.resident: OrderedDict[str, LoadedModel] = OrderedDict()
        self.largest: dict[str, int] = {}
        """Of models that ran out of memory: the largest batch since."""

    def run(self, works: Sequence[Work], report: Report = lambda work, progress: None) -> None:
        """Runs orders of one model, filling in each work's pixels and times. Orders that can share a forward pass do.

        A work that is canceled meanwhile is not done if it was alone in its pass.

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
            while not self._forward(loaded, group, report):
                task = group[0].order.task
                self._take_less(loaded.card.name, self._sizes(loaded, group).largest)
                loaded.sizes[task] = self._exact_sizes(loaded, task)
                loaded.native_sizes.clear()

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
        operation = OPERATIONS[order.task]
        if order.holes:
            picture, mask = work.pictures
            parts = order.holes.cut(picture, mask[:, :, 0] > 0, loaded.card.image)
            work.rows = over_parts(operation.prepare(loaded.model, inputs, parts[0]), parts)
        elif order.frame is None:
            work.rows = operation.prepare(loaded.model, inputs, work.pictures)
        else:
            tiles = order.frame.cut(work.pictures[0])
            work.rows = over_tiles(operation.prepare(loaded.model, inputs, [tiles[0], *work.pictures[1:]]), tiles)

    def load(self, name: str) -> LoadedModel:
        """The model, from memory or from disk; others are dropped first if the budget asks for it.

        Raises:
            PredictionError: unknown, its folder is damaged, or there is no memory for it.
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
            self.unload(next(iter(self.resident)))
        started = time.monotonic()
        loaded = LoadedModel(entry.card, self._read(entry), size)
        loaded.sizes = self._sizes_by_task(loaded)
        self.resident[name] = loaded
        self.metrics.loaded(name, size, time.monotonic() - started)
        log.info(
            "model_loaded",
            model=name,
            ms=round((time.monotonic() - started) * 1000),
            bytes=size,
            batch_sizes={task.value: sizes.known for task, sizes in loaded.sizes.items()},
        )
        return loaded

    def _read(self, entry: Entry) -> Model:
        """The model on its device; if memory is short, all others are dropped first.

        Raises:
            PredictionError: its folder is damaged, or there is no memory for it alone.
        """
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
        if not self.resident:
            raise PredictionError("out_of_memory", f"the weights of {name} need more memory than the worker has")
        for other in list(self.resident):
            self.unload(other)
        return self._read(entry)

    def unload(self, name: str) -> None:
        """Drops a model if it is in memory."""
        if self.resident.pop(name, None):
            self.metrics.dropped(name)
            log.info("model_dropped", model=name)

    def _sizes_by_task(self, loaded: LoadedModel) -> dict[Task, ExactSizes]:
        """Measured once for all tasks that come to the same."""
        found: dict[Any, ExactSizes] = {}
        for task in loaded.card.tasks:
            if (pass_ := _pass_of(task)) not in found:
                found[pass_] = self._exact_sizes(loaded, task)
        return {task: found[_pass_of(task)] for task in loaded.card.tasks}

    def _exact_sizes(self, loaded: LoadedModel, task: Task) -> ExactSizes:
        """Up to what memory holds. Raises `PredictionError` if that is not even one image.

        What measures a model does not keep it: in a circle it would outlive its drop, until the collector came
        (`core.garbage_collection`).
        """
        name, limit = loaded.card.name, loaded.card.serving.max_batch
        while True:
            limit = min(limit, self.largest.get(name, limit))
            probe = OPERATIONS[task].probe(loaded.model, loaded.card, limit)
            try:
                return ExactSizes(partial(self._probed, weakref.proxy(loaded), task, probe), limit)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            self._take_less(name, limit)

    def _sizes(self, loaded: LoadedModel, group: list[Work]) -> ExactSizes | Alone:
        """The batch sizes for a group of works: measured for the model's own size when it was loaded, and for another
        one when it first pays, which is where some of that size come together and they are not large."""
        task, rows = group[0].order.task, group[0].rows
        image = loaded.card.image
        height, width = rows.tensors["images"].shape[2:] if "images" in rows.tensors else (image.height, image.width)
        if (height, width) == (image.height, image.width):
            return loaded.sizes[task]
        limit = min(loaded.sizes[task].largest, BATCH_PIXELS // (height * width))
        if limit < 2 or sum(len(work.rows) for work in group) < 2:
            return ALONE
        key = (*_pass_of(task), rows.key)
        if key not in loaded.native_sizes:
            card = loaded.card.model_copy(update={"image": image.model_copy(update={"height": height, "width": width})})
            probe = OPERATIONS[task].probe(loaded.model, card, limit)
            rows = Rows(probe.tensors, {**probe.options, **rows.options})
            run = partial(self._probed, weakref.proxy(loaded), task, rows)
            loaded.native_sizes[key] = ExactSizes(run, limit, alone=True)
            if len(loaded.native_sizes) > SIZES_KEPT:
                loaded.native_sizes.popitem(last=False)
        return loaded.native_sizes[key]

    @torch.inference_mode()
    def _probed(self, loaded: LoadedModel, task: Task, rows: Rows, indices: Sequence[int]) -> Tensor:
        """The images after the first steps."""
        for step in itertools.islice(self._steps(loaded, task, rows, indices), PROBE_STEPS):
            images = step.images
        return images

    def _forward(self, loaded: LoadedModel, group: list[Work], report: Report) -> bool:
        """Hands each work of a group its images; False if they were more than memory holds at once."""
        try:
            self._run_group(loaded, group, report)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _take_less(self, name: str, size: int) -> None:
        """Halves the batches of a model that `size` was too much for, for good; of one image drops all other models.

        Raises:
            PredictionError: not even one image fits.
        """
        self.metrics.out_of_memory(name)
        log.warning("out_of_memory", model=name, batch_size=size)
        others = set(self.resident) - {name}
        if size > 1:
            self.largest[name] = size // 2
        elif others:
            for other in others:
                self.unload(other)
        else:
            raise PredictionError("out_of_memory", f"one image of {name} needs more memory than the worker has")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _run_group(self, loaded: LoadedModel, group: list[Work], report: Report) -> None:
        """Joins the group's rows, runs them in batches of the exact sizes, and hands each work its images."""
        task, rows = group[0].order.task, _joined([work.rows for work in group])
        sizes = self._sizes(loaded, group)
        watch = _Watch(group, report, passes=math.ceil(len(rows) / sizes.largest))
        started = time.monotonic()
        made, total = [], len(rows)
        for start in range(0, total, sizes.largest):
            count = min(sizes.largest, total - start)
            size = sizes.holding(count)
            # A short batch is filled up with its last row, whose copies are dropped again.
            indices = [min(start + offset, total - 1) for offset in range(size)]
            for step in self._steps(loaded, task, rows, indices):
                if all(work.canceled.is_set() for work in group):
                    return
                watch.step(step, start, count)
            # As bytes at once: large pictures come in many parts.
            made.append(to_pixels(step.images[:count]) if task.pictured else step.images[:count].flatten(1).numpy())
        result = np.concatenate(made) if len(made) > 1 else made[0]
        elapsed = time.monotonic() - started
        self.metrics.ran(loaded.card.name, total, elapsed)
        for work, (first, last) in zip(group, watch.places, strict=True):
            if task.pictured:
                work.pixels = result[first:last]
            else:
                work.numbers = result[first:last]
                work.columns = OPERATIONS[task].columns(loaded.model, loaded.card)
            work.inference_ms, work.batch_size = elapsed * 1000, total

    def _steps(self, loaded: LoadedModel, task: Task, rows: Rows, indices: Sequence[int]) -> Iterator[Step]:
        """One batch on its way; each step's images are on the CPU."""
        chosen = torch.as_tensor(list(indices))
        tensors = {name: tensor[chosen].to(self.device) for name, tensor in rows.tensors.items()}
        for step in steps_of(self._apply(loaded, task, tensors, rows.options)):
            yield Step(step.done, step.total, step.images.float().cpu())

    def _apply(
        self, loaded: LoadedModel, task: Task, tensors: dict[str, Tensor], options: dict[str, Any]
    ) -> Tensor | Steps:
        key = (_pass_of(task), *sorted(options.items()))
        if key not in loaded.compiled:
            loaded.compiled[key] = self._compiled(loaded, task, options)
        if run := loaded.compiled[key]:
            return run(tensors)
        return OPERATIONS[task].apply(loaded.model, tensors, **options)

    def _compiled(self, loaded: LoadedModel, task: Task, options: dict[str, Any]) -> Compiled | None:
        if self.device.type != "cpu" or self.eager:
            return None
        operation = OPERATIONS[task]
        probe = operation.probe(loaded.model, loaded.card, 3)
        try:
            return compile(loaded.model, operation, Rows(probe.tensors, {**probe.options, **options}), self.threads)
        except CannotCompile as error:
            log.info("runs_eagerly", model=loaded.card.name, task=task.value, reason=str(error))
            return None


class _Watch:
    """Tells the works of a group how far they are: `passes` batches, each of as many steps as the model takes."""

    def __init__(self, group: list[Work], report: Report, passes: int):
        ends = list(itertools.accumulate(len(work.rows) for work in group))
        self.places = list(zip([0, *ends], ends, strict=False))
        """First row and the row after the last, of each work."""
        self.group, self.report, self.passes = group, report, passes
        self.pictured = group[0].order.task.pictured
        self._passed, self._reported = 0, time.monotonic()

    def step(self, step: Step, start: int, count: int) -> None:
        """Takes note of a step of the pass that makes `count` rows from `start` on."""
        done, total = self._passed * step.total + step.done, self.passes * step.total
        ended = step.done == step.total
        self._passed += ended
        if done == total or not (ended or time.monotonic() - self._reported > REPORT_S):
            return
        self._reported = time.monotonic()
        for work, (first, last) in zip(self.group, self.places, strict=True):
            rows = step.images[max(first - start, 0) : max(min(last - start, count), 0)]
            seen = self.pictured and step.total > 1 and len(rows) > 0
            self.report(work, Progress(done, total, to_pixels(rows) if seen else None))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's memory or the machine's is used up; for the latter torch and ONNX Runtime have only words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _pass_of(task: Task) -> tuple[Callable, Callable]:
    """What a forward pass of the task is, the same for tasks that differ only in where their rows come from."""
    operation = type(OPERATIONS[task])
    return operation.apply, operation.probe


def _joined(parts: Sequence[Rows]) -> Rows:
    tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors}
    return Rows(tensors, parts[0].options)
