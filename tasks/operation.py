"""A task: how a request becomes rows (one per image), and rows of many requests images by one forward pass.

Row i of the result depends on row i of the input alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic

import numpy as np
import torch
from torch import Tensor

from models import noise
from models.capabilities import Capable
from models.card import Card, Task
from models.model import Model, Steps
from tasks.inputs import Inputs


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


@dataclass(frozen=True)
class Finished:
    """The pictures of an answer, uint8 [H, W, C] each."""

    pictures: Sequence[np.ndarray]
    cycle_error: float | None = None
    """Mean absolute difference between a picture and its way there and back, as a share of the range of values."""


class Operation(ABC, Generic[Capable]):
    """One task, written once for all models of a capability."""

    task: ClassVar[Task]
    capabilities: ClassVar[tuple[type[Model], ...]]
    """One of these a model must have for the task."""

    @abstractmethod
    def inputs(self, model: Capable) -> tuple[str, ...]:
        """The names of the inputs (`tasks.inputs`) that the task takes with this model; none if it cannot do it."""

    @abstractmethod
    def prepare(self, model: Capable, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        """One request as rows. `pictures` are the uploads, uint8 [H, W, C], in the order of the inputs."""

    @abstractmethod
    def probe(self, model: Capable, card: Card, count: int) -> Rows:
        """`count` rows of typical input, to warm a model up and to measure it."""

    @abstractmethod
    def apply(self, model: Capable, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        """Rows to images [N, C, H, W] in [-1, 1], or the steps that lead there.

        Of a task that is not pictured: rows to codes [N, *latent_shape], or to [N, len(columns)].
        """

    def finish(self, inputs: Mapping[str, Any], given: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> Finished:
        """What an answer shows of the rows of one request, and of the pictures that it gave. uint8 [H, W, C] each."""
        return Finished(made)

    def columns(self, model: Capable, card: Card) -> tuple[str, ...]:
        """Names of the numbers of each row, where the result is neither images nor codes."""
        return ()

    def options_of(self, model: Model, inputs: Inputs) -> dict[str, Any]:
        """What a request says of the inputs that the model's method takes as they are (`Model.options`)."""
        names = model.options.get(self.task, ())
        return dict(zip(names, inputs.values(names), strict=True))


class PictureOperation(Operation[Capable]):
    """What is made of one picture; a task says what."""

    def prepare(self, model: Capable, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"images": to_tensor(pictures)}, seeds=(None,))

    def probe(self, model: Capable, card: Card, count: int) -> Rows:
        return Rows({"images": noise_images(card, count)})


def over_tiles(rows: Rows, tiles: Sequence[np.ndarray]) -> Rows:
    """The rows of a picture's first tile as rows of all its tiles, uint8 [H, W, C] each: tile by tile of each row."""
    tensors = {name: tensor.repeat_interleave(len(tiles), dim=0) for name, tensor in rows.tensors.items()}
    tensors["images"] = to_tensor(tiles).repeat(len(rows), 1, 1, 1)
    return replace(rows, tensors=tensors)


def to_tensor(pictures: Sequence[np.ndarray]) -> Tensor:
    """uint8 [H, W, C] each -> [N, C, H, W] in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(images: Tensor) -> np.ndarray:
    """[N, C, H, W] in [-1, 1] -> uint8 [N, H, W, C]."""
    scaled = (images.float() + 1).mul_(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def noise_images(card: Card, count: int) -> Tensor:
    """Images as the card's model takes them, for a probe. [count, C, H, W] in [-1, 1]."""
    return noise.normal(range(count), (card.image.channels, card.image.height, card.image.width)).clamp(-1, 1)
