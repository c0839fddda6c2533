"""What every family is: networks that serve, players that train them, and the few operations that they offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from models.attributes import LatentAttribute
from models.card import Direction, Task
from pictures.framing import Native

Batch = Mapping[str, Tensor]
"""Training data by name: `images` [N,C,H,W] in [-1, 1] and `labels` [N]; or `a` and `b` for two domains or a pair."""

Losses = dict[str, Tensor]
"""Named scalar terms; the trainer minimises their sum."""


LIKELIHOOD = ("log_likelihood", "bits_per_dim")
"""A likelihood, and the same in bits."""


@dataclass(frozen=True)
class Step:
    """How far a result of many network passes has come."""

    done: int
    total: int
    images: Tensor
    """[N, C, H, W] in [-1, 1], as they stand; of the last step, the result."""


Steps = Iterator[Step]
"""What a method returns whose result takes many passes: a `Step` after each, to be watched and stopped by."""


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


class Model(nn.Module):
    """A generative model. `__init__` builds what serves; `prepare_training` adds what only training needs.

    A family implements those of these methods that it can; `tasks.operations` offers the tasks that follow:

    - `sample(latent, labels)`: [N, *latent_shape] (and [N] class indices) -> images; with `reads_text`,
      `sample(latent, text)`
    - `encode(images)` and `decode(codes)`: images -> codes [N, *latent_shape] -> images
    - `translate(images, direction)`: images -> images. Of a model with `style(images, direction)`: images of the domain
      that it leads to -> codes [N, *latent_shape], it takes such a code, or normal noise, as `latent` besides. Of one
      with `targets` it takes, in place of a direction, `targets` [N, classes] of 0 and 1
    - `stylize(images)`: images -> images. Of a model with `classes`, `stylize(images, manner, strength)`: in a manner
      [N, ...] that `manner_of_classes(mixture)` tells, from rows of shares [N, classes] that add up to 1, or
      `manner_of(images)` if it reads pictures; and `strength` [N] from 0, which leaves the image, to 1
    - `dream(images, strength)`: images -> images, of one of: a `layer` by name, and a `channel` of it or pictures
      `guide` [N, C, h, w]; or `labels` [N]
    - `upscale(images, scale)`: images -> images `scale` times as large, one of `scales`
    - `vary(images, noise, strength)`: images, normal noise [N, *latent_shape] and a share in [0, 1] -> images; without
      it, a model with codes adds the noise to those
    - `complete(images, mask, noise)`: images, [N, 1, H, W] that is 1 where they are to be filled in and else 0, and
      normal noise [N, *latent_shape] -> whole images (the known pixels are laid over them); a model without a latent
      takes no noise
    - `classify(images)`: logits of the classes [N, classes]
    - `score(images)`: log-likelihood of each image in nats [N], or a lower bound of it, or what `scores` names

    What is only measured: `classify(images)` -> logits of classes, `categorise(images)` of kinds found without labels.

    Images are [N, C, H, W] float in [-1, 1]. A method that needs many passes returns `Steps` instead.

    With `temperature = "latent"` samples can be asked for at a temperature, which scales the latent; with `"sample"`
    `sample` does it itself and takes a tensor `temperature` [N] besides.
    """

    Config: ClassVar[type[Config]]
    side: int = 0
    """Of the square pictures that it makes and takes, where they are not of its data's size."""
    latent_shape: tuple[int, ...] = ()
    temperature: Literal["", "latent", "sample"] = ""
    exportable = True
    """Whether it is worth a try to say its tasks in ONNX."""
    binary = False
    """Whether its likelihood is one of black and white pixels."""
    scores: tuple[str, ...] = LIKELIHOOD
    """What `score` tells; one name of what is no likelihood."""
    classes: int = 0
    reads_text = False
    """Whether `sample` takes texts, as `models.nn.text.bags` puts them, in place of labels."""
    layers: Mapping[str, int] = {}
    """Layers that `dream` may be of, and their channels."""
    truncatable = True
    """Whether latents nearer to 0 make images that are more typical."""
    attributes: Mapping[str, LatentAttribute] = {}
    """What can be set of an image by an input of its own, by the input's name."""
    directions: tuple[Direction, ...] = ()
    targets: Literal["", "one", "many"] = ""
    """Whether a translation is told a class: one of several domains, or as many attributes as an image may have."""
    hole: int = 0
    """Side of the square in the middle of a picture to which the holes that it fills are confined; 0: anywhere."""
    native: Native | None = None
    """The pictures that it takes at their own size, if it is made of convolutions alone."""
    scales: tuple[int, ...] = ()
    """How many times as large it can make a picture."""
    options: Mapping[Task, tuple[str, ...]] = {}
    """Inputs (`tasks.inputs.FIELDS`) of a task that the model's method takes besides, by the same names."""

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


def build(family: str, config: Mapping[str, Any]) -> Model:
    """A new model of `family` with random weights.

    Raises:
        KeyError: unknown family.
        pydantic.ValidationError: a setting that the family does not have, or a bad value.
    """
    import models.families  # noqa: F401  (registers every family)

    if family not in _families:
        raise KeyError(f"unknown family {family!r}; known: {', '.join(sorted(_families))}")
    cls, preset = _families[family]
    return cls(cls.Config(**{**preset, **config}))


def freeze(model: Model) -> Model:
    """Ready to serve: evaluation mode, no gradients."""
    return model.eval().requires_grad_(False)


def parameter_count(model: nn.Module) -> int:
    """How many numbers the model's parameters hold; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters live."""
    return next(model.parameters()).device
