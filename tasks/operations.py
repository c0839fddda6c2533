"""The tasks, each written once from what a model implements, for every family that has it.

An operation turns a request into rows (one per image), and rows of many requests into images with one forward pass.
Row i of the result depends on row i of the input alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import noise
from models.attributes import LatentAttribute
from models.capabilities import (
    Classifier,
    Completer,
    Decoder,
    Dreamer,
    Encoder,
    Images,
    MannerEncoder,
    MannerLibrary,
    Sampler,
    Scorer,
    StyleEncoder,
    Stylizer,
    Translator,
    Upscaler,
    Varier,
    offers,
    require,
)
from models.card import BACK, Card, Task
from models.model import LIKELIHOOD, Model, Step, Steps, device_of
from models.nn.text import bags
from pictures.composition import heat_map
from tasks.given import Given, present
from tasks.inputs import usual_layer


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


class Operation(ABC):
    """One task."""

    task: Task

    @abstractmethod
    def inputs(self, model: Model) -> tuple[str, ...]:
        """The names of the inputs (`tasks.inputs.FIELDS`) the task takes with this model; none if it cannot do it."""

    @abstractmethod
    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        """One request as rows. `pictures` are the uploads, uint8 [H, W, C], in the order the inputs name them."""

    @abstractmethod
    def probe(self, model: Model, card: Card, count: int) -> Rows:
        """`count` rows of typical input, to warm a model up and to measure it."""

    def finish(self, inputs: Mapping[str, Any], given: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> Finished:
        """What an answer shows of the rows of one request, and of the pictures that it gave. uint8 [H, W, C] each."""
        return Finished(made)

    @abstractmethod
    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        """Rows to images [N, C, H, W] in [-1, 1], or the steps that lead there.

        Of a task that is not pictured: rows to codes [N, *latent_shape], or to [N, len(columns)].
        """

    def columns(self, model: Model, card: Card) -> tuple[str, ...]:
        """Names of the numbers of each row, where the result is neither images nor codes."""
        return ()


class Sample(Operation):
    """Latents from seeds, or as they were told, and images from latents."""

    task = Task.SAMPLE

    def inputs(self, model: Model) -> tuple[str, ...]:
        unled = offers(model, Sampler) and not model.classes and not model.reads_text
        return (*_draws(model), *_offered(model, self.task)) if unled else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        temperature = inputs.temperature or 1.0
        rows = _drawn(model, inputs)
        if model.temperature == "sample":
            tensors = {**rows.tensors, "temperature": torch.full((len(rows),), temperature)}
        else:
            tensors = {"latent": _attributed(model, inputs, rows.tensors["latent"] * temperature)}
        return Rows(tensors, _chosen(model, self.task, inputs), rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        tensors = {"latent": noise.normal(range(count), model.latent_shape)}
        return Rows(tensors | ({"temperature": torch.ones(count)} if model.temperature == "sample" else {}))

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        return require(model, Sampler).sample(**tensors, **options)


class Conditional(Sample):
    """Sampling with the class given."""

    task = Task.CONDITIONAL

    def inputs(self, model: Model) -> tuple[str, ...]:
        offered = ("label", *_draws(model), *_offered(model, self.task))
        return offered if offers(model, Sampler) and model.classes else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures)
        labels = torch.full((len(rows),), present(inputs.label, "label"))
        return Rows({**rows.tensors, "labels": labels}, rows.options, rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({**super().probe(model, card, count).tensors, "labels": torch.arange(count) % model.classes})


class Text(Sample):
    """Sampling with a text given."""

    task = Task.TEXT

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("text", *_draws(model), *_offered(model, self.task)) if model.reads_text else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures)
        text = bags([present(inputs.text, "text")]).expand(len(rows), -1)
        return Rows({**rows.tensors, "text": text}, rows.options, rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        text = bags([f"face {index}" for index in range(count)])
        return Rows({**super().probe(model, card, count).tensors, "text": text})


class OfPicture(Operation):
    """What is made of one picture; a task says what."""

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"images": to_tensor(pictures)}, seeds=(None,))

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"images": _noise_images(card, count)})


class Translate(OfPicture):
    """An image of one domain to the other, in a style if the model has styles, or to the target that is named.

    With `cycle` it goes back again: then each row has the channels of both.
    """

    task = Task.TRANSLATE

    def inputs(self, model: Model) -> tuple[str, ...]:
        if not offers(model, Translator):
            return ()
        if model.targets:
            return ("image", {"one": "target", "many": "targets"}[model.targets], "fit", "side")
        styled = ("n", "seed", "latent", "style_image") if offers(model, StyleEncoder) else ()
        back = ("cycle", "heat_map") if len(model.directions) == 2 else ()
        return ("image", "direction", *styled, "fit", "side", *back)

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures[:1])
        if model.targets:
            chosen = [present(inputs.target, "target")] if model.targets == "one" else inputs.targets
            return replace(rows, tensors={**rows.tensors, "targets": _marked(chosen, model.classes)})
        if offers(model, StyleEncoder):
            styles = _styles(model, inputs, pictures[1:])
            images = to_tensor(list(pictures[:1]) * len(styles))
            rows = Rows({"images": images, **styles.tensors}, seeds=styles.seeds)
        options = {"direction": inputs.direction}
        if not inputs.cycle:
            return replace(rows, options=options)
        shown = 3 if inputs.heat_map else 2
        seeds = tuple(seed for seed in rows.seeds for _ in range(shown))
        return Rows(rows.tensors, {**options, "cycle": True}, seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if model.targets:
            targets = torch.cat([_marked([index % model.classes], model.classes) for index in range(count)])
            return replace(rows, tensors={**rows.tensors, "targets": targets})
        styles = {"latent": noise.normal(range(count), model.latent_shape)} if offers(model, StyleEncoder) else {}
        return replace(rows, tensors={**rows.tensors, **styles}, options={"direction": model.directions[0]})

    def apply(self, model: Model, tensors: dict[str, Tensor], cycle: bool = False, **options: Any) -> Images:
        there = require(model, Translator).translate(**tensors, **options)
        if not cycle:
            return there
        there, back = whole(there), BACK[options["direction"]]
        # On the way back a picture's style is its own.
        own = {}
        if offers(model, StyleEncoder):
            own["latent"] = require(model, StyleEncoder).style(tensors["images"], back)
        returned = whole(require(model, Translator).translate(images=there, direction=back, **own))
        return torch.cat([there, returned], dim=1)

    def finish(self, inputs: Mapping[str, Any], given: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> Finished:
        if not inputs.get("cycle"):
            return super().finish(inputs, given, made)
        shown, errors = [], []
        for both in made:
            there, back = np.split(both, 2, axis=2)
            off = np.abs(given[0].astype(np.int16) - back).mean(axis=2) / 255
            shown += [there, back, *([heat_map(off, channels=back.shape[2])] if inputs.get("heat_map") else [])]
            errors.append(off.mean())
        return Finished(shown, cycle_error=round(float(np.mean(errors)), 5))


class Stylize(OfPicture):
    """An image in the manner of the model, of a mixture of the classes that it knows, or of a second picture."""

    task = Task.STYLIZE

    def inputs(self, model: Model) -> tuple[str, ...]:
        if not offers(model, Stylizer):
            return ()
        sized = ("side",) if model.native else ()
        if not model.classes:
            return ("image", *sized)
        read = ("style_image",) if offers(model, MannerEncoder) else ()
        return ("image", "label", "blend", *read, "strength", *_offered(model, self.task), *sized)

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        tensors = {"images": to_tensor(pictures[:1])}
        if model.classes:
            tensors["manner"] = _manner(model, inputs, pictures[1:])
            tensors["strength"] = torch.tensor([inputs.strength])
        return Rows(tensors, _chosen(model, self.task, inputs), seeds=(None,))

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if not model.classes:
            return rows
        mixtures = torch.cat([_mixed([index % model.classes], model.classes) for index in range(count)])
        manner = require(model, MannerLibrary).manner_of_classes(mixtures.to(device_of(model))).cpu()
        return replace(rows, tensors={**rows.tensors, "manner": manner, "strength": torch.linspace(1, 0.5, count)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        return require(model, Stylizer).stylize(**tensors, **options)


class Dream(OfPicture):
    """An image with more of what a network sees in it."""

    task = Task.DREAM

    def inputs(self, model: Model) -> tuple[str, ...]:
        if not offers(model, Dreamer):
            return ()
        of = "layer", "channel", "label", "guide_image"
        return ("image", *of, "strength", *_offered(model, self.task), "side")

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        tensors = {"images": to_tensor(pictures[:1]), "strength": torch.tensor([inputs.strength])}
        options = _chosen(model, self.task, inputs)
        if inputs.label is not None:
            return Rows({**tensors, "labels": torch.tensor([inputs.label])}, options, seeds=(None,))
        if len(pictures) > 1:
            tensors["guide"] = to_tensor(pictures[1:])
        options["layer"] = inputs.layer or usual_layer(model.layers)
        if inputs.channel is not None:
            options["channel"] = inputs.channel
        return Rows(tensors, options, seeds=(None,))

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        tensors = {**super().probe(model, card, count).tensors, "strength": torch.full((count,), 0.5)}
        return Rows(tensors, {"layer": usual_layer(model.layers)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Steps:
        return require(model, Dreamer).dream(**tensors, **options)


class Upscale(OfPicture):
    """An image several times as large."""

    task = Task.UPSCALE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image", "scale") if offers(model, Upscaler) and model.scales else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        return replace(super().prepare(model, inputs, pictures), options={"scale": inputs.scale})

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return replace(super().probe(model, card, count), options={"scale": model.scales[0]})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        return require(model, Upscaler).upscale(**tensors, **options)


class Decode(Operation):
    """Codes to images; a task says where its codes come from."""

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        return Rows({"latent": noise.normal(range(count), model.latent_shape)})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        return require(model, Decoder).decode(tensors["latent"])


class Reconstruct(Decode):
    """An image to its code and back, with attributes changed on the way if it is asked for."""

    task = Task.RECONSTRUCT

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image", *model.attributes) if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        return Rows({"latent": _attributed(model, inputs, _encode(model, pictures))}, seeds=(None,))


class Interpolate(Decode):
    """Images along a path of codes. Latents are normal, so their path is spherical unless a straight one is wanted."""

    task = Task.INTERPOLATE

    def inputs(self, model: Model) -> tuple[str, ...]:
        drawn = ("seeds",) if offers(model, Sampler) else ()
        return (*drawn, "images", "latents", "frames", "path") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        if pictures:
            stops = _encode(model, pictures)
        elif inputs.latents:
            stops = _latents(model, inputs.latents)
        else:
            stops = noise.normal(present(inputs.seeds, "seeds"), model.latent_shape)
        between = {"lerp": torch.lerp, "slerp": slerp}[inputs.path or ("lerp" if pictures else "slerp")]
        return Rows({"latent": path(stops, inputs.frames, between)}, seeds=(None,) * inputs.frames)


class Vary(Decode):
    """Images around one picture, by the model's own way if it has one; else around a picture's code or a latent: that,
    and noise from each image's seed, times the strength."""

    task = Task.VARY

    def inputs(self, model: Model) -> tuple[str, ...]:
        if offers(model, Varier):
            return ("image", "n", "seed", "strength", *_offered(model, self.task))
        return ("image", "latent", "n", "seed", "strength") if _has_codes(model) else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        seeds = tuple(present(inputs.seed, "seed") + index for index in range(inputs.n))
        if offers(model, Varier):
            tensors = {"images": to_tensor(list(pictures) * inputs.n), "noise": noise.normal(seeds, model.latent_shape)}
            return Rows(tensors, {"strength": inputs.strength, **_chosen(model, self.task, inputs)}, seeds)
        centre = _encode(model, pictures) if pictures else _latents(model, [present(inputs.latent, "latent")])
        return Rows({"latent": centre + inputs.strength * noise.normal(seeds, model.latent_shape)}, seeds=seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        rows = super().probe(model, card, count)
        if not offers(model, Varier):
            return rows
        return Rows({"images": _noise_images(card, count), "noise": rows.tensors["latent"]}, {"strength": 0.5})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        if offers(model, Varier):
            return require(model, Varier).vary(**tensors, **options)
        return super().apply(model, tensors)


class Traverse(Decode):
    """Images along one dimension of the latent, the others as they are (beta-VAE, Higgins et al. 2017, figure 1), or
    along an attribute from its least value to its most."""

    task = Task.TRAVERSE

    def inputs(self, model: Model) -> tuple[str, ...]:
        if not offers(model, Decoder) or not (offers(model, Encoder) or model.attributes):
            return ()
        along = ("dimension", "attribute") if model.attributes else ("dimension",)
        drawn = ("seed",) if offers(model, Sampler) else ()
        read = ("image",) if offers(model, Encoder) else ()
        return (*along, *drawn, "latent", *read, "frames", "span", *model.attributes)

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        start = _encode(model, pictures) if pictures else _drawn(model, inputs).tensors["latent"]
        start = _attributed(model, inputs, start)
        if inputs.attribute is not None:
            codes = _along(model.attributes[inputs.attribute], start, inputs.frames)
        else:
            codes = start.flatten(1).repeat(inputs.frames, 1)
            codes[:, present(inputs.dimension, "dimension")] = torch.linspace(-inputs.span, inputs.span, inputs.frames)
            codes = codes.unflatten(1, model.latent_shape)
        return Rows({"latent": codes}, seeds=(None,) * inputs.frames)


class Inpaint(Operation):
    """A picture's masked part, made anew from the rest of it; what is known stays as it is."""

    task = Task.INPAINT

    def inputs(self, model: Model) -> tuple[str, ...]:
        drawn = ("n", "seed") if model.latent_shape else ()
        return ("image", "mask", *drawn) if offers(model, Completer) else ()

    def prepare(self, model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
        image, mask = pictures
        count = inputs.n
        tensors = {
            "images": to_tensor([image] * count),
            "mask": _hidden([mask] * count),
        }
        if not model.latent_shape:
            return Rows(tensors, seeds=(None,))
        rows = _drawn(model, inputs)
        return Rows({**tensors, "noise": rows.tensors["latent"]}, seeds=rows.seeds)

    def probe(self, model: Model, card: Card, count: int) -> Rows:
        images = _noise_images(card, count)
        mask = torch.zeros_like(images[:, :1])
        mask[:, :, card.image.height // 2 :] = 1
        drawn = {"noise": noise.normal(range(count), model.latent_shape)} if model.latent_shape else {}
        return Rows({"images": images, "mask": mask, **drawn})

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        images, unknown = tensors["images"], tensors["mask"] > 0
        made = require(model, Completer).complete(**tensors)
        if isinstance(made, Tensor):
            return torch.where(unknown, made, images)
        return (Step(step.done, step.total, torch.where(unknown, step.images, images)) for step in made)


class Encode(OfPicture):
    """An image to its code."""

    task = Task.ENCODE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if offers(model, Encoder) else ()

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Images:
        return require(model, Encoder).encode(tensors["images"])


class Score(OfPicture):
    """How likely the model holds an image to be, or how real it finds it: a critic's verdict, an energy."""

    task = Task.SCORE

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if offers(model, Scorer) else ()

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Steps:
        per_bit = tensors["images"][0].numel() * math.log(2)
        for step in steps_of(require(model, Scorer).score(tensors["images"])):
            told = (step.images, -step.images / per_bit) if model.scores == LIKELIHOOD else (step.images,)
            yield Step(step.done, step.total, torch.stack(told, dim=1))

    def columns(self, model: Model, card: Card) -> tuple[str, ...]:
        return model.scores


class Classify(OfPicture):
    """How probable each class is, of a model that makes images and learned to read them; judges serve no requests."""

    task = Task.CLASSIFY

    def inputs(self, model: Model) -> tuple[str, ...]:
        return ("image",) if offers(model, Classifier) and offers(model, Sampler) else ()

    def apply(self, model: Model, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return require(model, Classifier).classify(tensors["images"]).softmax(1)

    def columns(self, model: Model, card: Card) -> tuple[str, ...]:
        return card.classes


def over_tiles(rows: Rows, tiles: Sequence[np.ndarray]) -> Rows:
    """The rows of a picture's first tile as rows of all its tiles, uint8 [H, W, C] each: tile by tile of each row."""
    tensors = {name: tensor.repeat_interleave(len(tiles), dim=0) for name, tensor in rows.tensors.items()}
    tensors["images"] = to_tensor(tiles).repeat(len(rows), 1, 1, 1)
    return replace(rows, tensors=tensors)


def over_parts(rows: Rows, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Rows:
    """The rows of a picture's first part as rows of all: what is shown of each, and its mask, uint8 [H, W, C]."""
    shown, masks = zip(*parts, strict=True)
    rows = over_tiles(rows, shown)
    return replace(rows, tensors={**rows.tensors, "mask": _hidden(masks).repeat(len(rows) // len(parts), 1, 1, 1)})


def whole(result: Tensor | Steps) -> Tensor:
    """The images of a method's result, however many passes they take."""
    images = None
    for step in steps_of(result):
        images = step.images
    if images is None:
        raise ValueError("a result of no steps")
    return images


def steps_of(result: Tensor | Steps) -> Steps:
    """What `Operation.apply` returned, as steps: images that took one pass are one step."""
    return iter([Step(1, 1, result)]) if isinstance(result, Tensor) else result


OPERATIONS: dict[Task, Operation] = {
    operation.task: operation
    for operation in (
        Sample(),
        Conditional(),
        Text(),
        Translate(),
        Stylize(),
        Dream(),
        Upscale(),
        Reconstruct(),
        Interpolate(),
        Vary(),
        Traverse(),
        Inpaint(),
        Encode(),
        Score(),
        Classify(),
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


def _hidden(masks: Sequence[np.ndarray]) -> Tensor:
    """[N, 1, H, W], 1 where masks are white, uint8 [H, W, C] each, and else 0."""
    return (to_tensor(masks).mean(1, keepdim=True) > 0).float()


def _noise_images(card: Card, count: int) -> Tensor:
    return noise.normal(range(count), (card.image.channels, card.image.height, card.image.width)).clamp(-1, 1)


def _styles(model: Model, inputs: Given, pictures: Sequence[np.ndarray]) -> Rows:
    """The style of a picture, or those that are told or drawn as latents are."""
    if inputs.style_image is None:
        return _drawn(model, inputs)
    with torch.inference_mode():
        images = to_tensor(pictures).to(device_of(model))
        styles = require(model, StyleEncoder).style(images, present(inputs.direction, "direction"))
    return Rows({"latent": styles.cpu()}, seeds=(None,))


def _marked(chosen: Sequence[int], classes: int) -> Tensor:
    """[1, classes]: 1 for the classes that were chosen, else 0."""
    marked = torch.zeros(1, classes)
    marked[0, list(chosen)] = 1
    return marked


def _mixed(chosen: Sequence[int], classes: int) -> Tensor:
    """[1, classes]: the shares of the classes, as often as they were chosen."""
    counts = torch.bincount(torch.tensor(chosen), minlength=classes)
    return counts[None] / len(chosen)


@torch.inference_mode()
def _manner(model: Model, inputs: Given, styles: Sequence[np.ndarray]) -> Tensor:
    """What a style says to `stylize`, [1, ...]: of the picture that was sent, or of the classes that were named."""
    if styles:
        return require(model, MannerEncoder).manner_of(to_tensor(styles).to(device_of(model))).cpu()
    mixture = _mixed([present(inputs.label, "label"), *inputs.blend], model.classes)
    return require(model, MannerLibrary).manner_of_classes(mixture.to(device_of(model))).cpu()


def _has_codes(model: Model) -> bool:
    return offers(model, Encoder) and offers(model, Decoder)


def _draws(model: Model) -> tuple[str, ...]:
    """The inputs that say which latents a sample is made from."""
    latent = ("latent",) if model.latent_shape else ()
    truncated = ("truncation",) if model.latent_shape and model.truncatable and model.temperature != "sample" else ()
    return ("n", "seed", *latent, *truncated, *(("temperature",) if model.temperature else ()), *model.attributes)


def _offered(model: Model, task: Task) -> tuple[str, ...]:
    """The inputs of the task that go to the model's method as they are."""
    return model.options.get(task, ())


def _chosen(model: Model, task: Task, inputs: Given) -> dict[str, Any]:
    """What a request says of `_offered`."""
    return {name: inputs.values[name] for name in _offered(model, task)}


def _drawn(model: Model, inputs: Given) -> Rows:
    """The latent that was told, or one of each seed."""
    if inputs.latent is not None:
        return Rows({"latent": _latents(model, [present(inputs.latent, "latent")])}, seeds=(None,))
    seeds = tuple(present(inputs.seed, "seed") + index for index in range(inputs.n))
    truncation = inputs.truncation
    if truncation is None:
        return Rows({"latent": noise.normal(seeds, model.latent_shape)}, seeds=seeds)
    return Rows({"latent": noise.truncated(seeds, model.latent_shape, truncation)}, seeds=seeds)


def _attributed(model: Model, inputs: Given, latent: Tensor) -> Tensor:
    """The latents [N, *latent_shape] with the attributes set that a request gives."""
    for name, attribute in model.attributes.items():
        value = inputs.values.get(name)
        latent = latent if value is None else attribute.put(latent, value)
    return latent


def _along(attribute: LatentAttribute, latent: Tensor, frames: int) -> Tensor:
    """The latent [1, *latent_shape] with values of the attribute from its least to its most. -> [frames, ...]."""
    record = attribute.record
    values = torch.linspace(record.low, record.high, frames)
    values = values.round() if record.whole else values
    return torch.cat([attribute.put(latent, value) for value in values.tolist()])


def _latents(model: Model, latents: Sequence[Sequence[float]]) -> Tensor:
    """Flat lists of numbers as latents [N, *latent_shape]."""
    return torch.tensor(latents, dtype=torch.float32).unflatten(1, model.latent_shape)


def _encode(model: Model, pictures: Sequence[np.ndarray]) -> Tensor:
    with torch.inference_mode():
        return require(model, Encoder).encode(to_tensor(pictures).to(device_of(model))).cpu()
