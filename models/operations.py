"""The tasks, each written once from what a model implements, for every family that has it.

An operation turns a request into rows (one per image), and rows of many requests into images with one forward pass.
Row i of the result depends on row i of the input alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
    """One task. `columns` names the numbers of each row, where the result is neither images nor codes."""

    task: Task
    columns: tuple[str, ...] = ()

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
        """Rows to images [N, C, H, W] in [-1, 1], or the steps that lead there.

        Of a task that is not pictured: rows to codes [N, *latent_shape], or to [N, len(columns)].
        """


class Sample(Operation):
    """Latents from seeds, or as they were told, and images from latents."""

    task = Task.SAMPLE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return (*_draws(model), *_offered(model, self.task)) if hasattr(model, "sample") and not model.classes else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        temperature = getattr(inputs, "temperature", None) or 1.0
        rows = _drawn(model, inputs)
        if model.temperature == "sample":
            tensors = {**rows.tensors, "temperature": torch.full((len(rows),), temperature)}
        else:
            tensors = {"latent": rows.tensors["latent"] * temperature}
        return Rows(tensors, _chosen(model, self.task, inputs), rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        tensors = {"latent": noise.normal(range(count), model.latent_shape)}
        return Rows(tensors | ({"temperature": torch.ones(count)} if model.temperature == "sample" else {}))

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.sample(**tensors, **options)


class Conditional(Sample):
    """Sampling with the class given."""

    task = Task.CONDITIONAL

    def inputs(self, model: Model) -> tuple[str, ...]:
        offered = ("label", *_draws(model), *_offered(model, self.task))
        return offered if hasattr(model, "sample") and model.classes else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures)
        return Rows({**rows.tensors, "labels": torch.full((len(rows),), inputs.label)}, rows.options, rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({**super().probe(model, card, count).tensors, "labels": torch.arange(count) % model.classes})


class OfPicture(Operation):
    """What is made of one picture; a task says what."""

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"images": to_tensor(pictures)}, seeds=(None,))

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"images": _noise_images(card, count)})


class Translate(OfPicture):
    """An image of one domain to the other."""

    task = Task.TRANSLATE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image", "direction") if hasattr(model, "translate") else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        return replace(super().prepare(model, inputs, pictures), options={"direction": inputs.direction})

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return replace(super().probe(model, card, count), options={"direction": model.directions[0]})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.translate(**tensors, **options)


class Stylize(OfPicture):
    """An image in the manner of the model."""

    task = Task.STYLIZE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if hasattr(model, "stylize") else ()

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.stylize(**tensors)


class Decode(Operation):
    """Codes to images; a task says where its codes come from."""

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"latent": noise.normal(range(count), model.latent_shape)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.decode(tensors["latent"])


class Reconstruct(Decode):
    """An image to its code and back."""

    task = Task.RECONSTRUCT

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"latent": _encode(model, pictures)}, seeds=(None,))


class Interpolate(Decode):
    """Images along a path of codes. Latents are normal, so their path is spherical unless a straight one is wanted."""

    task = Task.INTERPOLATE

    def inputs(self, model: Model) -> tuple[str, ...]:
        drawn = ("seeds",) if hasattr(model, "sample") else ()
        return (*drawn, "images", "latents", "frames", "path") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        if pictures:
            stops = _encode(model, pictures)
        elif inputs.latents:
            stops = _told(model, inputs.latents)
        else:
            stops = noise.normal(inputs.seeds, model.latent_shape)
        between = {"lerp": torch.lerp, "slerp": slerp}[inputs.path or ("lerp" if pictures else "slerp")]
        return Rows({"latent": path(stops, inputs.frames, between)}, seeds=(None,) * inputs.frames)


class Vary(Decode):
    """Images around one picture, by the model's own way if it has one; else around a picture's code or a latent: that,
    and noise from each image's seed, times the strength."""

    task = Task.VARY

    def inputs(self, model: Model) -> tuple[str, ...]:
        if hasattr(model, "vary"):
            return ("image", "n", "seed", "strength", *_offered(model, self.task))
        return ("image", "latent", "n", "seed", "strength") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        seeds = tuple(inputs.seed + index for index in range(inputs.n))
        if hasattr(model, "vary"):
            tensors = {"images": to_tensor(list(pictures) * inputs.n), "noise": noise.normal(seeds, model.latent_shape)}
            return Rows(tensors, {"strength": inputs.strength, **_chosen(model, self.task, inputs)}, seeds)
        centre = _encode(model, pictures) if pictures else _told(model, [inputs.latent])
        return Rows({"latent": centre + inputs.strength * noise.normal(seeds, model.latent_shape)}, seeds=seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if not hasattr(model, "vary"):
            return rows
        return Rows({"images": _noise_images(card, count), "noise": rows.tensors["latent"]}, {"strength": 0.5})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.vary(**tensors, **options) if hasattr(model, "vary") else super().apply(model, tensors)


class Traverse(Decode):
    """Images along one dimension of the latent, the others as they are (beta-VAE, Higgins et al. 2017, figure 1)."""

    task = Task.TRAVERSE

    def inputs(self, model: Model) -> tuple[str, ...]:
        drawn = ("seed",) if hasattr(model, "sample") else ()
        return ("dimension", *drawn, "latent", "image", "frames", "span") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        start = _encode(model, pictures) if pictures else _drawn(model, inputs).tensors["latent"]
        codes = start.flatten(1).repeat(inputs.frames, 1)
        codes[:, inputs.dimension] = torch.linspace(-inputs.span, inputs.span, inputs.frames)
        return Rows({"latent": codes.unflatten(1, model.latent_shape)}, seeds=(None,) * inputs.frames)


class Inpaint(Operation):
    """A picture's masked part, made anew from the rest of it; what is known stays as it is."""

    task = Task.INPAINT

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image", "mask", "n", "seed") if hasattr(model, "complete") else ()

    def prepare(self, model: Model, inputs: BaseModel, pictures: Sequence[np.ndarray]) -> Rows:
        image, mask = pictures
        rows = _drawn(model, inputs)
        tensors = {
            "images": to_tensor([image] * inputs.n),
            "mask": (to_tensor([mask] * inputs.n).mean(1, keepdim=True) > 0).float(),
            "noise": rows.tensors["latent"],
        }
        return Rows(tensors, seeds=rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        images = _noise_images(card, count)
        mask = torch.zeros_like(images[:, :1])
        mask[:, :, card.image.height // 2 :] = 1
        return Rows({"images": images, "mask": mask, "noise": noise.normal(range(count), model.latent_shape)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Steps:
        images, unknown = tensors["images"], tensors["mask"].bool()
        for step in steps_of(model.complete(**tensors)):
            yield Step(step.done, step.total, torch.where(unknown, step.images, images))


class Encode(OfPicture):
    """An image to its code."""

    task = Task.ENCODE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if hasattr(model, "encode") else ()

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.encode(tensors["images"])


class Score(OfPicture):
    """How likely the model holds an image to be: its log-likelihood, or a lower bound of it."""

    task = Task.SCORE
    columns = ("log_likelihood", "bits_per_dim")

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if hasattr(model, "score") else ()

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Steps:
        per_bit = tensors["images"][0].numel() * math.log(2)
        for step in steps_of(model.score(tensors["images"])):
            yield Step(step.done, step.total, torch.stack([step.images, -step.images / per_bit], dim=1))


def whole(result: Tensor | Steps) -> Tensor:
    """The images of a method's result, however many passes they take."""
    for step in steps_of(result):
        images = step.images
    return images


def steps_of(result: Tensor | Steps) -> Steps:
    """What `Operation.apply` returned, as steps: images that took one pass are one step."""
    return iter([Step(1, 1, result)]) if isinstance(result, Tensor) else result


OPERATIONS: dict[Task, Operation] = {
    operation.task: operation
    for operation in (
        Sample(),
        Conditional(),
        Translate(),
        Stylize(),
        Reconstruct(),
        Interpolate(),
        Vary(),
        Traverse(),
        Inpaint(),
        Encode(),
        Score(),
    )
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
    scaled = (images.float() + 1).mul_(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _noise_images(card: Card, count: int) -> Tensor:
    return noise.normal(range(count), (card.image.channels, card.image.height, card.image.width)).clamp(-1, 1)


def _has_codes(model: Model) -> bool:
    return hasattr(model, "encode") and hasattr(model, "decode")


def _draws(model: Model) -> tuple[str, ...]:
    """The inputs that say which latents a sample is made from."""
    latent = ("latent",) if model.latent_shape else ()
    truncated = ("truncation",) if model.latent_shape and model.temperature != "sample" else ()
    return ("n", "seed", *latent, *truncated, *(("temperature",) if model.temperature else ()))


def _offered(model: Model, task: Task) -> tuple[str, ...]:
    """The inputs of the task that go to the model's method as they are."""
    return model.options.get(task, ())


def _chosen(model: Model, task: Task, inputs: BaseModel) -> dict[str, Any]:
    """What a request says of `_offered`."""
    return {name: getattr(inputs, name) for name in _offered(model, task)}


def _drawn(model: Model, inputs: BaseModel) -> Rows:
    """The latent that was told, or one of each seed."""
    if getattr(inputs, "latent", None) is not None:
        return Rows({"latent": _told(model, [inputs.latent])}, seeds=(None,))
    seeds = tuple(inputs.seed + index for index in range(getattr(inputs, "n", 1)))
    truncation = getattr(inputs, "truncation", None)
    if truncation is None:
        return Rows({"latent": noise.normal(seeds, model.latent_shape)}, seeds=seeds)
    return Rows({"latent": noise.truncated(seeds, model.latent_shape, truncation)}, seeds=seeds)


def _told(model: Model, latents: Sequence[Sequence[float]]) -> Tensor:
    """Flat lists of numbers as latents [N, *latent_shape]."""
    return torch.tensor(latents, dtype=torch.float32).unflatten(1, model.latent_shape)


def _encode(model: Model, pictures: Sequence[np.ndarray]) -> Tensor:
    device = next(model.parameters()).device
    with torch.inference_mode():
        return model.encode(to_tensor(pictures).to(device)).cpu()
