"""What is measured: a model, its card, the data that it has not seen, the judge of that data; each made when needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial

import torch
from torch import Tensor

from evaluation.judging import JUDGES, MATCHERS, Judge, entry_of, extractor, judge_of, read
from evaluation.retrieval import thumbnails
from evaluation.trained import Trained
from models import noise
from models.capabilities import Matcher, Sampler, require
from models.card import Metric
from models.model import Model, final_images
from models.registry import Registry
from training import data

SAMPLES = 10_000
"""Images drawn for figures about distributions, and training images that they are compared with."""

_BATCH = 100


@dataclass(frozen=True)
class Space:
    """Where images that show the same are near each other."""

    name: str
    features: Callable[[Tensor], Tensor]
    """[N, C, H, W] -> [N, F]."""
    extractor: str | None = None
    """What a metric says of the network that finds them, if one does."""


class EvaluatedModel:
    """A model that is being measured."""

    def __init__(self, model: Model, trained: Trained, held_out: data.Source, registry: Registry):
        self.model = model
        self.card = trained.card
        self.trained = trained
        self.held_out = held_out
        self.registry = registry
        self.reference = f"{held_out.spec.name}/{held_out.spec.split}"

    @property
    def image_judge(self) -> Judge | None:
        """The judge of this model's images, where it takes each as a whole."""
        return None if self._stacked or self.model.side else self._judge

    @property
    def channel_judge(self) -> Judge | None:
        """The judge of this model's images, where each channel of them is a picture for it."""
        return self._judge if self._stacked else None

    @property
    def _stacked(self) -> bool:
        return self._judge is not None and self.held_out.channels > self._judge.channels

    @cached_property
    def _judge(self) -> Judge | None:
        """The classifier of this data."""
        return self.judge(JUDGES)

    def judge(self, names: Mapping[str, str]) -> Judge | None:
        """The classifier that `names` has for this data, if it is there."""
        return judge_of(self.held_out.spec.set, self.registry, names)

    @cached_property
    def spaces(self) -> list[Space]:
        """Where images that show the same are near."""
        found = [Space("pixels", thumbnails)]
        entry = entry_of(self.held_out.spec.set, self.registry, MATCHERS)
        if entry is not None:
            matcher = read(entry, Matcher)
            found.append(Space(entry.card.name, partial(batched, matcher.match), extractor(entry.card)))
        return found

    @cached_property
    def labels(self) -> Tensor:
        """The classes that the samples are of, in turn; all 0 of a model without classes."""
        return torch.arange(SAMPLES) % max(self.model.classes, 1)

    @cached_property
    def samples(self) -> Tensor:
        """Images drawn with seeds 0, 1, 2 …"""
        latent = noise.normal(range(SAMPLES), self.model.latent_shape)
        asked = (latent, self.labels) if self.model.classes else (latent,)
        sampler = require(self.model, Sampler)
        return batched(lambda *rows: final_images(sampler.sample(*rows)), *asked)

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
        return data.load(self.held_out.spec.model_copy(update={"split": self.trained.data.split}))

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


def batched(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """The function's results on some rows at a time, together."""
    return torch.cat([function(*part) for part in zip(*(tensor.split(_BATCH) for tensor in rows), strict=True)])
