"""`easel evaluate`: measures a model by what it does on data it was not trained on, and returns the card's metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import torch

from evaluation.evaluated import EvaluatedModel
from evaluation.figures import FIGURES
from evaluation.trained import Trained
from models import checkpoint
from models.capabilities import hole_of, scales_of
from models.card import Card, Metric
from models.registry import Registry
from tasks.operations import tasks_of
from training import data

KINDS = {figure.__name__: figure for figure in FIGURES}
"""The kinds of figures, by name."""


class NothingToMeasure(ValueError):
    """A model for which no figure is defined."""


def evaluate(
    name: str, registry: Registry, only: Collection[str] = (), told: Callable[[str], None] = lambda what: None
) -> Card:
    """The model's card with all figures that are defined for it; its tasks, latent and attributes as they are today.

    Args:
        only: kinds of figures (`KINDS`), for a model that takes long to measure; figures of other kinds stay.
        told: what begins now, in words.

    Raises:
        KeyError: no such model.
        ValueError: an unknown kind of figures.
        FileNotFoundError: the data set is not there.
        NothingToMeasure: no figure is defined for what it does.
    """
    if unknown := set(only) - KINDS.keys():
        raise ValueError(f"unknown kinds of figures: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    entry = registry[name]
    model, trained = checkpoint.read(entry.folder, entry.card), Trained.of(entry)
    if trained is None:
        raise NothingToMeasure(f"{name} has no recipe, so it is not known what it was trained on")
    told(f"reading {trained.spec.set}")
    held_out = data.load(trained.spec.evaluation())
    offered = {name: attribute.record for name, attribute in model.attributes.items()}
    today = {
        "tasks": tasks_of(model),
        "latent": model.latent_shape,
        "attributes": offered,
        "native": model.native,
        "scales": scales_of(model),
        "hole": hole_of(model),
    }
    card = entry.card.model_copy(update=today)
    about = EvaluatedModel(model, replace(trained, card=card), held_out, registry)
    found: list[Metric] = []
    with torch.inference_mode():
        for kind in only or KINDS:
            told(f"measuring {kind.replace('_', ' ')}")
            found += KINDS[kind](about)
    if not found:
        raise NothingToMeasure(f"no figure is defined for what {name} does")
    measured = {metric.name for metric in found}
    kept = [metric for metric in card.metrics if only and metric.name not in measured]
    return card.model_copy(update={"metrics": (*kept, *found)})
