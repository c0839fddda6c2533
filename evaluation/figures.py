"""The figures that a card can state: each function yields those that are defined for what the model does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from evaluation.codes import cluster_error, neighbour_accuracy
from evaluation.coverage import mode_coverage
from evaluation.evaluated import SAMPLES, EvaluatedModel, batched
from evaluation.faces import face_detection_rate
from evaluation.fidelity import psnr
from evaluation.frechet import frechet_distance
from evaluation.holes import inpainting
from evaluation.judging import TARGET_JUDGES
from evaluation.kernel import kernel_distance
from evaluation.manifold import precision_recall
from evaluation.manners import dreams, manners
from evaluation.parzen import parzen_log_likelihood
from evaluation.prompts import prompts
from evaluation.retrieval import WAYS, retrieval, thumbnails
from evaluation.score import classifier_score
from evaluation.translations import judged_right, patches, styles, targets, translation
from evaluation.upscaling import upscaling, upscaling_cost
from models.capabilities import (
    LIKELIHOOD,
    BoundScorer,
    Categoriser,
    Classifier,
    Decoder,
    Encoder,
    Matcher,
    Scorer,
    Stylizer,
    VariationalEncoder,
)
from models.card import Metric, Task
from models.clusters import k_means
from models.model import final_images
from training.data import binarised, to_bytes, to_float

NEIGHBOURHOOD = 5000
"""Images on each side of precision and recall, whose cost grows with the square."""
TIGHT, EVERY = 5000, 25
"""Importance samples of the tight bound, and which images it is taken of: every n-th."""
LOOSE = 50
"""Importance samples of the bound that is taken of all images."""
LOOKED_AT = 500
"""Pictures in which a face is looked for."""


def accuracy(about: EvaluatedModel) -> Iterator[Metric]:
    """A classifier's, on the held-out split; a matcher's, beside that of thumbnails."""
    model = about.model
    if isinstance(model, Classifier):
        right = judged_right(batched(model.classify, about.real["images"]), about.real["labels"])
        yield about.metric("accuracy", right.float().mean().item(), len(right))
    if isinstance(model, Matcher):
        a, b = about.real["a"], about.real["b"]
        matched = partial(batched, model.match)
        for name, features in (("matching", matched), ("matching[pixels]", thumbnails)):
            found = retrieval(features(a), features(b))
            yield about.metric(name, found, len(a), reference=f"{about.reference}; {WAYS} ways")


def samples(about: EvaluatedModel) -> Iterator[Metric]:
    """Distances between samples and held-out images in the judge's features, each beside that of real training images
    (the floor); what the judge reads; and where a class was asked for, how often it reads that class."""
    judge = about.image_judge if _draws(about) else None
    if judge is None:
        return
    by = judge.extractor
    verdicts = batched(judge.classify, about.samples)
    if about.model.classes:
        right = verdicts.argmax(1) == about.labels
        yield about.metric("conditional_accuracy", right.float().mean().item(), SAMPLES, by)
    features = {
        name: batched(judge.features, images)
        for name, images in (
            ("made", about.samples),
            ("real", about.real["images"]),
            ("train", about.trained_on["images"][:SAMPLES]),
        )
    }
    name = judge.name
    for distance, figure in ((frechet_distance, "frechet_distance"), (kernel_distance, "kernel_distance")):
        for cloud, suffix in (("made", ""), ("train", ".floor")):
            value = distance(features[cloud], features["real"])
            yield about.metric(f"{figure}[{name}]{suffix}", value, len(features[cloud]), by)
    near = {cloud: rows[torch.linspace(0, len(rows) - 1, NEIGHBOURHOOD).long()] for cloud, rows in features.items()}
    for cloud, suffix in (("made", ""), ("train", ".floor")):
        precision, recall = precision_recall(near[cloud], near["real"])
        yield about.metric(f"precision[{name}]{suffix}", precision, NEIGHBOURHOOD, by)
        yield about.metric(f"recall[{name}]{suffix}", recall, NEIGHBOURHOOD, by)
    train_verdicts = batched(judge.classify, about.trained_on["images"][:SAMPLES])
    yield about.metric(f"classifier_score[{name}]", classifier_score(verdicts), SAMPLES, by)
    yield about.metric(f"classifier_score[{name}].floor", classifier_score(train_verdicts), SAMPLES, by)


def faces(about: EvaluatedModel) -> Iterator[Metric]:
    """Of a model of faces: in how many of its samples one is found, and in how many real pictures; and the distance
    between samples and training pictures, beside that between two halves of those.

    To training pictures, as held-out ones are too few for the covariance of their features.
    """
    if about.held_out.spec.set != "faces" or not _draws(about):
        return
    for images, suffix in ((about.samples[:LOOKED_AT], ""), (about.real["images"][:LOOKED_AT], ".floor")):
        rate = face_detection_rate(images)
        yield about.metric(f"face_detection_rate{suffix}", rate, len(images), "scikit-image's frontal-face cascade")
    if judge := about.judge(TARGET_JUDGES):
        made, real = (batched(judge.features, images) for images in (about.samples, about.all_trained_on["images"]))
        halves = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))].chunk(2)
        name, reference = f"frechet_distance[{judge.name}]", f"{about.held_out.spec.set}/{about.trained.spec.split}"
        yield about.metric(name, frechet_distance(made, real), len(made), judge.extractor, reference)
        yield about.metric(f"{name}.floor", frechet_distance(*halves), len(halves[0]), judge.extractor, reference)


def coverage(about: EvaluatedModel) -> Iterator[Metric]:
    """Of stacked digits: how many of the kinds occur among the samples, and how far from evenly."""
    judge = about.channel_judge if _draws(about) else None
    if judge is not None:
        for images, suffix in ((about.samples, ""), (about.real["images"], ".floor")):
            modes, divergence = mode_coverage(images, partial(batched, judge.classify))
            yield about.metric(f"modes{suffix}", modes, len(images), judge.extractor)
            yield about.metric(f"mode_divergence{suffix}", divergence, len(images), judge.extractor)


def parzen(about: EvaluatedModel) -> Iterator[Metric]:
    """The kernel density estimate, its width chosen on training images that the floor does not use."""
    if Task.SAMPLE in about.card.tasks and about.image_judge is not None:
        train = _flat(about.trained_on["images"])
        for centres, suffix in ((_flat(about.samples), ""), (train[:SAMPLES], ".floor")):
            found, width = parzen_log_likelihood(centres, train[SAMPLES : SAMPLES + 1000], _flat(about.real["images"]))
            reference = f"{about.reference}; width {width:.3f}"
            yield about.metric(f"parzen_nats{suffix}", found.mean().item(), len(found), reference=reference)


def likelihood(about: EvaluatedModel) -> Iterator[Metric]:
    """The negative log-likelihood of held-out images, of black and white ones where the model is of those.

    Of a bound by importance samples: with few of all images, and the gap to the bound with many from every n-th.
    """
    scorer = about.model
    if not isinstance(scorer, Scorer) or scorer.scores != LIKELIHOOD:
        return
    images, reference = about.real["images"], about.reference
    if scorer.binary:
        images = to_float(binarised(to_bytes(images)))
        reference = f"{reference}, binarised once with seed 0"
    pixels = images[0].numel() * torch.log(torch.tensor(2.0)).item()
    if not isinstance(scorer, BoundScorer):
        nats = -batched(lambda x: final_images(scorer.score(x)), images).mean().item()
        yield about.metric("nll_nats", nats, len(images), reference=reference)
    else:
        few = images[::EVERY]
        loose, loose_few, tight_few = (_bound(scorer, *of) for of in ((images, LOOSE), (few, LOOSE), (few, TIGHT)))
        nats = loose - loose_few + tight_few
        reference = f"{reference}; {LOOSE} importance samples of each, {TIGHT} of every {EVERY}th"
        yield about.metric(f"nll_nats[IWAE-{TIGHT}]", nats, len(images), reference=reference)
        yield about.metric(
            "nll_nats[ELBO]", _bound(scorer, images, 1), len(images), reference=reference.partition(";")[0]
        )
    yield about.metric("bits_per_dim", nats / pixels, len(images), reference=reference)


def reconstruction(about: EvaluatedModel) -> Iterator[Metric]:
    """How near decoded codes come to the images they were made from."""
    model = about.model
    if isinstance(model, Encoder) and isinstance(model, Decoder):
        images = about.real["images"]
        rebuilt = batched(lambda x: final_images(model.decode(model.encode(x))), images)
        yield about.metric("reconstruction_psnr", psnr(rebuilt, images).mean().item(), len(images))


def codes(about: EvaluatedModel) -> Iterator[Metric]:
    """What the codes know of the classes, and how many of their dimensions depend on the image at all."""
    encoder = about.model
    if not isinstance(encoder, Encoder) or "labels" not in about.real:
        return

    def encoded(images: Tensor) -> Tensor:
        return batched(encoder.encode, images).flatten(1)

    found, labels, train = encoded(about.real["images"]), about.real["labels"], about.all_trained_on
    reference = f"{about.reference}; {len(train['images'])} training images"
    right = neighbour_accuracy(found, labels, encoded(train["images"]), train["labels"])
    yield about.metric("neighbour_accuracy[codes]", right, len(found), reference=reference)
    pixels = neighbour_accuracy(_flat(about.real["images"]), labels, _flat(train["images"]), train["labels"])
    yield about.metric("neighbour_accuracy[pixels]", pixels, len(found), reference=reference)
    error = cluster_error(k_means(found, int(labels.max()) + 1), labels)
    yield about.metric("cluster_error[k-means of codes]", error, len(found))
    if isinstance(encoder, VariationalEncoder):
        yield about.metric("active_units", (found.var(0) > 0.01).sum().item(), len(found))


def categories(about: EvaluatedModel) -> Iterator[Metric]:
    """How often a category that was found without labels is not the class that it mostly is."""
    if isinstance(about.model, Categoriser) and "labels" in about.real:
        kinds = batched(about.model.categorise, about.real["images"]).argmax(1)
        yield about.metric("cluster_error[categories]", cluster_error(kinds, about.real["labels"]), len(kinds))


def stylization(about: EvaluatedModel) -> Iterator[Metric]:
    """How near a stylized picture stays to the one that was given."""
    stylizer = about.model
    if isinstance(stylizer, Stylizer):
        given = about.real["images"][:: len(about.real["images"]) // 200]
        side = stylizer.side or given.shape[-1]
        given = torch.nn.functional.interpolate(given, side, mode="bicubic").clamp(-1, 1)
        made = torch.cat([final_images(stylizer.stylize(picture)) for picture in given.split(1)])
        yield about.metric("psnr.stylize", psnr(made, given).mean().item(), len(made))


def _draws(about: EvaluatedModel) -> bool:
    """Whether the model draws images, of classes or not."""
    return bool({Task.SAMPLE, Task.CONDITIONAL} & about.card.tasks.keys())


def _bound(scorer: BoundScorer, images: Tensor, samples: int) -> float:
    """The mean negative bound in nats."""
    return -batched(lambda x: final_images(scorer.score(x, samples=samples)), images).mean().item()


def _flat(images: Tensor) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> [N, D] in [0, 1]."""
    return (images.flatten(1) + 1) / 2


FIGURES: tuple[Callable[[EvaluatedModel], Iterator[Metric]], ...] = (
    accuracy,
    samples,
    faces,
    coverage,
    likelihood,
    reconstruction,
    codes,
    categories,
    parzen,
    translation,
    styles,
    targets,
    patches,
    prompts,
    stylization,
    manners,
    dreams,
    inpainting,
    upscaling,
    upscaling_cost,
)
