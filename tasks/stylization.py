"""Images in a manner that is the model's own."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from models.capabilities import Stylizer
from models.card import Task
from models.model import Steps
from tasks.operation import PictureOperation


class Stylize(PictureOperation[Stylizer]):
    """An image in the manner of the model."""

    task = Task.STYLIZE
    capabilities = (Stylizer,)

    def inputs(self, model: Stylizer) -> tuple[str, ...]:
        return ("image",)

    def apply(self, model: Stylizer, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.stylize(**tensors)
