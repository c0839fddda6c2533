"""What is measured: a model, its card, the data that it has not seen, the judge of that data; each made when needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, partial

import torch
from torch import Tensor

from evaluation.retrieval import thumbnails
from models import checkpoint, noise
from models.card import Card, Metric
from models.model import Model, final_images
from models.registry import Registry
from training import data

SAMPLES = 10_000
"""Images drawn for figures about distributions, and training images that they are compared with."""

JUDGES = {"mnist": "mnist-classifier", "stacked-mnist": "mnist-classifier", "cifar10": "cifar10-classifier"}
"""Which of our classifiers judges the images of a data set; stacked ones channel by channel."""

MATCHERS = {"emoji": "emoji-matcher"}
"""Which of our models tells whether two images of a data set show the same."""

TARGET_JUDGES = {"emoji": "emoji-vendor-classifier", "faces": "faces-classifier"}
"""Which of our classifiers tells what a translation was made into."""

PATCH_JUDGES = {"facades": "cifar10-classifier", "sr": "cifar10-classifier"}
"""Which of our classifiers judges patches of a data set's images."""

_BATCH = 100


def judge_of(data_set: str, registry: Registry) -> Model | None:
    """The classifier that judges images of the data set, if there is one."""
    name = JUDGES.get(data_set)
    return checkpoint.read(registry[name].folder) if name in registry.entries else None


class EvaluatedModel:
    """A model that is being measured."""

    def __init__(self, model: Model, card: Card, held_out: data.Source, registry: Registry):
        self.model = model
        self.card = card
        self.held_out = held_out
        self.registry = registry
        self.reference = f"{held_out.spec.set}/{held_out.spec.split}"

    @property
    def judged(self) -> bool:
        """Whether there is a judge of this model's images, each as a whole."""
        return self.judge is not None and not self.model.side and not self.stacked

    @property
    def stacked(self) -> bool:
        """Whether each channel of an image is a picture for the judge."""
        return self.judge is not None and self.held_out.channels > self.judge.config.channels

    @cached_property
    def judge(self) -> Model | None:
        """The classifier of this data."""
        return judge_of(self.held_out.spec.set, self.registry)

    def ours(self, names: dict[str, str]) -> tuple[Model, str] | None:
        """The model that `names` has for this data, if it is there, and what a metric says of it."""
        entry = self.registry.entries.get(names.get(self.held_out.spec.set))
        if entry is None:
            return None
        return checkpoint.read(entry.folder, entry.card), _told(entry.card)

    @cached_property
    def spaces(self) -> list[tuple[str, Callable[[Tensor], Tensor], str | None]]:
        """Where images that show the same are near: name, features of all images, what a metric says of the judge."""
        found = [("pixels", thumbnails, None)]
        if judge := self.ours(MATCHERS):
            matcher, by = judge
            found.append((by.partition("@")[0], partial(batched, matcher.match), by))
        return found

    @cached_property
    def extractor(self) -> str:
        """The judge's name with its weights' hash."""
        return _told(self.registry[JUDGES[self.held_out.spec.set]].card)

    @cached_property
    def labels(self) -> Tensor:
        """The classes that the samples are of, in turn; all 0 of a model without classes."""
        return torch.arange(SAMPLES) % max(self.model.classes, 1)

    @cached_property
    def samples(self) -> Tensor:
        """Images drawn with seeds 0, 1, 2 …"""
        latent = noise.normal(range(SAMPLES), self.model.latent_shape)
        asked = (latent, self.labels) if self.model.classes else (latent,)
        return batched(lambda *rows: final_images(self.model.sample(*rows)), *asked)

    @cached_property
    def real(self) -> dict[str, Tensor]:
        """The held-out images, and their labels."""
        return self.held_out.all()

    @cached_property
    def trained_on(self) -> dict[str, Tensor]:
        """`SAMPLES` of the training images, at random, with their labels; twice as many where there are enough."""
        train = self.all_trained_on
        rows = torch.randperm(len(train["images"]), generator=torch.Generator().manual_seed(0))[: 2 * SAMPLES]
        return {name: values[rows] for name, values in train.items()}

    @cached_property
    def all_trained_on(self) -> dict[str, Tensor]:
        """The training images, and their labels."""
        return self.train.all()

    @cached_property
    def train(self) -> data.Source:
        """The split that was trained on: whole pictures, nothing random."""
        return data.load(self.held_out.spec.model_copy(update={"split": self.card.data.split}))

    def metric(
        self, name: str, value: float, count: int, extractor: str | None = None, reference: str | None = None
    ) -> Metric:
        """The record of a figure measured just now."""
        return Metric(
            name=name,
            value=float(f"{value:.4g}"),
            count=count,
            reference=reference or self.reference,
            extractor=extractor,
            date=datetime.now(UTC).date().isoformat(),
            command=f"easel evaluate {self.card.name}",
        )


def _told(judge: Card) -> str:
    """Which network judged: its name and its weights' hash."""
    return f"{judge.name}@{judge.weights.sha256[:12]}"


def batched(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """The function's results on some rows at a time, together."""
    return torch.cat([function(*part) for part in zip(*(tensor.split(_BATCH) for tensor in rows), strict=True)])
