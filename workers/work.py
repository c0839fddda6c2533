"""An order on its way through the engine: as it was asked, as rows of a forward pass, and as what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from jobs.prediction import Order
from models.registry import Entry
from tasks.operation import Rows


class PredictionError(Exception):
    """A prediction that cannot succeed, in the user's terms. `code` is for programs, the message for people."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class ImageOutput:
    """The output of a task whose answer is pictures; `Operation.finish` makes these of the rows."""

    images: np.ndarray
    """uint8 [N, H, W, C], one for each row."""


@dataclass(frozen=True)
class NumberOutput:
    """The output of a task whose answer is no pictures."""

    values: np.ndarray
    """float32 [N, D], one for each row."""
    columns: tuple[str, ...]
    """Names of the D numbers, where they have any."""


@dataclass(frozen=True, eq=False)
class Work:
    """An order, with its pictures."""

    order: Order
    pictures: Sequence[np.ndarray] = ()
    """uint8 [H, W, C] each, in the order in which the input names them."""
    canceled: Event = field(default_factory=Event)
    """May be set at any time, from any thread: the work is left where it is."""

    def prepared(self, rows: Rows, entry: Entry, load_ms: float, began: float) -> PreparedWork:
        """The next stage."""
        return PreparedWork(
            self.order, self.pictures, self.canceled, rows=rows, entry=entry, load_ms=load_ms, began=began
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class PreparedWork(Work):
    """An order as rows of a forward pass, of a model that is in memory."""

    rows: Rows
    entry: Entry
    """The version that it runs on."""
    load_ms: float
    began: float
    """When the model began to be loaded, by `time.monotonic`."""

    def computed(
        self, output: ImageOutput | NumberOutput, batch_size: int, inference_ms: float, computed_at: float
    ) -> ComputedWork:
        """The next stage."""
        return ComputedWork(
            self.order,
            self.pictures,
            self.canceled,
            rows=self.rows,
            entry=self.entry,
            load_ms=self.load_ms,
            began=self.began,
            output=output,
            batch_size=batch_size,
            inference_ms=inference_ms,
            computed_at=computed_at,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class ComputedWork(PreparedWork):
    """An order whose forward passes are done."""

    output: ImageOutput | NumberOutput
    batch_size: int
    """Rows of all works that shared the passes."""
    inference_ms: float
    computed_at: float
    """When the passes ended, by `time.monotonic`."""
