"""The figures of style transfer and of dreams, on photographs that were not trained on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from evaluation.evaluated import EvaluatedModel
from evaluation.judging import read
from models.capabilities import MultiStyleStylizer
from models.card import Card, Metric
from models.families.classifier import ImageClassifier
from models.families.deepdream import DeepDream
from models.families.gatys import Gatys
from models.model import final_images

TEACHER, FEATURES = "paintings-gatys", "medley-features"
"""Of our models, the one that knows how the features of a painting go together, and the one that names paintings."""
PHOTOGRAPHS = 3
"""That are shown in the manner of every painting."""
DREAMT = 4
"""Photographs that are dreamt of."""
TIMED, RUNS = 256, 3


def manners(about: EvaluatedModel) -> Iterator[Metric]:
    """How far results are from the manner that was asked for, beside the photographs and what the optimisation reaches;
    how often a classifier names the painting of a result; and the time of a result."""
    model, teacher = about.model, about.registry.current.get(TEACHER)
    if not isinstance(model, MultiStyleStylizer) or teacher is None:
        return
    knows = read(teacher, Gatys) if about.card.name != TEACHER else model
    if not isinstance(knows, Gatys):
        return
    photographs = _spread(about, PHOTOGRAPHS).repeat_interleave(model.classes, dim=0)
    mixtures = torch.eye(model.classes).repeat(PHOTOGRAPHS, 1)
    made = _each(model, photographs, mixtures)
    ways = {"": made, ".floor": photographs}
    if knows is not model:
        ways[".optimised"] = _each(knows, photographs, mixtures)
    by = f"{TEACHER}@{teacher.card.weights.sha256[:12]}"
    for suffix, images in ways.items():
        yield about.metric(f"style_loss{suffix}", _loss(knows, images, mixtures), len(images), by)
    yield from _named(about, made, mixtures)
    timing = f"{TIMED} x {TIMED} pixels in PyTorch, CPU time of one core, least of {RUNS}"
    one = photographs[:1], mixtures[:1]
    yield about.metric(f"ms.{TIMED}", _milliseconds(lambda: _each(model, *one)), RUNS, None, timing)


def dreams(about: EvaluatedModel) -> Iterator[Metric]:
    """How many times as strong the activations of each layer are in a dream of it as in the photograph."""
    model = about.model
    if not isinstance(model, DeepDream):
        return
    photographs = _spread(about, DREAMT)
    for layer in model.layers:
        before, after = (model.seen(images, layer) for images in (photographs, _dreamt(model, photographs, layer)))
        yield about.metric(f"activation_gain.{layer}", (after / before).mean().item(), DREAMT)
    timing = f"512 x 512 pixels in PyTorch, CPU time of one core, least of {RUNS}"
    large = torch.nn.functional.interpolate(photographs[:1], 512, mode="bicubic").clamp(-1, 1)
    layer = list(model.layers)[len(model.layers) // 2]
    yield about.metric("ms.512", _milliseconds(lambda: _dreamt(model, large, layer)), RUNS, None, timing)


def _spread(about: EvaluatedModel, count: int) -> Tensor:
    images = about.real["images"]
    return images[torch.linspace(0, len(images) - 1, count).long()]


def _each(model: MultiStyleStylizer, images: Tensor, mixtures: Tensor) -> Tensor:
    """One by one, as large pictures are served."""
    pairs = zip(images.split(1), model.manner_of_classes(mixtures).split(1), strict=True)
    return torch.cat([final_images(model.stylize(image, manner, torch.ones(1))) for image, manner in pairs])


def _dreamt(model: DeepDream, images: Tensor, layer: str) -> Tensor:
    return final_images(model.dream(images, torch.full((len(images),), 0.5), layer))


def _loss(knows: Gatys, images: Tensor, mixtures: Tensor) -> float:
    return knows.style_loss(images, knows.manner_of_classes(mixtures)).mean().item()


def _named(about: EvaluatedModel, made: Tensor, mixtures: Tensor) -> Iterator[Metric]:
    entry = about.registry.current.get(FEATURES)
    if entry is None:
        return
    places = _paintings(entry.card, about.card)
    verdicts = read(entry, ImageClassifier).classify(made)[:, places].argmax(1)
    right = (verdicts == mixtures.argmax(1)).float().mean().item()
    by = f"{FEATURES}@{entry.card.weights.sha256[:12]}"
    yield about.metric(f"named[{FEATURES}]", right, len(made), by)


def _paintings(features: Card, card: Card) -> list[int]:
    """Where the classifier has the paintings that the model knows."""
    return [features.classes.index(f"painting {name.replace('-', ' ')}") for name in card.classes]


def _milliseconds(run: Callable[[], object]) -> float:
    threads, found = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for _ in range(RUNS):
            started = time.process_time()
            run()
            found.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return 1000 * min(found)
