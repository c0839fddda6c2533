"""Images from noise: of nothing else, of a class, of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from models.capabilities import LatentSampler, Sampler, TextSampler
from models.card import Card, Task
from models.model import Steps
from models.nn.text import bags
from tasks.inputs import LABEL, TEMPERATURE, TEXT, Inputs
from tasks.latents import drawn, typical, with_attributes
from tasks.operation import Operation, Rows

Latents = TypeVar("Latents", bound=LatentSampler)


class FromLatents(Operation[Latents]):
    """Latents from seeds, or as a request sends them; a task says what goes with them."""

    def inputs(self, model: Latents) -> tuple[str, ...]:
        latent = ("latent",) if model.latent_shape else ()
        truncatable = model.latent_shape and model.truncatable and model.temperature != "sample"
        truncation = ("truncation",) if truncatable else ()
        temperature = ("temperature",) if model.temperature else ()
        options = model.options.get(self.task, ())
        return ("n", "seed", *latent, *truncation, *temperature, *model.attributes, *options)

    def prepare(self, model: Latents, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        temperature, rows = inputs.get(TEMPERATURE, 1.0), drawn(model, inputs)
        if model.temperature == "sample":
            tensors = {**rows.tensors, "temperature": torch.full((len(rows),), temperature)}
        else:
            tensors = {"latent": with_attributes(model, inputs, rows.tensors["latent"] * temperature)}
        return Rows(tensors, self.options_of(model, inputs), rows.seeds)

    def probe(self, model: Latents, card: Card, count: int) -> Rows:
        temperature = {"temperature": torch.ones(count)} if model.temperature == "sample" else {}
        return Rows({"latent": typical(model, count), **temperature})


class Sample(FromLatents[Sampler]):
    """Sampling of all that the model was trained on."""

    task = Task.SAMPLE
    capabilities = (Sampler,)

    def inputs(self, model: Sampler) -> tuple[str, ...]:
        return () if model.classes else super().inputs(model)

    def apply(self, model: Sampler, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.sample(**tensors, **options)


class Conditional(Sample):
    """Sampling of a class."""

    task = Task.CONDITIONAL

    def inputs(self, model: Sampler) -> tuple[str, ...]:
        return ("label", *FromLatents.inputs(self, model)) if model.classes else ()

    def prepare(self, model: Sampler, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures)
        return Rows({**rows.tensors, "labels": torch.full((len(rows),), inputs[LABEL])}, rows.options, rows.seeds)

    def probe(self, model: Sampler, card: Card, count: int) -> Rows:
        return Rows({**super().probe(model, card, count).tensors, "labels": torch.arange(count) % model.classes})


class Text(FromLatents[TextSampler]):
    """Sampling of what a text says."""

    task = Task.TEXT
    capabilities = (TextSampler,)

    def inputs(self, model: TextSampler) -> tuple[str, ...]:
        return ("text", *super().inputs(model))

    def prepare(self, model: TextSampler, inputs: Inputs, pictures: Sequence[np.ndarray]) -> Rows:
        rows = super().prepare(model, inputs, pictures)
        text = bags([inputs[TEXT]]).expand(len(rows), -1)
        return Rows({**rows.tensors, "text": text}, rows.options, rows.seeds)

    def probe(self, model: TextSampler, card: Card, count: int) -> Rows:
        text = bags([f"face {index}" for index in range(count)])
        return Rows({**super().probe(model, card, count).tensors, "text": text})

    def apply(self, model: TextSampler, tensors: dict[str, Tensor], **options: Any) -> Tensor | Steps:
        return model.sample(**tensors, **options)
