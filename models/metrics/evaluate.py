"""`easel evaluate`: measures a model by what it does on data it was not trained on, and returns the card's metrics."""

from __future__ import annotations

import torch

from models import checkpoint
from models.card import Card
from models.metrics.figures import FIGURES
from models.metrics.subject import Subject
from models.operations import tasks_of
from models.registry import Registry
from models.training import data, recipe


class NothingToMeasure(ValueError):
    """A model for which no figure is defined."""


def evaluate(name: str, registry: Registry) -> Card:
    """The model's card with all figures that are defined for it, and the tasks and latent that its family has today.

    Raises:
        KeyError: no such model.
        FileNotFoundError: the data set is not there.
        NothingToMeasure: no figure is defined for what it does.
    """
    entry = registry[name]
    card, model = entry.card, checkpoint.read(entry.folder, entry.card)
    if card.training is None:
        raise NothingToMeasure(f"{name} has no recipe, so it is not known what it was trained on")
    held_out = data.load(recipe.load(card.training.recipe.removesuffix(".toml"))[0].data.evaluation())
    card = card.model_copy(update={"tasks": tasks_of(model), "latent": model.latent_shape})
    about = Subject(model, card, held_out, registry)
    with torch.inference_mode():
        found = [metric for figure in FIGURES for metric in figure(about)]
    if not found:
        raise NothingToMeasure(f"no figure is defined for what {name} does")
    return card.model_copy(update={"metrics": tuple(found)})
