"""How far works of several steps have come, for those who watch their predictions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.model import Step
from tasks.operation import to_pixels
from workers.work import PreparedWork


@dataclass(frozen=True)
class Progress:
    """How far a work of several steps has come."""

    done: int
    total: int
    preview: np.ndarray | None = None
    """uint8 [N, H, W, C], the images in the making; None of what is made in one pass."""


Report = Callable[[PreparedWork, Progress], None]
"""Called whenever a work of several steps moves on, but of the steps of one pass no more than every `REPORT_S`."""

REPORT_S = 0.25


def unreported(work: PreparedWork, progress: Progress) -> None:
    """The `Report` of works that nobody watches."""


class GroupProgress:
    """Reports on works that share forward passes: `passes` batches, each of as many steps as the model takes."""

    def __init__(self, group: Sequence[PreparedWork], report: Report, passes: int):
        ends = list(itertools.accumulate(len(work.rows) for work in group))
        self.spans = list(zip([0, *ends], ends, strict=False))
        """First row and the row after the last, of each work."""
        self.group, self.report, self.passes = group, report, passes
        self.task = group[0].order.task
        self._passed, self._reported = 0, time.monotonic()

    @property
    def canceled(self) -> bool:
        """Whether nobody wants any of the works any more."""
        return all(work.canceled.is_set() for work in self.group)

    def step(self, step: Step, start: int, count: int) -> None:
        """Takes note of a step of the pass that makes `count` rows from `start` on."""
        done, total = self._passed * step.total + step.done, self.passes * step.total
        ended = step.done == step.total
        self._passed += ended
        if done == total or not (ended or time.monotonic() - self._reported > REPORT_S):
            return
        self._reported = time.monotonic()
        for work, (first, last) in zip(self.group, self.spans, strict=True):
            rows = step.images[max(first - start, 0) : max(min(last - start, count), 0)]
            shown = self.task.pictured and step.total > 1 and len(rows) > 0
            self.report(work, Progress(done, total, to_pixels(rows) if shown else None))
