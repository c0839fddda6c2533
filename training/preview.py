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
    MannerLibrary,
    Sampler,
    StyleEncoder,
    Stylizer,
    Translator,
    Upscaler,
    require,
)
from models.card import SOURCE_AND_TARGET, Direction, Task
from models.model import Model, device_of
from models.nn.bicubic import reduced, resized
from models.nn.text import bags
from pictures import composition
from tasks import operations
from training.data import Photographs, Source, to_float
from training.masks import hide

_CENTRE = 144
"""Side of what is shown of a photograph, if it is that large and a multiple of the scale."""
UPSCALED = 6
"""Cells in a row of an upscaler's sheet: two pictures, three times each."""
_STYLES = 3
"""Translations of one image that are shown, where there are styles."""

Change = Callable[[Tensor], Tensor]
"""Images [N, C, H, W] to what is made of them, of the same shape."""


@torch.inference_mode()
def preview(model: Model, held_out: Source, rows: int = 8) -> np.ndarray | None:
    """A sheet for the model's first task, uint8 [H, W, C]; None for a model that makes no pictures.

    Samples are drawn with seeds 0, 1, …; classes and categories stand in columns, texts in rows; translations stand to
    the right of their inputs, with the true answer beside them where the data has it, and so do reconstructions,
    stylized pictures, and pictures with a hole that was filled.
    """
    if isinstance(model, Upscaler) and isinstance(held_out, Photographs):
        return _upscaled(model, held_out.images[: 2 * rows])
    tasks = operations.tasks_of(model)
    if Task.TRANSLATE in tasks and Task.SAMPLE not in tasks:
        return _translations(model, held_out, rows)
    if Task.CONDITIONAL in tasks:
        labels = torch.arange(model.classes).repeat(rows)
        return _samples(model, _latents(model, len(labels)), labels, columns=model.classes)
    if Task.TEXT in tasks:
        return _of_wordings(model, _wordings(held_out, rows))
    if Task.STYLIZE in tasks and model.classes:
        return _in_manners(model, held_out)
    if Task.STYLIZE in tasks:
        stylizer = require(model, Stylizer)
        return _beside(lambda images: operations.whole(stylizer.stylize(images)), model, held_out, rows=2, columns=2)
    if Task.DREAM in tasks:
        return _dreams(model, held_out)
    if Task.SAMPLE in tasks:
        kinds = [each for each in model.attributes.values() if each.record.whole]
        columns = int(kinds[0].record.high) + 1 if kinds else 8
        latent = _latents(model, rows * columns)
        if kinds:
            latent = torch.cat([kinds[0].put(row[None], index % columns) for index, row in enumerate(latent)])
        return _samples(model, latent, columns=columns)
    if Task.INPAINT in tasks and Task.SAMPLE not in tasks:
        return _filled(model, held_out, rows)
    if Task.RECONSTRUCT in tasks:
        encoder, decoder = require(model, Encoder), require(model, Decoder)

        def rebuilt(images: Tensor) -> Tensor:
            return operations.whole(decoder.decode(encoder.encode(images)))

        return _beside(rebuilt, model, held_out, rows, columns=4)
    return None


def _in_manners(model: Model, held_out: Source, rows: int = 3) -> np.ndarray:
    """In each row a held-out photograph, and the same in the manner of every class."""
    stylizer, library = require(model, Stylizer), require(model, MannerLibrary)
    photographs = _spread(held_out, rows).to(device_of(model))
    cells = []
    for photograph in photographs:
        cells.append(photograph)
        for manner in library.manner_of_classes(torch.eye(model.classes, device=photograph.device)).split(1):
            strength = torch.ones(1, device=photograph.device)
            made = stylizer.stylize(photograph[None], manner=manner, strength=strength)
            cells.append(operations.whole(made)[0])
    return composition.grid(list(operations.to_pixels(torch.stack(cells))), columns=1 + model.classes)


def _dreams(model: Model, held_out: Source, rows: int = 3) -> np.ndarray:
    """In each row a held-out photograph, and a dream of each layer."""
    photographs = _spread(held_out, rows).to(device_of(model))
    dreamer = require(model, Dreamer)
    strength = torch.full((rows,), 0.5, device=photographs.device)
    made = [operations.whole(dreamer.dream(photographs, strength=strength, layer=layer)) for layer in model.layers]
    cells = torch.stack([photographs, *made], dim=1).flatten(0, 1)
    return composition.grid(list(operations.to_pixels(cells)), columns=1 + len(made))


def _spread(held_out: Source, count: int) -> Tensor:
    """Held-out images, spread over the classes."""
    images = held_out.all()["images"]
    return images[torch.linspace(0, len(images) - 1, count).long()]


def _upscaled(model: Model, shown: Sequence[Tensor]) -> np.ndarray:
    """Two pictures in a row, three times each."""
    upscaler, scale = require(model, Upscaler), max(model.scales)
    cells: list[np.ndarray] = []
    side = min(_CENTRE, *(length for picture in shown for length in picture.shape[1:])) // scale * scale
    for picture in shown:
        top, left = ((length - side) // 2 for length in picture.shape[1:])
        truth = to_float(picture[:, top : top + side, left : left + side])[None]
        small = reduced(truth, scale)
        made = operations.whole(upscaler.upscale(small.to(device_of(model)), scale)).cpu()
        cells += list(operations.to_pixels(torch.cat([resized(small, side, side), made, truth])))
    return composition.grid(cells, columns=UPSCALED)


def _wordings(held_out: Source, rows: int) -> list[str]:
    """Some of the wordings that are held out, evenly spread."""
    wordings = [caption for captions in held_out.worded().held.values() for caption in captions]
    return [wordings[index * len(wordings) // rows] for index in range(rows)]


def _of_wordings(model: Model, wordings: Sequence[str]) -> np.ndarray:
    """A row for each text."""
    shown = [text for text in wordings for _ in range(8)]
    return _samples(model, _latents(model, len(shown)), bags(shown), columns=8)


def _latents(model: Model, count: int) -> Tensor:
    """Of the seeds 0, 1, …"""
    return noise.normal(range(count), model.latent_shape)


def _samples(model: Model, *asked: Tensor, columns: int) -> np.ndarray:
    """What the model makes of latents, and of the labels or texts that go with them, as a grid."""
    images = operations.whole(require(model, Sampler).sample(*(rows.to(device_of(model)) for rows in asked)))
    return composition.grid(list(operations.to_pixels(images)), columns=columns)


def _beside(make: Change, model: Model, held_out: Source, rows: int, columns: int = 1) -> np.ndarray:
    """Held-out images, spread over the classes, each with what is made of it to its right."""
    given = _spread(held_out, rows * columns).to(device_of(model))
    if model.side:
        given = torch.nn.functional.interpolate(given, model.side, mode="bicubic").clamp(-1, 1)
    pairs = torch.stack([given, make(given)], dim=1).flatten(0, 1)
    return composition.grid(list(operations.to_pixels(pairs)), columns=2 * columns)


def _filled(model: Model, held_out: Source, rows: int) -> np.ndarray:
    """Held-out images with holes of the seeds 0, 1, …, each with how it is filled, and what was there, to its right."""
    images = held_out.all()["images"]
    truth = images[torch.linspace(0, len(images) - 1, 2 * rows).long()].to(device_of(model))
    kind = held_out.spec.masks or "free-form"
    mask = torch.stack([hide(kind, truth.shape[-1], seed) for seed in range(len(truth))]).to(truth.device)
    made = torch.where(mask > 0, operations.whole(require(model, Completer).complete(truth, mask)), truth)
    shown = torch.stack([truth * (1 - mask), made, truth], dim=1).flatten(0, 1)
    return composition.grid(list(operations.to_pixels(shown)), columns=6)


def _translations(model: Model, held_out: Source, rows: int) -> np.ndarray:
    cells: list[np.ndarray] = []
    batch = {name: pixels[:: len(pixels) // rows][:rows] for name, pixels in held_out.all().items()}
    if model.targets:
        return _to_targets(model, batch["images"], batch["labels"])
    for row in range(len(batch["a"])):
        for direction in model.directions:
            given, truth = (batch[domain][row] for domain in SOURCE_AND_TARGET[direction])
            made = _translated(model, given[None], direction)
            shown = [given[None], made] + ([truth[None]] if held_out.paired else [])
            cells += list(operations.to_pixels(torch.cat(shown)))
    return composition.grid(cells, columns=len(cells) // len(batch["a"]))


def _translated(model: Model, given: Tensor, direction: Direction) -> Tensor:
    """[1, C, H, W] -> the translation, or `_STYLES` of them where there are styles, drawn with seeds 0, 1, …"""
    given = given.to(device_of(model))
    translator = require(model, Translator)
    if not isinstance(model, StyleEncoder):
        return operations.whole(translator.translate(given, direction)).cpu()
    latent = _latents(model, _STYLES).to(given.device)
    return operations.whole(translator.translate(given.expand(_STYLES, -1, -1, -1), direction, latent)).cpu()


def _to_targets(model: Model, images: Tensor, labels: Tensor) -> np.ndarray:
    """Each image beside what is made of it: of every domain, or with each attribute in turn changed."""
    translator = require(model, Translator)
    cells: list[np.ndarray] = []
    each = torch.eye(model.classes)
    for image, label in zip(images, labels, strict=True):
        targets = each if model.targets == "one" else (label - each).abs()
        given = image.expand(model.classes, -1, -1, -1).to(device_of(model))
        made = operations.whole(translator.translate(given, targets.to(given.device))).cpu()
        cells += list(operations.to_pixels(torch.cat([image[None], made])))
    return composition.grid(cells, columns=1 + model.classes)
