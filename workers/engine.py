"""Forward passes: many requests in, one batch through the network, each request's images out."""

from __future__ import annotations

import itertools
import math
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import logs
from models import devices
from models.card import Task
from models.model import Step, Steps, steps_of
from models.registry import Registry
from tasks.compilation import CannotCompile, Compiled, compile
from tasks.inpainting import over_parts
from tasks.inputs import input_model
from tasks.operation import Rows, over_tiles, to_pixels
from tasks.operations import OPERATIONS
from workers.exactness import ALONE, Alone, ExactSizes
from workers.metrics import WorkerMetrics
from workers.model_memory import LoadedModel, ModelMemory, is_out_of_memory
from workers.progress import GroupProgress, Report, unreported
from workers.work import ComputedWork, ImageOutput, NumberOutput, PredictionError, PreparedWork, Work

log = logs.get(__name__)

BATCH_PIXELS = 2**17
"""Pixels of a batch of pictures that do not have the model's own size; larger ones go one by one."""
SIZES_KEPT = 32
"""How many of such sizes it is remembered for which batches are exact."""
PROBE_STEPS = 2
"""How many steps of a model that takes many are run to measure it."""


class Engine:
    """Runs orders on models, which it holds in memory up to a budget of bytes.

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
        self.memory = ModelMemory(self.device, memory_bytes, self.metrics)
        self.largest: dict[str, int] = {}
        """Of models that ran out of memory: the largest batch since."""

    def run(self, works: Sequence[PreparedWork], report: Report = unreported) -> list[ComputedWork | None]:
        """Runs orders of one model. Orders that can share a forward pass do.

        Returns:
            What became of each work; None if it was canceled while it was alone in its pass, or all others were too.

        Raises:
            PredictionError: the model cannot be loaded. Nothing was run.
        """
        loaded = self.load(works[0].order.model)
        groups: dict[tuple, list[PreparedWork]] = defaultdict(list)
        for work in works:
            groups[(work.order.task, work.rows.key)].append(work)
        computed: dict[PreparedWork, ComputedWork] = {}
        for group in groups.values():
            while (ended := self._forward(loaded, group, report)) is None:
                task = group[0].order.task
                self._take_less(loaded.card.name, self._sizes(loaded, group).largest)
                loaded.sizes[task] = self._exact_sizes(loaded, task)
                loaded.native_sizes.clear()
            computed.update(zip(group, ended, strict=False))
        return [computed.get(work) for work in works]

    def prepare(self, work: Work) -> PreparedWork:
        """Turns an order into rows of a forward pass; loads its model if it is not in memory.

        Raises:
            PredictionError: the order does not fit the model's card (the API checks this first), or no model.
        """
        order, started = work.order, time.monotonic()
        loaded = self.load(order.model)
        load_ms = (time.monotonic() - started) * 1000
        try:
            inputs = input_model(loaded.card, order.task).model_validate(order.input)
        except (KeyError, ValueError) as error:
            raise PredictionError("invalid_input", f"{order.model} does not take this input: {error}") from error
        operation = OPERATIONS[order.task]
        if order.holes:
            picture, mask = work.pictures
            parts = order.holes.cut(picture, mask[:, :, 0] > 0, loaded.card.image)
            rows = over_parts(operation.prepare(loaded.model, inputs, parts[0]), parts)
        elif order.frame is None:
            rows = operation.prepare(loaded.model, inputs, work.pictures)
        else:
            tiles = order.frame.cut(work.pictures[0])
            rows = over_tiles(operation.prepare(loaded.model, inputs, [tiles[0], *work.pictures[1:]]), tiles)
        return work.prepared(rows, loaded.card.weights.sha256, load_ms)

    def load(self, name: str) -> LoadedModel:
        """The model, from memory or from disk; others are dropped first if the budget asks for it.

        Raises:
            PredictionError: unknown, its folder is damaged, or there is no memory for it.
        """
        if loaded := self.memory.get(name):
            return loaded
        try:
            entry = self.registry[name]
        except KeyError:
            raise PredictionError("model_not_found", f"this worker has no model {name!r}") from None
        started = time.monotonic()
        loaded = self.memory.read(entry)
        loaded.sizes = self._sizes_by_task(loaded)
        self.memory.keep(loaded, time.monotonic() - started)
        return loaded

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

    def _sizes(self, loaded: LoadedModel, group: list[PreparedWork]) -> ExactSizes | Alone:
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
        return deque(itertools.islice(self._steps(loaded, task, rows, indices), PROBE_STEPS), maxlen=1).pop().images

    def _forward(self, loaded: LoadedModel, group: list[PreparedWork], report: Report) -> list[ComputedWork] | None:
        """What came of each work of a group; None if they were more than memory holds at once."""
        try:
            return self._run_group(loaded, group, report)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _take_less(self, name: str, size: int) -> None:
        """Halves the batches of a model that `size` was too much for, for good; of one image drops all other models.

        Raises:
            PredictionError: not even one image fits.
        """
        self.metrics.out_of_memory(name)
        log.warning("out_of_memory", model=name, batch_size=size)
        if size > 1:
            self.largest[name] = size // 2
        elif not self.memory.drop_others(name):
            raise PredictionError("out_of_memory", f"one image of {name} needs more memory than the worker has")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _run_group(self, loaded: LoadedModel, group: list[PreparedWork], report: Report) -> list[ComputedWork]:
        """Joins the group's rows, runs them in batches of the exact sizes, and hands each work its part of the output;
        nothing if all its works were canceled meanwhile."""
        task, rows = group[0].order.task, _joined([work.rows for work in group])
        sizes = self._sizes(loaded, group)
        progress = GroupProgress(group, report, passes=math.ceil(len(rows) / sizes.largest))
        started = time.monotonic()
        parts, total = [], len(rows)
        for start in range(0, total, sizes.largest):
            count = min(sizes.largest, total - start)
            part = self._run_batch(loaded, rows, progress, start, count, sizes.holding(count))
            if part is None:
                return []
            # As bytes at once: large pictures come in many parts.
            parts.append(to_pixels(part) if task.pictured else part.flatten(1).numpy())
        made = np.concatenate(parts) if len(parts) > 1 else parts[0]
        inference_ms = (time.monotonic() - started) * 1000
        columns = () if task.pictured else OPERATIONS[task].columns(loaded.model, loaded.card)
        self.metrics.ran(loaded.card.name, total, inference_ms / 1000)
        return [
            work.computed(
                ImageOutput(made[first:last]) if task.pictured else NumberOutput(made[first:last], columns),
                total,
                inference_ms,
            )
            for work, (first, last) in zip(group, progress.spans, strict=True)
        ]

    def _run_batch(
        self, loaded: LoadedModel, rows: Rows, progress: GroupProgress, start: int, count: int, size: int
    ) -> Tensor | None:
        """The images of `count` rows from `start` on, made in a batch of `size`; None if nobody wants them any more."""
        # A short batch is filled up with its last row, whose copies are dropped again.
        indices = [min(start + offset, len(rows) - 1) for offset in range(size)]
        images = None
        for step in self._steps(loaded, progress.task, rows, indices):
            if progress.canceled:
                return None
            progress.step(step, start, count)
            images = step.images[:count]
        return images

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


def _pass_of(task: Task) -> tuple[Callable, Callable]:
    """What a forward pass of the task is, the same for tasks that differ only in where their rows come from."""
    operation = type(OPERATIONS[task])
    return operation.apply, operation.probe


def _joined(parts: Sequence[Rows]) -> Rows:
    tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors}
    return Rows(tensors, parts[0].options)
