"""Forward passes: many requests in, one batch through the network, each request's images out."""

from __future__ import annotations

import itertools
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import logs
from jobs.prediction import Order
from models import devices
from models.card import Card, Task
from models.model import Step, Steps, steps_of
from models.registry import Entry, Registry
from tasks.compilation import Assurance, CannotCompile, Compiled, compile
from tasks.inpainting import over_parts
from tasks.inputs import input_model
from tasks.operation import Rows, over_tiles, to_pixels
from tasks.operations import OPERATIONS
from workers.exactness import ExactSizes
from workers.measurements import Measurements
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

    One thread computes. Another may load and prepare meanwhile (`workers.loader`), one at a time.
    """

    def __init__(
        self,
        registry: Registry,
        device: str = "auto",
        threads: int = 1,
        memory_bytes: int = 2**31,
        metrics: WorkerMetrics | None = None,
        eager: bool = False,
        measured: Path | None = None,
    ):
        """
        Args:
            eager: leave ONNX Runtime aside, to compare with torch.
            measured: folder where it keeps what it found out about batch sizes.
        """
        self.registry = registry
        self.metrics = metrics or WorkerMetrics()
        self.threads, self.eager = threads, eager
        self.device = devices.choose(device)
        torch.set_num_threads(threads)
        self.memory = ModelMemory(self.device, memory_bytes, self.metrics)
        self.measurements = Measurements(measured, devices.describe(self.device), threads, eager)
        self.largest: dict[str, int] = {}
        """Of models that ran out of memory: the largest batch since."""

    def run(self, works: Sequence[PreparedWork], report: Report = unreported) -> list[ComputedWork | None]:
        """Runs orders of one model. Orders of one version that can share a forward pass do.

        Returns:
            What became of each work; None if it was canceled while it was alone in its pass, or all others were too.

        Raises:
            PredictionError: the model cannot be loaded, or has no finite number for one of them.
        """
        groups: dict[tuple, list[PreparedWork]] = defaultdict(list)
        for work in works:
            groups[(work.entry.card.reference, work.order.task, work.rows.key)].append(work)
        computed: dict[PreparedWork, ComputedWork] = {}
        for group in groups.values():
            loaded = self.load_version(group[0].entry)
            while (ended := self._forward(loaded, group, report)) is None:
                rows = sum(len(work.rows) for work in group)
                self._take_less(loaded.card.name, min(rows, self._sizes(loaded, group).limit))
                loaded.sizes.clear()
                loaded.native_sizes.clear()
            computed.update(zip(group, ended, strict=False))
        return [computed.get(work) for work in works]

    def prepare(self, work: Work) -> PreparedWork:
        """Turns an order into rows of a forward pass; loads its model if it is not in memory.

        Raises:
            PredictionError: the order does not fit the model's card (the API checks this first), or no model.
        """
        order, started = work.order, time.monotonic()
        loaded = self.load_version(self.entry(order))
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
        return work.prepared(rows, loaded.entry, load_ms, started)

    @torch.inference_mode()
    def compile(self, work: PreparedWork) -> None:
        """Makes ready what `run` needs for a work besides its model, so that `run` takes no longer than its passes."""
        self._runner(self.load_version(work.entry), work.order.task, work.rows.options)

    def entry(self, order: Order) -> Entry:
        """The version that an order runs on (`jobs.prediction.Order`).

        Raises:
            PredictionError: there is none.
        """
        reference = f"{order.model}@{order.version}"
        if loaded := self.memory.loaded.get(reference):
            return loaded.entry
        try:
            return self.registry.versions[reference]
        except KeyError:
            return self.named(reference if order.pinned else order.model)

    def named(self, model: str) -> Entry:
        """What the name of a model stands for. Raises `PredictionError` for one that there is not."""
        try:
            return self.registry[model]
        except KeyError:
            raise PredictionError("model_not_found", f"this worker has no model {model!r}") from None

    def load(self, model: str) -> LoadedModel:
        """`load_version` of what a model's name stands for. Raises `PredictionError`, also for an unknown name."""
        return self.load_version(self.named(model))

    def load_version(self, entry: Entry) -> LoadedModel:
        """The model, from memory or from disk; others are dropped first if the budget asks for it.

        Raises:
            PredictionError: its folder is damaged or gone, or there is no memory for it.
        """
        if loaded := self.memory.get(entry):
            return loaded
        started = time.monotonic()
        loaded = self.memory.read(entry)
        self.memory.keep(loaded, time.monotonic() - started)
        return loaded

    def _sizes(self, loaded: LoadedModel, group: list[PreparedWork]) -> ExactSizes:
        """The batch sizes for a group of works. Pictures that have not the model's own size agree with those that are
        made alone, and only small ones are batched."""
        task, rows, image = group[0].order.task, group[0].rows, loaded.card.image
        height, width = rows.tensors["images"].shape[2:] if "images" in rows.tensors else (image.height, image.width)
        name, limit = loaded.card.name, loaded.card.serving.max_batch
        limit = min(limit, self.largest.get(name, limit))
        pass_ = _pass_of(task)
        if (height, width) == (image.height, image.width):
            if pass_ not in loaded.sizes:
                loaded.sizes[pass_] = self._sizes_of_own(loaded, task, limit)
            return loaded.sizes[pass_]
        key = (*pass_, rows.key)
        if key not in loaded.native_sizes:
            card = loaded.card.model_copy(update={"image": image.model_copy(update={"height": height, "width": width})})
            limit = max(1, min(limit, BATCH_PIXELS // (height * width)))
            run = partial(self._probed, weakref.proxy(loaded), task, card, limit, rows.options)
            loaded.native_sizes[key] = ExactSizes(run, limit)
            if len(loaded.native_sizes) > SIZES_KEPT:
                loaded.native_sizes.popitem(last=False)
        return loaded.native_sizes[key]

    def _sizes_of_own(self, loaded: LoadedModel, task: Task, limit: int) -> ExactSizes:
        """What measures a model does not keep it: in a circle it would outlive its drop, until the collector came
        (`core.garbage_collection`).

        A GPU takes a full batch in little more time than one row, so there it is the model's own.
        """
        card = loaded.card
        own = loaded.model.own_batch if self.device.type == "cpu" else 1 << (limit.bit_length() - 1)
        kept = f"{_words(task)} {min(own, limit)}"
        return ExactSizes(
            partial(self._probed, weakref.proxy(loaded), task, card, limit, {}),
            limit,
            own,
            self.measurements.read(card.weights.sha256, kept),
            partial(self.measurements.write, card.weights.sha256, kept),
        )

    @torch.inference_mode()
    def _probed(
        self, loaded: LoadedModel, task: Task, card: Card, limit: int, options: dict[str, Any], indices: Sequence[int]
    ) -> Tensor:
        """The images of some of `limit` typical rows after the first steps."""
        probe = OPERATIONS[task].probe(loaded.model, card, limit)
        rows = Rows(probe.tensors, {**probe.options, **options})
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
        batches = self._sizes(loaded, group).batches(len(rows))
        progress = GroupProgress(group, report, passes=len(batches))
        started = time.monotonic()
        parts, total, start = [], len(rows), 0
        for count, size in batches:
            part = self._run_batch(loaded, rows, progress, start, count, size)
            if part is None:
                return []
            if task.pictured and not part.isfinite().all():
                raise PredictionError("not_finite", f"{loaded.card.name} has no finite number for a pixel of this")
            start += count
            # As bytes at once: large pictures come in many parts.
            parts.append(to_pixels(part) if task.pictured else part.flatten(1).numpy())
        made = np.concatenate(parts) if len(parts) > 1 else parts[0]
        computed_at = time.monotonic()
        inference_ms = (computed_at - started) * 1000
        columns = () if task.pictured else OPERATIONS[task].columns(loaded.model, loaded.card)
        self.metrics.ran(loaded.card.name, total, inference_ms / 1000)
        return [
            work.computed(
                ImageOutput(made[first:last]) if task.pictured else NumberOutput(made[first:last], columns),
                total,
                inference_ms,
                computed_at,
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
        if run := self._runner(loaded, task, options):
            try:
                return run(tensors)
            except CannotCompile as error:
                _tell_uncompiled(loaded, task, error)
                loaded.compiled[_pass_with(task, options)] = None
        return OPERATIONS[task].apply(loaded.model, tensors, **options)

    def _runner(self, loaded: LoadedModel, task: Task, options: dict[str, Any]) -> Compiled | None:
        """The task as compiled for these options; None where only eager torch will do."""
        key = _pass_with(task, options)
        if key not in loaded.compiled:
            loaded.compiled[key] = None  # what takes all the time of a prediction is not tried again with the next
            loaded.compiled[key] = self._compiled(loaded, task, options)
        return loaded.compiled[key]

    def _compiled(self, loaded: LoadedModel, task: Task, options: dict[str, Any]) -> Compiled | None:
        if self.device.type != "cpu" or self.eager:
            return None
        operation, weights = OPERATIONS[task], loaded.card.weights.sha256
        kept = " ".join(("checked", _words(task), *(f"{name}={value}" for name, value in sorted(options.items()))))
        checked = Assurance(max(self.measurements.read(weights, kept), default=0))
        probe = operation.probe(loaded.model, loaded.card, 2)
        rows = Rows(probe.tensors, {**probe.options, **options})
        try:
            return compile(
                loaded.model,
                operation,
                rows,
                self.threads,
                checked,
                lambda reached: self.measurements.write(weights, kept, {reached: True}),
            )
        except CannotCompile as error:
            _tell_uncompiled(loaded, task, error)
            return None


def _pass_of(task: Task) -> tuple[Callable, Callable]:
    """What a forward pass of the task is, the same for tasks that differ only in where their rows come from."""
    operation = type(OPERATIONS[task])
    return operation.apply, operation.probe


def _pass_with(task: Task, options: dict[str, Any]) -> tuple:
    return (_pass_of(task), *sorted(options.items()))


def _tell_uncompiled(loaded: LoadedModel, task: Task, why: CannotCompile) -> None:
    log.info("not_compiled", model=loaded.card.name, task=task.value, reason=str(why))


def _words(task: Task) -> str:
    """What a forward pass of the task is, in words that another process understands."""
    return " ".join(part.__qualname__ for part in _pass_of(task))


def _joined(parts: Sequence[Rows]) -> Rows:
    tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors}
    return Rows(tensors, parts[0].options)
