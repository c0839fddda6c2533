"""Images several times as large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from models.capabilities import Upscaler
from models.card import Card, Task
from models.model import Steps
from tasks.inputs import SCALE, Inputs
from tasks.operation import PictureOperation, Rows


class Upscale(PictureOperation[Upscaler]):
    """An image several times as large."""

    task = Task.UPSCALE
    capabilities = (Upscaler,)

    def inputs(self, model: Upscaler) -> tuple[str, ...]:
        return ("image", "scale")

    def prepare(self, model: Upscaler, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        return replace(super().prepare(model, inputs, pictures), options={"scale": inputs[SCALE]})

    def probe(self, model: Upscaler, card: Card, count: int) -> Rows:
        return replace(super().probe(model, card, count), options={"scale": model.scales[0]})

    def apply(self, model: Upscaler, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.upscale(tensors["images"], **options)
