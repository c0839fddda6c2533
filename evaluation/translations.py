"""The figures of translators: each function yields those that are defined for what the model does."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from evaluation.diversity import diversity
from evaluation.evaluated import EvaluatedModel, batched
from evaluation.fidelity import psnr
from evaluation.frechet import frechet_distance
from evaluation.judging import PATCH_JUDGES, TARGET_JUDGES
from evaluation.retrieval import WAYS, retrieval
from models import noise
from models.capabilities import StyledTranslator, TargetTranslator, Translator, require
from models.card import BACK, SOURCE_AND_TARGET, Direction, Metric
from models.model import final_images
from models.nn.edges import edges

STYLES, STYLED = 10, 50
"""Translations of each image whose differences are measured, and of how many images."""
PATCH = 32
"""Side of the patches that a classifier of small photographs judges."""


def translation(about: EvaluatedModel) -> Iterator[Metric]:
    """Against the true answer, where there is one, with that of the untranslated picture as the floor; and, of a model
    that goes both ways, there and back again against the picture itself."""
    if not isinstance(about.model, Translator | StyledTranslator):
        return
    for direction in about.model.directions:
        source, target = (about.real[domain] for domain in SOURCE_AND_TARGET[direction])
        made = _translated(about, source, direction)
        if about.held_out.paired:
            yield from _against_truth(about, made, source, target, direction)
            if about.held_out.spec.edges:
                kept = psnr(edges(made).expand_as(source), source).mean().item()
                yield about.metric(f"edges_psnr.{direction}", kept, len(made))
        if len(about.model.directions) == 2 and (isinstance(about.model, Translator) or about.model.reads_styles):
            cycled = _translated(about, made, BACK[direction], own=source)
            yield about.metric(f"cycle_psnr.{direction}", psnr(cycled, source).mean().item(), len(made))
            yield about.metric(f"unchanged_psnr.{direction}", psnr(made, source).mean().item(), len(made))


def styles(about: EvaluatedModel) -> Iterator[Metric]:
    """How different the translations of one image are: by their styles, or by dropout where that is the only noise."""
    if not isinstance(about.model, Translator | StyledTranslator):
        return
    dropouts = [layer for layer in about.model.modules() if isinstance(layer, nn.Dropout) and layer.p]
    styled = isinstance(about.model, StyledTranslator)
    if not styled and not dropouts:
        return
    for layer in dropouts:
        layer.train(not styled)
    torch.manual_seed(0)
    for direction in about.model.directions:
        images = about.real[SOURCE_AND_TARGET[direction][0]][:STYLED]
        variants = torch.stack([_translated(about, images, direction, first=k * STYLED) for k in range(STYLES)], dim=1)
        name = f"diversity.{direction}" if styled else f"diversity[dropout].{direction}"
        yield about.metric(name, diversity(variants), len(images) * STYLES)
    about.model.eval()


def targets(about: EvaluatedModel) -> Iterator[Metric]:
    """Of a model that is given a target: how often our classifier sees it in the result, with its accuracy on real
    images as the floor; and, where the same thing is there in every domain, against the truth."""
    model = about.model
    if not isinstance(model, TargetTranslator):
        return
    images, labels = about.real["images"], about.real["labels"]
    asked, wanted = zip(*_requests(model.targets, labels, model.classes), strict=True)
    asked, wanted = torch.cat(asked), torch.cat(wanted)
    made = batched(lambda *rows: final_images(model.translate(*rows)), images[asked], wanted)
    if judge := about.judge(TARGET_JUDGES):
        by, logits = judge.extractor, batched(judge.classify, made)
        if model.targets == "one":
            hits = judged_right(logits, wanted.argmax(1))
        else:
            changed = wanted != labels[asked]
            hits = ((logits > 0) == wanted.bool())[changed]
        yield about.metric("target_accuracy", hits.float().mean().item(), len(hits), by)
        floor = judged_right(batched(judge.classify, images), labels).float()
        yield about.metric("target_accuracy.floor", floor.mean().item(), len(images), by)
    if model.targets == "one":
        found, truths = _pairs(about.held_out.names, labels, asked, wanted.argmax(1))
        yield from _against_truth(about, made[found], images[asked[found]], images[truths])


def patches(about: EvaluatedModel) -> Iterator[Metric]:
    """The Fréchet distance of patches of the translations from patches of held-out truths, where a judge of patches
    is there; the floor is that of as many training images."""
    judge = about.judge(PATCH_JUDGES)
    if not isinstance(about.model, Translator | StyledTranslator) or judge is None or not about.held_out.paired:
        return
    features, by = judge.features, judge.extractor

    def cloud(images: Tensor) -> Tensor:
        return batched(features, _cut(images))

    for direction in about.model.directions:
        source, target = SOURCE_AND_TARGET[direction]
        made = _translated(about, about.real[source], direction)
        real, name = cloud(about.real[target]), f"{judge.name}, {PATCH} px patches"
        for images, suffix in ((made, ""), (about.all_trained_on[target][: len(made)], ".floor")):
            distance = frechet_distance(cloud(images), real)
            yield about.metric(f"frechet_distance[{name}].{direction}{suffix}", distance, len(_cut(images)), by)


def judged_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether each verdict [N, K] is right: by class, or by attribute where labels are [N, K] of 0 and 1."""
    return logits.argmax(1) == labels if labels.ndim == 1 else (logits > 0) == labels.bool()


def _translated(
    about: EvaluatedModel, images: Tensor, direction: Direction, first: int = 0, own: Tensor | None = None
) -> Tensor:
    """The translations; in styles drawn with seeds `first`, `first` + 1, …, or in those of `own` images."""
    if isinstance(about.model, Translator):
        translator = about.model
        return batched(lambda x: final_images(translator.translate(x, direction)), images)
    model = require(about.model, StyledTranslator)
    if own is None:
        latent = noise.normal(range(first, first + len(images)), model.latent_shape)
    else:
        latent = batched(lambda x: model.style(x, direction), own)
    return batched(lambda x, z: final_images(model.translate(x, direction, z)), images, latent)


def _against_truth(
    about: EvaluatedModel, made: Tensor, source: Tensor, target: Tensor, direction: str = ""
) -> Iterator[Metric]:
    """How near translations come to the truth, and how often they find it among others; the floor is the source's."""
    suffix = f".{direction}" if direction else ""
    for images, floor in ((made, ""), (source, ".floor")):
        yield about.metric(f"psnr{suffix}{floor}", psnr(images, target).mean().item(), len(images))
        for space in about.spaces if len(images) >= WAYS else ():
            found = retrieval(space.features(images), space.features(target))
            name, reference = f"retrieval[{space.name}]{suffix}{floor}", f"{about.reference}; {WAYS} ways"
            yield about.metric(name, found, len(images), space.extractor, reference)


def _requests(kind: str, labels: Tensor, classes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of images and what each is to become, [N] and [N, classes]: every other domain, or one attribute changed."""
    for target in range(classes):
        if kind == "one":
            rows = (labels != target).nonzero().flatten()
            yield rows, torch.eye(classes)[target].expand(len(rows), -1)
        else:
            wanted = labels.clone()
            wanted[:, target] = 1 - wanted[:, target]
            yield torch.arange(len(labels)), wanted


def _pairs(names: tuple[str, ...], labels: Tensor, asked: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the requests have a true answer, and the place of it among the images of these names and labels."""
    places = {key: place for place, key in enumerate(zip(names, labels.tolist(), strict=True))}
    given = [names[row] for row in asked.tolist()]
    truths = torch.tensor([places.get(key, -1) for key in zip(given, target.tolist(), strict=True)])
    found = (truths >= 0).nonzero().flatten()
    return found, truths[found]


def _cut(images: Tensor) -> Tensor:
    """[N, C, H, W] -> all whole patches, [N * M, C, PATCH, PATCH]."""
    tiles = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
    return tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
