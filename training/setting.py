"""How a training is computed on a machine: precision, and how images lie in memory. What is quickest is measured."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from models import devices

if TYPE_CHECKING:
    from training.recipe import Budget
    from training.trainer import Trainer

_STEPS = 4
"""That each setting is timed for, after one that is not."""
_ENOUGH_S = 4.0
"""After so many seconds a setting has been timed enough."""
_NEXT_TO_NONE = 0.02
"""Share of a step that drawing its batches may take."""
_MOST_LOADERS = 8
_GAIN = 0.95
"""Share of the time that another setting must get below to be worth it."""


class Setting(BaseModel):
    """How one run is computed; kept in its state, so that it goes on as it began."""

    model_config = ConfigDict(frozen=True)

    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    threads: int = 0
    """Of a CPU; 0: as many as torch takes by itself."""
    loaders: int = 0
    """Processes that draw batches ahead; 0: each batch is drawn when it is needed."""

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "channels first"
        ahead = f", {self.loaders} drawing batches ahead" if self.loaders else ""
        many = f"{self.threads} threads" if self.threads > 1 else "1 thread"
        return f"{many}, {self.precision}, {layout}{ahead}"

    @classmethod
    def of(cls, budget: Budget) -> Setting:
        """What a recipe says, with channels last."""
        return cls(precision="fp32" if budget.precision == "auto" else budget.precision)

    def place(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module on a device, laid out so."""
        return devices.place(module, device) if self.channels_last else module.to(device)

    def precise(self, device: torch.device) -> AbstractContextManager[object]:
        """Within it, networks compute in this precision."""
        return nullcontext() if self.precision == "fp32" else torch.autocast(device.type, torch.bfloat16)


class Choice(BaseModel):
    """What was chosen, and what was measured."""

    setting: Setting
    seconds: float
    """Of a step."""
    told: tuple[str, ...]
    """Each measurement, in words."""


Make = Callable[[Path, Setting], "Trainer"]
"""Makes a trainer in a folder that is thrown away."""


def choose(make: Make, budget: Budget, device: torch.device, threads: int = 0) -> Choice:
    """The quickest of: one thread or all cores, fp32 or bf16 where the recipe leaves it open, channels last or not.

    One after another, each with the best of what was measured before; on a GPU, threads make no difference.

    Args:
        threads: so many; 0: what is quickest.
    """
    best = Setting.of(budget)
    told: list[str] = []
    every = os.cpu_count() or 1
    counts = [threads] if threads else [every] if device.type != "cpu" or every == 1 else [1, every]
    timed: dict[int, tuple[float, float]] = {}
    for count in counts:
        torch.set_num_threads(count)
        timed[count] = _seconds(make, best.model_copy(update={"threads": count}))
        told.append(f"{count} thread{'s' * (count > 1)}, {best.precision}, channels last: {_ms(timed[count])} a step")
    count = min(timed, key=lambda each: timed[each][0])
    seconds = timed[count]
    torch.set_num_threads(count)
    best = best.model_copy(update={"threads": count})
    others: list[Setting] = []
    if budget.precision == "auto":
        others.append(best.model_copy(update={"precision": "bf16"}))
    for other in _with_layouts(others, best):
        found = _seconds(make, other)
        layout = "channels last" if other.channels_last else "channels first"
        told.append(f"{other.precision}, {layout}: {_ms(found)} a step")
        if found[0] < _GAIN * seconds[0]:
            best, seconds = other, found
    best = best.model_copy(update={"loaders": _loaders(*seconds)})
    return Choice(setting=best, seconds=seconds[0], told=tuple(told))


def _loaders(seconds: float, drawing: float) -> int:
    """As many processes as keep up with the steps; none where drawing takes next to no time of them."""
    if drawing < _NEXT_TO_NONE * seconds:
        return 0
    return max(1, min(math.ceil(drawing / max(seconds - drawing, 1e-6)), os.cpu_count() or 1, _MOST_LOADERS))


def _with_layouts(others: list[Setting], best: Setting) -> Iterator[Setting]:
    yield from others
    for precise in others or [best]:
        yield precise.model_copy(update={"channels_last": False})


def _seconds(make: Make, setting: Setting) -> tuple[float, float]:
    """Seconds of the quickest step, which others on the machine disturbed least, and those in which it drew batches."""
    folder = Path(tempfile.mkdtemp(prefix="easel-trial-"))
    try:
        trainer = make(folder, setting)
        steps = trainer.train()
        next(steps)
        found: list[tuple[float, float]] = []
        while len(found) < _STEPS and sum(seconds for seconds, _ in found) < _ENOUGH_S:
            started, waited = time.monotonic(), trainer.waited
            next(steps)
            found.append((time.monotonic() - started, trainer.waited - waited))
        return min(found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ms(found: tuple[float, float]) -> str:
    return f"{1000 * found[0]:,.0f} ms"
