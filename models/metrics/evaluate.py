"""`easel evaluate`: measures a model by what it does on data it was not trained on, and returns the card's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import torch
from torch import Tensor

from models import checkpoint, noise
from models.card import Card, Metric, Task
from models.metrics.fidelity import psnr
from models.metrics.frechet import frechet_distance
from models.model import Model
from models.operations import tasks_of
from models.registry import Registry
from models.training import data, recipe

SAMPLES = 10_000
"""Images drawn for figures about distributions."""

JUDGES = {"mnist": "mnist-classifier"}
"""Which of our classifiers judges the images of a data set."""

_BATCH = 100


class NothingToMeasure(ValueError):
    """A model for which no figure is defined."""


def evaluate(name: str, registry: Registry) -> Card:
    """The model's card with all figures that are defined for it, and the tasks and latent that its family has today.

    Raises:
        KeyError: no such model, or its judge is missing.
        FileNotFoundError: the data set is not there.
        NothingToMeasure: no figure is defined for what it does.
    """
    entry = registry[name]
    card, model = entry.card, checkpoint.read(entry.folder, entry.card)
    if card.training is None:
        raise NothingToMeasure(f"{name} has no recipe, so it is not known what it was trained on")
    held_out = data.load(recipe.load(card.training.recipe.removesuffix(".toml"))[0].data.evaluation())
    about = _About(card, held_out, registry)
    with torch.inference_mode():
        found = [metric for measure in _MEASURES for metric in measure(model, about)]
    if not found:
        raise NothingToMeasure(f"no figure is defined for what {name} does")
    return card.model_copy(update={"metrics": tuple(found), "tasks": tasks_of(model), "latent": model.latent_shape})


class _About:
    """What the measures need besides the model, and the metric records they write."""

    def __init__(self, card: Card, held_out: data.Source, registry: Registry):
        self.card = card
        self.held_out = held_out
        self.registry = registry
        self.reference = f"{held_out.spec.set}/{held_out.spec.split}"

    def judge(self) -> tuple[Model, str]:
        """The classifier for this data, and its name with its weights' hash."""
        entry = self.registry[JUDGES[self.held_out.spec.set]]
        return checkpoint.read(entry.folder, entry.card), f"{entry.card.name}@{entry.card.weights.sha256[:12]}"

    def metric(self, name: str, value: float, count: int, extractor: str | None = None) -> Metric:
        """The record of a figure measured just now."""
        return Metric(
            name=name,
            value=float(f"{value:.4g}"),
            count=count,
            reference=self.reference,
            extractor=extractor,
            date=datetime.now(UTC).date().isoformat(),
            command=f"easel evaluate {self.card.name}",
        )


def _batched(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    return torch.cat([function(part) for part in rows.split(_BATCH)])


def _judge_accuracy(model: Model, about: _About) -> Iterator[Metric]:
    """A classifier's accuracy on the held-out split."""
    if not hasattr(model, "classify"):
        return
    found = about.held_out.all()
    right = _batched(model.classify, found["images"]).argmax(1) == found["labels"]
    yield about.metric("accuracy", right.float().mean().item(), len(right))


def _samples(model: Model, about: _About) -> Iterator[Metric]:
    """The Fréchet distance of samples in a judge's features beside that of real training images (the floor), and,
    where a class was asked for, how often the judge reads that class."""
    tasks = about.card.tasks
    if not {Task.SAMPLE, Task.CONDITIONAL} & tasks.keys() or about.held_out.spec.set not in JUDGES:
        return
    judge, extractor = about.judge()
    latent = noise.normal(range(SAMPLES), model.latent_shape)
    labels = torch.arange(SAMPLES) % max(model.classes, 1)
    images = torch.cat([model.sample(z, y) for z, y in zip(latent.split(_BATCH), labels.split(_BATCH), strict=True)])
    if model.classes:
        right = _batched(judge.classify, images).argmax(1) == labels
        yield about.metric("conditional_accuracy", right.float().mean().item(), SAMPLES, extractor)
    real = _batched(judge.network.features, about.held_out.all()["images"])
    name = f"frechet_distance[{JUDGES[about.held_out.spec.set]}]"
    yield about.metric(name, frechet_distance(_batched(judge.network.features, images), real), SAMPLES, extractor)
    spec = about.held_out.spec.model_copy(update={"split": about.card.data.split})
    train = data.load(spec).all()["images"]
    chosen = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:SAMPLES]]
    floor = frechet_distance(_batched(judge.network.features, chosen), real)
    yield about.metric(f"{name}.floor", floor, len(chosen), extractor)


def _reconstruction(model: Model, about: _About) -> Iterator[Metric]:
    """How near decoded codes come to the images they were made from, and the bound on the likelihood."""
    if Task.RECONSTRUCT not in about.card.tasks:
        return
    images = about.held_out.all()["images"]
    yield about.metric(
        "reconstruction_psnr",
        psnr(_batched(lambda x: model.decode(model.encode(x)), images), images).mean().item(),
        len(images),
    )
    if hasattr(model, "loss"):
        torch.manual_seed(0)
        bound = _batched(lambda x: sum(model.loss("autoencoder", {"images": x}).values()).expand(len(x)), images)
        yield about.metric("negative_elbo_nats[dynamic binarisation]", bound.mean().item(), len(images))


def _translation(model: Model, about: _About) -> Iterator[Metric]:
    """Against the true answer, where there is one; else, there and back again against the picture itself."""
    if Task.TRANSLATE not in about.card.tasks:
        return
    found = about.held_out.all()
    for direction in model.directions:
        source, target = (found["a"], found["b"]) if direction == "AtoB" else (found["b"], found["a"])
        made = _batched(lambda x, way=direction: model.translate(x, way), source)
        if about.held_out.paired:
            yield about.metric(f"psnr.{direction}", psnr(made, target).mean().item(), len(made))
        else:
            back = "BtoA" if direction == "AtoB" else "AtoB"
            cycled = _batched(lambda x, way=back: model.translate(x, way), made)
            yield about.metric(f"cycle_psnr.{direction}", psnr(cycled, source).mean().item(), len(made))
            yield about.metric(f"unchanged_psnr.{direction}", psnr(made, source).mean().item(), len(made))


_MEASURES = (_judge_accuracy, _samples, _reconstruction, _translation)
