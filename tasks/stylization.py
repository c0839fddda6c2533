"""Images in another manner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capabilities import ArbitraryStylizer, MultiStyleStylizer, Stylizer, require
from models.card import Card, Task
from models.model import Steps, device_of
from tasks.inputs import BLEND, LABEL, STRENGTH, Inputs
from tasks.operation import PictureOperation, Rows, noise_images, to_tensor

AnyStylizer = Stylizer | MultiStyleStylizer


class Stylize(PictureOperation[AnyStylizer]):
    """An image in the manner of the model, of a mixture of the classes that it knows, or of a second picture."""

    task = Task.STYLIZE
    capabilities = (Stylizer, MultiStyleStylizer)

    def inputs(self, model: AnyStylizer) -> tuple[str, ...]:
        side = ("side",) if model.native else ()
        if isinstance(model, Stylizer):
            return ("image", *side)
        picture = ("style_image",) if isinstance(model, ArbitraryStylizer) else ()
        classes = ("label", "blend") if model.classes else ()
        return ("image", *classes, *picture, "strength", *model.options.get(self.task, ()), *side)

    def prepare(self, model: AnyStylizer, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        tensors = {"images": to_tensor(pictures[:1])}
        if isinstance(model, MultiStyleStylizer):
            tensors["manner"] = _manner(model, inputs, pictures[1:])
            tensors["strength"] = torch.tensor([inputs[STRENGTH]])
        return Rows(tensors, self.options_of(model, inputs), seeds=(None,))

    def probe(self, model: AnyStylizer, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if isinstance(model, Stylizer):
            return rows
        manner = self._manners(model, card, count).cpu()
        return replace(rows, tensors={**rows.tensors, "manner": manner, "strength": torch.linspace(1, 0.5, count)})

    @torch.inference_mode()
    def _manners(self, model: MultiStyleStylizer, card: Card, count: int) -> Tensor:
        """Typical ones: of classes, or of pictures where the model has no classes."""
        if not model.classes:
            return require(model, ArbitraryStylizer).manner_of(noise_images(card, count).to(device_of(model)))
        mixtures = torch.cat([_mixture([index % model.classes], model.classes) for index in range(count)])
        return model.manner_of_classes(mixtures.to(device_of(model)))

    def apply(self, model: AnyStylizer, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.stylize(**tensors, **options)


@torch.inference_mode()
def _manner(model: MultiStyleStylizer, inputs: Inputs, styles: Sequence[np.ndarray]) -> Tensor:
    """The manner [1, ...] of the picture that was sent, or of the classes that were named."""
    if styles:
        return require(model, ArbitraryStylizer).manner_of(to_tensor(styles).to(device_of(model))).cpu()
    mixture = _mixture([inputs[LABEL], *inputs[BLEND]], model.classes)
    return model.manner_of_classes(mixture.to(device_of(model))).cpu()


def _mixture(chosen: Sequence[int], classes: int) -> Tensor:
    """[1, classes]: the shares of the classes, as often as they were chosen."""
    counts = torch.bincount(torch.tensor(chosen), minlength=classes)
    return counts[None] / len(chosen)
