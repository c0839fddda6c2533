"""The tasks, each written once from what a model implements, for every family that has it.

An operation turns a request into rows (one per image), and rows of many requests into images with one forward pass.
Row i of the result depends on row i of the input alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from models import noise
from models.card import Card, Task
from models.model import Model, Step, Steps


@dataclass(frozen=True)
class Rows:
    """What one forward pass takes: tensors with one row per image, and options that all its rows share.

    Rows with equal `key` may be joined into one batch.
    """

    tensors: dict[str, Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int | None, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    @property
    def key(self) -> tuple:
        """What must be equal for two requests to share a forward pass."""
        shapes = tuple((name, tuple(tensor.shape[1:]), tensor.dtype) for name, tensor in sorted(self.tensors.items()))
        return shapes, tuple(sorted(self.options.items()))


class Operation(ABC):
    """One task."""

    task: Task

    @abstractmethod
    def inputs(self, model: Model) -> tuple[str, ...]:
        """The names of the inputs (`models.inputs.FIELDS`) the task takes with this model; none if it cannot do it."""

    @abstractmethod
    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        """One request as rows. `pictures` are the uploads, uint8 [H, W, C], in the order the inputs name them."""

    @abstractmethod
    def probe(self, model: Model, card: Card, count: int) -> Rows:
        """`count` rows of typical input, to warm a model up and to measure it."""

    @abstractmethod
    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        """Rows to images [N, C, H, W] in [-1, 1], or the steps that lead there."""


class Sample(Operation):
    """Latents from seeds, and images from latents."""

    task = Task.SAMPLE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("n", "seed", "truncation") if hasattr(model, "sample") and not model.classes else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        seeds = tuple(inputs.seed + index for index in range(inputs.n))
        if inputs.truncation is None:
            latent = noise.normal(seeds, model.latent_shape)
        else:
            latent = noise.truncated(seeds, model.latent_shape, inputs.truncation)
        return Rows({"latent": latent}, seeds=seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"latent": noise.normal(range(count), model.latent_shape)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return model.sample(**tensors)


class Conditional(Sample):
    """Sampling with the class given."""

    task = Task.CONDITIONAL

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("label", "n", "seed", "truncation") if hasattr(model, "sample") and model.classes else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures)
        return Rows({**rows.tensors, "labels": torch.full((inputs.n,), inputs.label)}, seeds=rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({**super().probe(model, card, count).tensors, "labels": torch.arange(count) % model.classes})


class Translate(Operation):
    """An image of one domain to the other."""

    task = Task.TRANSLATE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image", "direction") if hasattr(model, "translate") else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"images": to_tensor(pictures)}, {"direction": inputs.direction}, seeds=(None,))

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"images": _noise_images(card, count)}, {"direction": model.directions[0]})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return model.translate(**tensors, **options)


class Reconstruct(Operation):
    """An image to its code and back."""

    task = Task.RECONSTRUCT

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"images": to_tensor(pictures)}, seeds=(None,))

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"images": _noise_images(card, count)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return model.decode(model.encode(tensors["images"]))


class Decode(Operation):
    """Codes to images; a task says where its codes come from."""

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"codes": noise.normal(range(count), model.latent_shape)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return model.decode(tensors["codes"])


class Interpolate(Decode):
    """Images along a path of codes: spherical between seeds (their codes are normal), straight between pictures."""

    task = Task.INTERPOLATE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("seeds", "images", "frames") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        if pictures:
            stops, between = _encode(model, pictures), torch.lerp
        else:
            stops, between = noise.normal(inputs.seeds, model.latent_shape), slerp
        return Rows({"codes": path(stops, inputs.frames, between)}, seeds=(None,) * inputs.frames)


class Vary(Decode):
    """Images around one picture: its code, and noise from each image's seed, times the strength."""

    task = Task.VARY

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image", "n", "seed", "strength") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        seeds = tuple(inputs.seed + index for index in range(inputs.n))
        codes = _encode(model, pictures) + inputs.strength * noise.normal(seeds, model.latent_shape)
        return Rows({"codes": codes}, seeds=seeds)


def steps_of(result: Tensor | Steps) -> Steps:
    """What `Operation.apply` returned, as steps: images that took one pass are one step."""
    return iter([Step(1, 1, result)]) if isinstance(result, Tensor) else result


OPERATIONS: dict[Task, Operation] = {
    operation.task: operation
    for operation in (Sample(), Conditional(), Translate(), Reconstruct(), Interpolate(), Vary())
}


def tasks_of(model: Model) -> dict[Task, tuple[str, ...]]:
    """The tasks that the model's class implements, with the inputs that each takes."""
    offered = {task: operation.inputs(model) for task, operation in OPERATIONS.items()}
    return {task: inputs for task, inputs in offered.items() if inputs}


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Spherical interpolation (Shoemake 1985; in latents: White 2016, arXiv 1609.04468). Any shape; share in [0, 1]."""
    cosine = torch.nn.functional.cosine_similarity(start.flatten(), end.flatten(), dim=0).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if torch.sin(angle) < 1e-6:
        return torch.lerp(start, end, share)
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


def path(stops: Tensor, frames: int, between) -> Tensor:
    """`frames` points, evenly spaced from the first stop through each to the last. [S, ...] -> [frames, ...]."""
    points = []
    for place in torch.linspace(0, len(stops) - 1, frames).tolist():
        leg = min(int(place), len(stops) - 2)
        points.append(between(stops[leg], stops[leg + 1], place - leg))
    return torch.stack(points)


def to_tensor(pictures: Sequence[np.ndarray]) -> Tensor:
    """uint8 [H, W, C] each -> [N, C, H, W] in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(images: Tensor) -> np.ndarray:
    """[N, C, H, W] in [-1, 1] -> uint8 [N, H, W, C]."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _noise_images(card: Card, count: int) -> Tensor:
    return noise.normal(range(count), (card.image.channels, card.image.height, card.image.width)).clamp(-1, 1)


def _has_codes(model: Model) -> bool:
    return hasattr(model, "encode") and hasattr(model, "decode")


def _encode(model: Model, pictures: Sequence[np.ndarray]) -> Tensor:
    device = next(model.parameters()).device
    with torch.inference_mode():
        return model.encode(to_tensor(pictures).to(device)).cpu()
