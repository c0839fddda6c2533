"""What an image lacks, filled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capabilities import Completer
from models.card import Card, Task
from models.model import Step, Steps, steps_of
from tasks.inputs import Inputs, N
from tasks.latents import drawn, typical
from tasks.operation import Operation, Rows, noise_images, to_tensor


class Inpaint(Operation[Completer]):
    """A picture's masked part, made anew from the rest of it; what is known stays as it is."""

    task = Task.INPAINT
    capabilities = (Completer,)

    def inputs(self, model: Completer) -> tuple[str, ...]:
        return ("image", "mask", "n", "seed")

    def prepare(self, model: Completer, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        (image, mask), count, rows = pictures, inputs[N], drawn(model, inputs)
        tensors = {
            "images": to_tensor([image] * count),
            "mask": (to_tensor([mask] * count).mean(1, keepdim=True) > 0).float(),
            "noise": rows.tensors["latent"],
        }
        return Rows(tensors, seeds=rows.seeds)

    def probe(self, model: Completer, card: Card, count: int) -> Rows:
        images = noise_images(card, count)
        mask = torch.zeros_like(images[:, :1])
        mask[:, :, card.image.height // 2 :] = 1
        return Rows({"images": images, "mask": mask, "noise": typical(model, count)})

    def apply(self, model: Completer, tensors: dict[str, Tensor], **options: Any) -> Steps:
        images, unknown = tensors["images"], tensors["mask"].bool()
        for step in steps_of(model.complete(**tensors)):
            yield Step(step.done, step.total, torch.where(unknown, step.images, images))
