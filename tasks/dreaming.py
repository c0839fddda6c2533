"""Images with more of what a network sees in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capabilities import Dreamer
from models.card import Card, Task
from models.model import Steps
from tasks.inputs import CHANNEL, LABEL, LAYER, STRENGTH, Inputs, usual_layer
from tasks.operation import PictureOperation, Rows, to_tensor


class Dream(PictureOperation[Dreamer]):
    """An image with more of what a network sees in it."""

    task = Task.DREAM
    capabilities = (Dreamer,)

    def inputs(self, model: Dreamer) -> tuple[str, ...]:
        wanted = ("layer", "channel", "label", "guide_image")
        return ("image", *wanted, "strength", *model.options.get(self.task, ()), "side")

    def prepare(self, model: Dreamer, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        tensors = {"images": to_tensor(pictures[:1]), "strength": torch.tensor([inputs[STRENGTH]])}
        options = self.options_of(model, inputs)
        label, channel = inputs.get(LABEL), inputs.get(CHANNEL)
        if label is not None:
            return Rows({**tensors, "labels": torch.tensor([label])}, options, seeds=(None,))
        if len(pictures) > 1:
            tensors["guide"] = to_tensor(pictures[1:])
        options["layer"] = inputs.get(LAYER, usual_layer(model.layers))
        if channel is not None:
            options["channel"] = channel
        return Rows(tensors, options, seeds=(None,))

    def probe(self, model: Dreamer, card: Card, count: int) -> Rows:
        tensors = {**super().probe(model, card, count).tensors, "strength": torch.full((count,), 0.5)}
        return Rows(tensors, {"layer": usual_layer(model.layers)})

    def apply(self, model: Dreamer, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.dream(**tensors, **options)
