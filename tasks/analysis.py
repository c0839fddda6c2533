"""Numbers of an image: its code, how likely or how real it is, its class."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from models.capabilities import LIKELIHOOD, Classifier, Encoder, LatentSampler, Scorer
from models.card import Card, Task
from models.model import Step, Steps, steps_of
from tasks.operation import PictureOperation


class Encode(PictureOperation[Encoder]):
    """An image to its code."""

    task = Task.ENCODE
    capabilities = (Encoder,)

    def inputs(self, model: Encoder) -> tuple[str, ...]:
        return ("image",)

    def apply(self, model: Encoder, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return model.encode(tensors["images"])


class Score(PictureOperation[Scorer]):
    """How likely the model holds an image to be, or how real it finds it: a critic's verdict, an energy."""

    task = Task.SCORE
    capabilities = (Scorer,)

    def inputs(self, model: Scorer) -> tuple[str, ...]:
        return ("image",)

    def apply(self, model: Scorer, tensors: dict[str, Tensor], **options: Any) -> Steps:
        nats_per_bit = tensors["images"][0].numel() * math.log(2)
        for step in steps_of(model.score(tensors["images"])):
            scores = (step.images, -step.images / nats_per_bit) if model.scores == LIKELIHOOD else (step.images,)
            yield Step(step.done, step.total, torch.stack(scores, dim=1))

    def columns(self, model: Scorer, card: Card) -> tuple[str, ...]:
        return model.scores


class Classify(PictureOperation[Classifier]):
    """How probable each class is, of a model that makes images and learned to read them; judges serve no requests."""

    task = Task.CLASSIFY
    capabilities = (Classifier,)

    def inputs(self, model: Classifier) -> tuple[str, ...]:
        return ("image",) if isinstance(model, LatentSampler) else ()

    def apply(self, model: Classifier, tensors: dict[str, Tensor], **options: Any) -> Tensor:
        return model.classify(tensors["images"]).softmax(1)

    def columns(self, model: Classifier, card: Card) -> tuple[str, ...]:
        return card.classes
