"""What every family is: networks that serve, and players that train them. What it can do: `models.capabilities`."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from models.attributes import LatentAttribute
from models.card import Task
from pictures.framing import Native

Batch = Mapping[str, Tensor]
"""Training data by name: `images` [N,C,H,W] in [-1, 1] and `labels` [N]; or `a` and `b` for two domains or a pair."""

Losses = dict[str, Tensor]
"""Named scalar terms; the trainer minimises their sum."""


@dataclass(frozen=True)
class Step:
    """How far a result of many network passes has come."""

    done: int
    total: int
    images: Tensor
    """[N, C, H, W] in [-1, 1], as they stand; of the last step, the result."""


Steps = Iterator[Step]
"""What a method returns whose result takes many passes: a `Step` after each, to be watched and stopped by."""


def steps_of(result: Tensor | Steps) -> Steps:
    """The result of a method as steps: images that took one pass are one step."""
    return iter([Step(1, 1, result)]) if isinstance(result, Tensor) else result


def final_images(result: Tensor | Steps) -> Tensor:
    """The images of a method's result, however many passes they take.

    Raises:
        ValueError: it took no step.
    """
    images: Tensor | None = None
    for step in steps_of(result):
        images = step.images
    if images is None:
        raise ValueError("a result of no step")
    return images


class Config(BaseModel):
    """A family's settings. Frozen, and unknown names are refused: a card is rebuilt into exactly the model it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Player:
    """One side of the game: the parameters it moves, and how many turns it takes per training step."""

    name: str
    modules: tuple[nn.Module, ...]
    turns: int = 1

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that this player's optimiser moves."""
        return [parameter for module in self.modules for parameter in module.parameters()]


class Model(nn.Module, ABC):
    """A model of any family. `__init__` builds what serves; `prepare_training` adds what only training needs.

    A family inherits from the capabilities that it has (`models.capabilities`), and so from this.
    """

    Config: ClassVar[type[Config]]
    side: int = 0
    """Of the square pictures that it makes and takes, where they are not of its data's size."""
    latent_shape: tuple[int, ...] = ()
    beyond_onnx: str = ""
    """Why it is not worth a try to say its tasks in ONNX, if it is not."""
    foreign_parameters: int = 0
    """Numbers that it holds in another form than torch's parameters."""
    own_batch: int = 1
    """Rows of a forward pass whose images are the model's own, to the last bit (`workers.exactness`): more than one
    where torch sums up otherwise for one row than for all larger batches, so that these could not be used."""
    classes: int = 0
    native: Native | None = None
    """The pictures that it takes at their own size, if it is made of convolutions alone."""
    attributes: Mapping[str, LatentAttribute] = {}
    """What can be set of an image by an input of its own, by the input's name."""
    options: Mapping[Task, tuple[str, ...]] = {}
    """Inputs (`tasks.inputs`) of a task that the model's method takes besides, by the same names."""

    def prepare_training(self) -> None:
        """Adds the networks and the state that training needs and serving does not (critics, image pools)."""

    def players(self) -> tuple[Player, ...]:
        """The players, in the order in which they take their turns; none of a model that is fitted (`fit`).

        Called after `prepare_training`.
        """
        return ()

    def loss(self, player: str, batch: Batch) -> Losses:
        """The terms that `player` minimises on `batch`."""
        raise NotImplementedError

    def fit(self, data: Batch, step: int) -> Losses:
        """One iteration on all of the data, for a model without players: closed forms, expectation-maximisation.

        Sets the parameters, and gives what it then has to tell.
        """
        raise NotImplementedError

    def after_step(self, player: str) -> None:
        """Called after each optimiser step of `player` (weight clipping, for example)."""


Family = TypeVar("Family", bound=Model)

_families: dict[str, tuple[type[Model], dict[str, Any]]] = {}


def register(name: str, **preset: Any) -> Callable[[type[Family]], type[Family]]:
    """Class decorator: makes the family known by `name`; `preset` overrides defaults of its config."""

    def add(cls: type[Family]) -> type[Family]:
        if name in _families:
            raise ValueError(f"family {name!r} is registered twice")
        _families[name] = (cls, preset)
        return cls

    return add


def family_class(family: str) -> tuple[type[Model], Mapping[str, Any]]:
    """The class of a family, and what it presets of its config.

    Raises:
        KeyError: unknown family.
    """
    import models.families  # noqa: F401  (registers every family)

    if family not in _families:
        raise KeyError(f"unknown family {family!r}; known: {', '.join(sorted(_families))}")
    return _families[family]


def build(family: str, config: Mapping[str, Any]) -> Model:
    """A new model of `family` with random weights.

    Raises:
        KeyError: unknown family.
        pydantic.ValidationError: a setting that the family does not have, or a bad value.
    """
    cls, preset = family_class(family)
    return cls(cls.Config(**{**preset, **config}))


def freeze(model: Model) -> Model:
    """Ready to serve: evaluation mode, no gradients."""
    return model.eval().requires_grad_(False)


def parameter_count(model: nn.Module) -> int:
    """How many numbers the model's parameters hold; shared ones count once."""
    foreign = model.foreign_parameters if isinstance(model, Model) else 0
    return sum(parameter.numel() for parameter in model.parameters()) + foreign


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters live."""
    return next(model.parameters()).device
