"""Images in another manner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capabilities import ArbitraryStylizer, MultiStyleStylizer, Stylizer
from models.card import Card, Task
from models.model import Steps
from tasks.inputs import BLEND, LABEL, Inputs
from tasks.operation import PictureOperation, Rows, to_tensor

AnyStylizer = Stylizer | MultiStyleStylizer | ArbitraryStylizer


class Stylize(PictureOperation[AnyStylizer]):
    """An image in the manner of the model, of a mixture of the classes that it knows, or of a second picture."""

    task = Task.STYLIZE
    capabilities = (Stylizer, MultiStyleStylizer, ArbitraryStylizer)

    def inputs(self, model: AnyStylizer) -> tuple[str, ...]:
        classes = () if isinstance(model, Stylizer) else ("label", "blend")
        picture = ("style_image",) if isinstance(model, ArbitraryStylizer) else ()
        side = ("side",) if model.native else ()
        return ("image", *classes, *picture, *model.options.get(self.task, ()), *side)

    def prepare(self, model: AnyStylizer, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        tensors = {"images": to_tensor(pictures[:1])}
        if len(pictures) > 1:
            tensors["style"] = to_tensor(pictures[1:])
        elif not isinstance(model, Stylizer):
            tensors["mixture"] = _mixture([inputs[LABEL], *inputs[BLEND]], model.classes)
        return Rows(tensors, self.options_of(model, inputs), seeds=(None,))

    def probe(self, model: AnyStylizer, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if isinstance(model, Stylizer):
            return rows
        mixture = torch.cat([_mixture([index % model.classes], model.classes) for index in range(count)])
        return replace(rows, tensors={**rows.tensors, "mixture": mixture})

    def apply(self, model: AnyStylizer, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.stylize(**tensors, **options)


def _mixture(chosen: Sequence[int], classes: int) -> Tensor:
    """[1, classes]: the shares of the classes, as often as they were chosen."""
    counts = torch.bincount(torch.tensor(chosen), minlength=classes)
    return counts[None] / len(chosen)
