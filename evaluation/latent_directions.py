"""Directions of a latent along which one thing changes in an image and the rest stays, found from measured images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import one_hot

from evaluation.trained import Trained
from models import checkpoint, noise
from models.capabilities import Decoder, Encoder, Sampler, require
from models.card import DIRECTIONS_FILE, Attribute, Card
from models.model import Model, final_images
from models.registry import Entry
from tasks.inputs import INPUTS
from tasks.operations import tasks_of
from training import data

STEPS = 3
"""How far a request may go either way."""
IMAGES = 10_000
"""Images that are measured."""
_MOVED = 1000
"""How many of them are moved, to see what a step does."""
_BATCH = 100


def thickness(images: Tensor) -> Tensor:
    """Twice the ink over the length of its outline: the width of a long stroke, in pixels. [N, 1, H, W] -> [N]."""
    ink = (images[:, 0] + 1) / 2
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    down, right = padded.diff(dim=1)[:, :, 1:], padded.diff(dim=2)[:, 1:]
    outline = (down.square() + right.square()).sqrt().sum((1, 2))
    return 2 * ink.sum((1, 2)) / outline.clamp_min(1)


def slant(images: Tensor) -> Tensor:
    """How far the ink leans to the right for each pixel upwards. [N, 1, H, W] -> [N]."""
    _, height, lean = _moments(images)
    return -lean / height


def breadth(images: Tensor) -> Tensor:
    """Width over height of the ink, once it is upright. [N, 1, H, W] -> [N]."""
    width, height, lean = _moments(images)
    return ((width - lean.square() / height).clamp_min(0) / height).sqrt()


def _moments(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Second moments of the ink: across, down (at least 1), and of both. [N] each, in pixels squared."""
    ink = (images[:, 0] + 1) / 2
    share = ink / ink.sum((1, 2), keepdim=True).clamp_min(1)
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=ink.dtype) for side in ink.shape[1:]), indexing="ij")
    down = rows - (share * rows).sum((1, 2), keepdim=True)
    across = columns - (share * columns).sum((1, 2), keepdim=True)
    width, height, lean = ((share * part).sum((1, 2)) for part in (across.square(), down.square(), across * down))
    return width, height.clamp_min(1), lean


Measure = Callable[[Tensor], Tensor]
"""A number of each image, [N, C, H, W] -> [N]."""

MEASURES: Mapping[str, Mapping[str, Measure]] = {"mnist": {"thickness": thickness, "slant": slant, "breadth": breadth}}
"""What can be measured of the images of a data set."""


class NothingToFind(ValueError):
    """A model for which there are no directions to be found."""


@dataclass(frozen=True)
class MeasuredDirection:
    """A direction, and what it does to images."""

    vector: Tensor
    effect: float
    """Standard deviations by which the attribute grows for each step."""


@torch.inference_mode()
def find(entry: Entry) -> dict[str, MeasuredDirection]:
    """A direction for each thing that can be measured of the images that the model was trained on.

    Raises:
        FileNotFoundError: the data set is not there.
        NothingToFind: the model has no latent, or nothing is known to measure of its images.
    """
    card = entry.card
    model = checkpoint.read(entry.folder, card)
    trained = Trained.of(entry)
    measures = MEASURES.get(trained.data.name, {}) if trained else {}
    makes = isinstance(model, Sampler if model.classes else Decoder)
    if trained is None or not measures or not model.latent_shape or not makes:
        raise NothingToFind(f"nothing is known to measure of what {card.name} makes, or it makes it without a latent")
    spec = trained.spec
    trained_on = data.load(spec.evaluation().model_copy(update={"split": spec.split})).batch(IMAGES, seed=0)
    return regress(model, measures, trained_on["images"], trained_on["labels"])


def regress(
    model: Model, measures: Mapping[str, Measure], images: Tensor, labels: Tensor
) -> dict[str, MeasuredDirection]:
    """By how much latents change, on average, where a measure grows by a standard deviation, the other measures and the
    class being the same (least squares).

    Latents are codes of the images [N, C, H, W], of classes [N], if the model has an encoder; else as many are drawn,
    and its own images measured.
    """
    latents, images, labels = _pairs(model, images, labels)
    measured = torch.stack([measure(images) for measure in measures.values()], dim=1)
    spread = measured.std(0)
    known = torch.cat([(measured - measured.mean(0)) / spread, one_hot(labels).float()], dim=1)
    vectors = torch.linalg.lstsq(known, latents.flatten(1)).solution[: len(measures)].unflatten(1, model.latent_shape)
    return {
        name: MeasuredDirection(vector, _effect(model, latents, labels, vector, measure) / float(scale))
        for (name, measure), vector, scale in zip(measures.items(), vectors, spread, strict=True)
    }


def write(folder: Path, found: Mapping[str, MeasuredDirection]) -> Card:
    """Writes the directions beside the weights, and into the card what can be asked for with them.

    Raises:
        ValueError: the name of an attribute is that of another input.
    """
    if taken := found.keys() & INPUTS.keys():
        raise ValueError(f"{', '.join(sorted(taken))}: inputs of that name are something else")
    (folder / DIRECTIONS_FILE).write_bytes(save({name: each.vector.contiguous() for name, each in found.items()}))
    descriptions = {
        name: f"{name} of the image: a step is {each.effect:.2g} standard deviations" for name, each in found.items()
    }
    records = {name: Attribute(low=-STEPS, high=STEPS, told=descriptions[name]) for name in found}
    card = Card.read(folder).model_copy(update={"attributes": records})
    card = card.model_copy(update={"tasks": tasks_of(checkpoint.read(folder, card))})
    card.write(folder)
    return card


def _pairs(model: Model, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, the images that belong to them, and those images' classes."""
    if isinstance(model, Encoder):
        return torch.cat([model.encode(part) for part in images.split(_BATCH)]), images, labels
    latents = noise.normal(range(len(images)), model.latent_shape)
    labels = torch.arange(len(latents)) % max(model.classes, 1)
    return latents, _made(model, latents, labels), labels


def _made(model: Model, latents: Tensor, labels: Tensor) -> Tensor:
    parts = zip(latents.split(_BATCH), labels.split(_BATCH), strict=True)
    if model.classes:
        sampler = require(model, Sampler)
        return torch.cat([final_images(sampler.sample(*part)) for part in parts])
    decoder = require(model, Decoder)
    return torch.cat([final_images(decoder.decode(latent)) for latent, _ in parts])


def _effect(model: Model, latents: Tensor, labels: Tensor, vector: Tensor, measure: Measure) -> float:
    """How much the measure of an image grows for each step along the vector, from a step below to a step above."""
    few, theirs = latents[:_MOVED], labels[:_MOVED]
    ends = [measure(_made(model, few + way * vector, theirs)).mean() for way in (-1, 1)]
    return float(ends[1] - ends[0]) / 2
