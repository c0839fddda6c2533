"""What an image lacks, filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capabilities import Completer, SamplingCompleter
from models.card import Card, Task
from models.model import Step, Steps
from tasks.inputs import Inputs, N
from tasks.latents import drawn, typical
from tasks.operation import Operation, Rows, noise_images, over_tiles, to_tensor

AnyCompleter = Completer | SamplingCompleter


class Inpaint(Operation[AnyCompleter]):
    """A picture's masked part, made anew from the rest of it; what is known stays as it is."""

    task = Task.INPAINT
    capabilities = (Completer, SamplingCompleter)

    def inputs(self, model: AnyCompleter) -> tuple[str, ...]:
        return ("image", "mask", *(("n", "seed") if isinstance(model, SamplingCompleter) else ()))

    def prepare(self, model: AnyCompleter, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        (image, mask), count = pictures, inputs.get(N, 1)
        tensors = {
            "images": to_tensor([image] * count),
            "mask": _hidden([mask] * count),
        }
        if isinstance(model, Completer):
            return Rows(tensors, seeds=(None,))
        rows = drawn(model, inputs)
        return Rows({**tensors, "noise": rows.tensors["latent"]}, seeds=rows.seeds)

    def probe(self, model: AnyCompleter, card: Card, count: int) -> Rows:
        images = noise_images(card, count)
        mask = torch.zeros_like(images[:, :1])
        mask[:, :, card.image.height // 2 :] = 1
        noise = {"noise": typical(model, count)} if isinstance(model, SamplingCompleter) else {}
        return Rows({"images": images, "mask": mask, **noise})

    def apply(self, model: AnyCompleter, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        images, unknown = tensors["images"], tensors["mask"] > 0
        completed = model.complete(**tensors)
        if isinstance(completed, Tensor):
            return torch.where(unknown, completed, images)
        return (Step(step.done, step.total, torch.where(unknown, step.images, images)) for step in completed)


def over_parts(rows: Rows, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Rows:
    """The rows of a picture's first part as rows of all: what is shown of each, and its mask, uint8 [H, W, C]."""
    shown, masks = zip(*parts, strict=True)
    rows = over_tiles(rows, shown)
    return replace(rows, tensors={**rows.tensors, "mask": _hidden(masks).repeat(len(rows) // len(parts), 1, 1, 1)})


def _hidden(masks: Sequence[np.ndarray]) -> Tensor:
    """[N, 1, H, W], 1 where masks are white, uint8 [H, W, C] each, and else 0."""
    return (to_tensor(masks).mean(1, keepdim=True) > 0).float()
