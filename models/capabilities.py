"""What a model can do: one abstract class for each capability, from which a family inherits those that it has.

`class VAE(Sampler, Encoder, Decoder, Scorer)` declares them, a type checker holds the family's methods against them,
and `isinstance(model, Encoder)` finds them; the tasks that a model offers follow (`tasks.operations`).

Images are [N, C, H, W] float in [-1, 1]. A method whose result takes many passes of a network gives `Steps` instead.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal, TypeVar

from torch import Tensor

from models.card import Direction
from models.model import Model, Steps

LIKELIHOOD = ("log_likelihood", "bits_per_dim")
"""A likelihood, and the same in bits."""


class LatentSampler(Model):
    """Makes images from noise; `Sampler` and `TextSampler` say from what else."""

    temperature: Literal["", "latent", "sample"] = ""
    """Whether samples can be asked for at a temperature: one that scales the latent, or one that `sample` takes as a
    tensor `temperature` [N] besides."""
    truncatable: bool = True
    """Whether latents nearer to 0 make images that are more typical."""


class Sampler(LatentSampler):
    """Makes images from noise, of a class where the model has `classes`."""

    @abstractmethod
    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor | Steps:
        """Latents [N, *latent_shape], and [N] class indices, to images."""


class TextSampler(LatentSampler):
    """Makes images from noise and a text."""

    @abstractmethod
    def sample(self, latent: Tensor, text: Tensor) -> Tensor | Steps:
        """Latents [N, *latent_shape], and texts as `models.nn.text.bags` puts them, to images."""


class Encoder(Model):
    """Finds the code of an image."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Images to codes [N, *latent_shape]."""


class VariationalEncoder(Encoder):
    """Finds how the code of an image is distributed: q(z|x), a diagonal normal."""

    @abstractmethod
    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), [N, *latent_shape] each."""


class Decoder(Model):
    """Makes an image of a code."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor | Steps:
        """Codes [N, *latent_shape] to images."""


class Reconstructor(Model):
    """Makes an image anew by way of a code that it does not show; of others, an encoder and a decoder do."""

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor | Steps:
        """Images to images."""


class Translator(Model):
    """Turns an image of one domain into one of another."""

    directions: tuple[Direction, ...] = ()

    @abstractmethod
    def translate(self, images: Tensor, direction: Direction) -> Tensor | Steps:
        """Images of the domain that `direction` leads from to images of the one that it leads to."""


class StyledTranslator(Model):
    """Turns an image of one domain into any of many of another, which differ in their style."""

    directions: tuple[Direction, ...] = ()
    reads_styles: bool = True
    """Whether `style` can be asked; else styles are drawn, and there is no way back."""

    @abstractmethod
    def translate(self, images: Tensor, direction: Direction, latent: Tensor) -> Tensor | Steps:
        """`latent` [N, *latent_shape] is the style: what `style` gives, or normal noise."""

    @abstractmethod
    def style(self, images: Tensor, direction: Direction) -> Tensor:
        """The styles of images of the domain that `direction` leads to, [N, *latent_shape]."""


class TargetTranslator(Model):
    """Turns an image into one of a class, or with attributes, that a request names."""

    targets: Literal["one", "many"] = "one"
    """Whether a target is one of several domains, or as many attributes as an image may have."""

    @abstractmethod
    def translate(self, images: Tensor, targets: Tensor) -> Tensor | Steps:
        """`targets` [N, classes]: 1 for what the result is to be, else 0."""


class Stylizer(Model):
    """Remakes any image in a manner of its own."""

    @abstractmethod
    def stylize(self, images: Tensor) -> Tensor | Steps:
        """Images to images."""


class MultiStyleStylizer(Model):
    """Remakes any image in the manner of its classes."""

    @abstractmethod
    def stylize(self, images: Tensor, manner: Tensor, strength: Tensor) -> Tensor | Steps:
        """`manner` [N, ...] as the method below gives it; `strength` [N] from 0, which leaves the image, to 1."""

    @abstractmethod
    def manner_of_classes(self, mixture: Tensor) -> Tensor:
        """The shares of the classes [N, classes], which add up to 1, to their manner [N, ...]."""


class ArbitraryStylizer(MultiStyleStylizer):
    """Remakes any image in the manner of its classes, or of any other image."""

    @abstractmethod
    def manner_of(self, images: Tensor) -> Tensor:
        """The manner of images, [N, ...]."""


class Dreamer(Model):
    """Changes an image until more is in it of what a network sees."""

    layers: Mapping[str, int] = {}
    """Layers that a dream may be of, and their channels."""

    @abstractmethod
    def dream(
        self,
        images: Tensor,
        strength: Tensor,
        layer: str | None = None,
        channel: int | None = None,
        labels: Tensor | None = None,
        guide: Tensor | None = None,
    ) -> Tensor | Steps:
        """Of classes, `labels` [N], or of a layer: of all of it, of one channel, or of what it sees in pictures `guide`
        [N, C, h, w]. `strength` [N] is from 0, which leaves the image, to 1."""


class Upscaler(Model):
    """Enlarges images."""

    scales: tuple[int, ...] = ()
    """How many times as large it can make one."""

    @abstractmethod
    def upscale(self, images: Tensor, scale: int) -> Tensor | Steps:
        """[N, C, H, W] to [N, C, scale * H, scale * W]; `scale` is one of `scales`."""


class Varier(Model):
    """Makes images around one that is given. Of models with codes a variation is noise on the code; this is another."""

    @abstractmethod
    def vary(self, images: Tensor, noise: Tensor, strength: float) -> Tensor | Steps:
        """Images, normal noise [N, *latent_shape] and a share in [0, 1], how far to go, to images."""


class Completer(Model):
    """Fills in what an image lacks, in one way."""

    hole: int = 0
    """Side of the square in the middle of an image to which what it fills in is confined; 0: anywhere."""

    @abstractmethod
    def complete(self, images: Tensor, mask: Tensor) -> Tensor | Steps:
        """Images to whole images; the known pixels are laid over them afterwards.

        Args:
            mask: [N, 1, H, W], 1 where an image is to be filled in, else 0.
        """


class SamplingCompleter(Model):
    """Fills in what an image lacks, in one of many ways."""

    @abstractmethod
    def complete(self, images: Tensor, mask: Tensor, noise: Tensor) -> Tensor | Steps:
        """As of a completer; `noise` [N, *latent_shape] is normal."""


class Scorer(Model):
    """Says of an image how likely, or how real, it is."""

    scores: tuple[str, ...] = LIKELIHOOD
    """Names of what `score` says; one name if it is no likelihood."""
    binary: bool = False
    """Whether the likelihood is one of black and white pixels."""

    @abstractmethod
    def score(self, images: Tensor) -> Tensor | Steps:
        """The log-likelihood of each image in nats [N], or a lower bound of it, or what `scores` names."""


class BoundScorer(Scorer):
    """A scorer whose score is a bound that more importance samples tighten."""

    @abstractmethod
    def score(self, images: Tensor, samples: int = 1) -> Tensor | Steps:
        """As of a scorer, by `samples` importance samples."""


class Classifier(Model):
    """Reads the class of an image."""

    @abstractmethod
    def classify(self, images: Tensor) -> Tensor:
        """Logits of the classes, [N, classes]."""


class Categoriser(Model):
    """Reads of what kind an image is, of kinds that were found without labels."""

    @abstractmethod
    def categorise(self, images: Tensor) -> Tensor:
        """Logits of the kinds, [N, kinds]."""


class Matcher(Model):
    """Places an image so that those that show the same are near."""

    @abstractmethod
    def match(self, images: Tensor) -> Tensor:
        """[N, D], of length 1 each."""


CAPABILITIES: tuple[type[Model], ...] = (
    Sampler,
    TextSampler,
    Encoder,
    VariationalEncoder,
    Decoder,
    Reconstructor,
    Translator,
    StyledTranslator,
    TargetTranslator,
    Stylizer,
    MultiStyleStylizer,
    ArbitraryStylizer,
    Dreamer,
    Upscaler,
    Varier,
    Completer,
    SamplingCompleter,
    Scorer,
    BoundScorer,
    Classifier,
    Categoriser,
    Matcher,
)

Capable = TypeVar("Capable", bound=Model)


def capabilities(model: Model) -> tuple[type[Model], ...]:
    """What the model can do."""
    return tuple(capability for capability in CAPABILITIES if isinstance(model, capability))


def require(model: Model, capability: type[Capable]) -> Capable:
    """The model, as one that has the capability.

    Raises:
        TypeError: it has not.
    """
    if not isinstance(model, capability):
        known = ", ".join(each.__name__ for each in capabilities(model))
        raise TypeError(f"{type(model).__name__} is no {capability.__name__}; it is {known or 'none of these'}")
    return model


def directions_of(model: Model) -> tuple[Direction, ...]:
    """The directions of a translator between two domains; none of another model."""
    return model.directions if isinstance(model, Translator | StyledTranslator) else ()


def scales_of(model: Model) -> tuple[int, ...]:
    """The scales of an upscaler; none of another model."""
    return model.scales if isinstance(model, Upscaler) else ()


def hole_of(model: Model) -> int:
    """The side of the square to which a completer is confined; 0 of another model."""
    return model.hole if isinstance(model, Completer) else 0


def layers_of(model: Model) -> dict[str, int]:
    """The layers of a dreamer, and their channels; none of another model."""
    return dict(model.layers) if isinstance(model, Dreamer) else {}
