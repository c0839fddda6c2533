"""Sample sheets: what a model can do, in one picture to look at."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from models import noise
from models.capabilities import (
    Completer,
    Decoder,
    Dreamer,
    Encoder,
    MultiStyleStylizer,
    Sampler,
    StyledTranslator,
    Stylizer,
    TargetTranslator,
    TextSampler,
    Translator,
    Upscaler,
)
from models.card import SOURCE_AND_TARGET, Direction
from models.model import Model, Steps, device_of, final_images
from models.nn.bicubic import reduced, resized
from models.nn.text import bags
from pictures import composition
from tasks.operation import to_pixels
from training.data import Photographs, Source, to_float
from training.masks import hide

_CENTRE = 144
"""Side of what is shown of a photograph, if it is that large and a multiple of the scale."""
UPSCALED = 6
"""Cells in a row of an upscaler's sheet: two pictures, three times each."""
_STYLES = 3
"""Translations of one image that are shown, where there are styles."""


@torch.inference_mode()
def preview(model: Model, held_out: Source, rows: int = 8) -> np.ndarray | None:
    """A sheet for the model's first task, uint8 [H, W, C]; None for a model that makes no pictures.

    Samples are drawn with seeds 0, 1, …; classes and categories stand in columns, texts in rows; translations stand to
    the right of their inputs, with the true answer beside them where the data has it, and so do reconstructions,
    stylized pictures, and pictures with a hole that was filled.
    """
    if isinstance(model, Upscaler) and isinstance(held_out, Photographs):
        return _upscaled(model, held_out.images[: 2 * rows])
    if isinstance(model, StyledTranslator | TargetTranslator):
        return _translations(model, held_out, rows)
    if isinstance(model, Translator) and not isinstance(model, Sampler):
        return _translations(model, held_out, rows)
    if isinstance(model, Sampler) and model.classes:
        labels = torch.arange(model.classes).repeat(rows)
        return _samples(model, _latents(model, len(labels)), labels, columns=model.classes)
    if isinstance(model, TextSampler):
        return _of_wordings(model, _wordings(held_out, rows))
    if isinstance(model, MultiStyleStylizer):
        return _in_manners(model, held_out)
    if isinstance(model, Stylizer):
        return _beside(model.stylize, model, held_out, rows=2, columns=2)
    if isinstance(model, Dreamer):
        return _dreams(model, held_out)
    if isinstance(model, Sampler):
        kinds = [each for each in model.attributes.values() if each.record.whole]
        columns = int(kinds[0].record.high) + 1 if kinds else 8
        latent = _latents(model, rows * columns)
        if kinds:
            latent = torch.cat([kinds[0].put(row[None], index % columns) for index, row in enumerate(latent)])
        return _samples(model, latent, columns=columns)
    if isinstance(model, Completer):
        return _filled(model, held_out, rows)
    if isinstance(model, Decoder) and isinstance(model, Encoder):
        return _beside(lambda images: model.decode(model.encode(images)), model, held_out, rows, columns=4)
    return None


def _in_manners(model: MultiStyleStylizer, held_out: Source, rows: int = 3) -> np.ndarray:
    """In each row a held-out photograph, and the same in the manner of every class."""
    photographs = _spread(held_out, rows).to(device_of(model))
    cells = []
    for photograph in photographs:
        cells.append(photograph)
        for manner in model.manner_of_classes(torch.eye(model.classes, device=photograph.device)).split(1):
            strength = torch.ones(1, device=photograph.device)
            cells.append(final_images(model.stylize(photograph[None], manner, strength))[0])
    return composition.grid(list(to_pixels(torch.stack(cells))), columns=1 + model.classes)


def _dreams(model: Dreamer, held_out: Source, rows: int = 3) -> np.ndarray:
    """In each row a held-out photograph, and a dream of each layer."""
    photographs = _spread(held_out, rows).to(device_of(model))
    strength = torch.full((rows,), 0.5, device=photographs.device)
    made = [final_images(model.dream(photographs, strength, layer)) for layer in model.layers]
    cells = torch.stack([photographs, *made], dim=1).flatten(0, 1)
    return composition.grid(list(to_pixels(cells)), columns=1 + len(made))


def _spread(held_out: Source, count: int) -> Tensor:
    """Held-out images, spread over the classes."""
    images = held_out.all()["images"]
    return images[torch.linspace(0, len(images) - 1, count).long()]


def _upscaled(model: Upscaler, shown: Sequence[Tensor]) -> np.ndarray:
    """Two pictures in a row, three times each."""
    scale = max(model.scales)
    cells: list[np.ndarray] = []
    side = min(_CENTRE, *(length for picture in shown for length in picture.shape[1:])) // scale * scale
    for picture in shown:
        top, left = ((length - side) // 2 for length in picture.shape[1:])
        truth = to_float(picture[:, top : top + side, left : left + side])[None]
        small = reduced(truth, scale)
        made = final_images(model.upscale(small.to(device_of(model)), scale)).cpu()
        cells += list(to_pixels(torch.cat([resized(small, side, side), made, truth])))
    return composition.grid(cells, columns=UPSCALED)


def _wordings(held_out: Source, rows: int) -> list[str]:
    """Some of the wordings that are held out, or of subjects that are, evenly spread."""
    worded = held_out.worded()
    wordings = [caption for captions in (worded.held or worded.unseen).values() for caption in captions]
    return [wordings[index * len(wordings) // rows] for index in range(rows)]


def _of_wordings(model: TextSampler, wordings: Sequence[str]) -> np.ndarray:
    """A row for each text."""
    shown = [text for text in wordings for _ in range(8)]
    return _samples(model, _latents(model, len(shown)), bags(shown), columns=8)


def _latents(model: Model, count: int) -> Tensor:
    """Of the seeds 0, 1, …"""
    return noise.normal(range(count), model.latent_shape)


def _samples(model: Sampler | TextSampler, *conditions: Tensor, columns: int) -> np.ndarray:
    """What the model makes of latents, and of labels or texts beside them, as a grid."""
    images = final_images(model.sample(*(rows.to(device_of(model)) for rows in conditions)))
    return composition.grid(list(to_pixels(images)), columns=columns)


def _beside(
    make: Callable[[Tensor], Tensor | Steps], model: Model, held_out: Source, rows: int, columns: int = 1
) -> np.ndarray:
    """Held-out images, spread over the classes, each with what is made of it to its right."""
    given = _spread(held_out, rows * columns).to(device_of(model))
    if model.side:
        given = torch.nn.functional.interpolate(given, model.side, mode="bicubic").clamp(-1, 1)
    pairs = torch.stack([given, final_images(make(given))], dim=1).flatten(0, 1)
    return composition.grid(list(to_pixels(pairs)), columns=2 * columns)


def _filled(model: Completer, held_out: Source, rows: int) -> np.ndarray:
    """Held-out images with holes of the seeds 0, 1, …, each with how it is filled, and what was there, to its right."""
    images = held_out.all()["images"]
    truth = images[torch.linspace(0, len(images) - 1, 2 * rows).long()].to(device_of(model))
    kind = held_out.spec.masks or "free-form"
    mask = torch.stack([hide(kind, truth.shape[-1], seed) for seed in range(len(truth))]).to(truth.device)
    made = torch.where(mask > 0, final_images(model.complete(truth, mask)), truth)
    shown = torch.stack([truth * (1 - mask), made, truth], dim=1).flatten(0, 1)
    return composition.grid(list(to_pixels(shown)), columns=6)


def _translations(model: Translator | StyledTranslator | TargetTranslator, held_out: Source, rows: int) -> np.ndarray:
    cells: list[np.ndarray] = []
    rows = min(rows, *map(len, held_out.fields.values()))
    batch = {name: pixels[:: len(pixels) // rows][:rows] for name, pixels in held_out.all().items()}
    if isinstance(model, TargetTranslator):
        return _to_targets(model, batch["images"], batch["labels"])
    for row in range(len(batch["a"])):
        for direction in model.directions:
            given, truth = (batch[domain][row] for domain in SOURCE_AND_TARGET[direction])
            made = _translated(model, given[None], direction)
            shown = [given[None], made] + ([truth[None]] if held_out.paired else [])
            cells += list(to_pixels(torch.cat(shown)))
    return composition.grid(cells, columns=len(cells) // len(batch["a"]))


def _translated(model: Translator | StyledTranslator, given: Tensor, direction: Direction) -> Tensor:
    """[1, C, H, W] -> the translation, or `_STYLES` of them where there are styles, drawn with seeds 0, 1, …"""
    given = given.to(device_of(model))
    if isinstance(model, Translator):
        return final_images(model.translate(given, direction)).cpu()
    latent = _latents(model, _STYLES).to(given.device)
    return final_images(model.translate(given.expand(_STYLES, -1, -1, -1), direction, latent)).cpu()


def _to_targets(model: TargetTranslator, images: Tensor, labels: Tensor) -> np.ndarray:
    """Each image beside what is made of it: of every domain, or with each attribute in turn changed."""
    cells: list[np.ndarray] = []
    each = torch.eye(model.classes)
    for image, label in zip(images, labels, strict=True):
        targets = each if model.targets == "one" else (label - each).abs()
        given = image.expand(model.classes, -1, -1, -1).to(device_of(model))
        made = final_images(model.translate(given, targets.to(given.device))).cpu()
        cells += list(to_pixels(torch.cat([image[None], made])))
    return composition.grid(cells, columns=1 + model.classes)
