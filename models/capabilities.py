"""What a family can do: a protocol for each operation, which a model's class implements by having its method.

`models.model.Model` says what each method takes and gives. Options that only some families take (`steps`, `guidance`)
are named by `Model.options` and go to the method by name, so a protocol fixes tensors alone.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from models.card import Direction
from models.model import Model, Steps

Images = Tensor | Steps
"""[N, C, H, W] in [-1, 1], or the steps that lead there."""


@runtime_checkable
class Sampler(Protocol):
    """Makes images from latents, and labels or texts."""

    def sample(self, latent: Tensor, *conditions: Any, **options: Any) -> Images: ...


@runtime_checkable
class Encoder(Protocol):
    """Finds the codes of images, [N, *latent_shape]."""

    def encode(self, images: Tensor) -> Tensor: ...


@runtime_checkable
class PosteriorEncoder(Protocol):
    """Finds the distributions of the codes of images: means and log-variances, [N, *latent_shape] each."""

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]: ...


@runtime_checkable
class Decoder(Protocol):
    """Makes images of codes."""

    def decode(self, codes: Tensor) -> Images: ...


@runtime_checkable
class Translator(Protocol):
    """Makes images of one domain from those of another."""

    def translate(self, images: Tensor, *aims: Any, **options: Any) -> Images: ...


@runtime_checkable
class StyleEncoder(Protocol):
    """Finds the styles of images of the domain that a direction leads to, [N, *latent_shape]."""

    def style(self, images: Tensor, direction: Direction) -> Tensor: ...


@runtime_checkable
class Stylizer(Protocol):
    """Makes images in a manner of its own, of classes, or of pictures."""

    def stylize(self, images: Tensor, **options: Any) -> Images: ...


@runtime_checkable
class MannerLibrary(Protocol):
    """Knows the manners of its classes: of shares of them [N, classes] to what `stylize` takes, [N, ...]."""

    def manner_of_classes(self, mixture: Tensor) -> Tensor: ...


@runtime_checkable
class MannerEncoder(Protocol):
    """Finds the manners of pictures, as `stylize` takes them, [N, ...]."""

    def manner_of(self, images: Tensor) -> Tensor: ...


@runtime_checkable
class Dreamer(Protocol):
    """Makes more of what a network sees in images."""

    def dream(self, images: Tensor, **options: Any) -> Steps: ...


@runtime_checkable
class Upscaler(Protocol):
    """Makes images several times as large."""

    def upscale(self, images: Tensor, scale: int) -> Images: ...


@runtime_checkable
class Varier(Protocol):
    """Makes images around an image, in a way of its own."""

    def vary(self, images: Tensor, noise: Tensor, strength: float, **options: Any) -> Images: ...


@runtime_checkable
class Completer(Protocol):
    """Fills in parts of images."""

    def complete(self, images: Tensor, mask: Tensor, *noise: Any, **options: Any) -> Images: ...


@runtime_checkable
class Scorer(Protocol):
    """Says how likely or how real images are, [N]."""

    def score(self, images: Tensor, **options: Any) -> Images: ...


@runtime_checkable
class Classifier(Protocol):
    """Tells the classes of images, as logits [N, classes]."""

    def classify(self, images: Tensor) -> Tensor: ...


@runtime_checkable
class Categoriser(Protocol):
    """Tells kinds of images that were found without labels, as logits."""

    def categorise(self, images: Tensor) -> Tensor: ...


@runtime_checkable
class Matcher(Protocol):
    """Finds features of images, [N, features], that are alike where the images show the same."""

    def match(self, images: Tensor) -> Tensor: ...


Capability = TypeVar("Capability")


def offers(model: object, capability: type) -> bool:
    """Whether a model has the method of a protocol above. What it then does, `require` tells the type checker."""
    return isinstance(model, capability)


def require(model: Model, capability: type[Capability]) -> Capability:
    """The model, known to have the method of a protocol.

    Raises:
        TypeError: it does not; what asked for it should have looked (`offers`).
    """
    if not isinstance(model, capability):
        raise TypeError(f"a {type(model).__name__} is no {capability.__name__}")
    return model
