"""Networks as other code has published them (`models.nn.published`), by what they do; `easel import` finds them.

They are served as they are, and not trained on.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from models import model
from models.capabilities import (
    ArbitraryStylizer,
    Decoder,
    Sampler,
    StyledTranslator,
    Stylizer,
    TargetTranslator,
    Translator,
    Upscaler,
    VariationalEncoder,
)
from models.card import Direction
from models.model import Model, register
from models.nn.published import (
    adain,
    basicsr,
    bicyclegan,
    dcgan_example,
    fast_neural_style,
    munit,
    pytorch_gan,
    stargan,
    vae,
)


class Published(Model):
    """A model that is one network of other code."""

    channels: int
    """Of its pictures."""


SamplerNetwork = dcgan_example.Config | pytorch_gan.PerceptronConfig | pytorch_gan.GrowingConfig


@register("published-sampler")
class PublishedSampler(Sampler, Published):
    """Noise, and a class if the network has classes, to an image."""

    class Config(model.Config):
        network: Annotated[SamplerNetwork, Field(discriminator="network")]

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.latent_shape = self.network.latent_shape
        self.channels, self.side, self.classes = self.network.channels, self.network.side, self.network.classes

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.network(latent, labels)


@register("published-autoencoder")
class PublishedAutoencoder(Sampler, VariationalEncoder, Decoder, Published):
    """Images to codes and back; codes that are drawn make new ones."""

    class Config(model.Config):
        network: Annotated[vae.ExampleConfig | vae.VanillaConfig, Field(discriminator="network")]

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.latent_shape = self.network.latent_shape
        self.channels, self.side = self.network.channels, self.network.side

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.posterior(images)

    def encode(self, images: Tensor) -> Tensor:
        """The mean of the code's distribution."""
        return self.posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        return self.network.decode(codes)


@register("published-translator")
class PublishedTranslator(Translator, Published):
    """Images of either of two domains to the other, where both ways share their networks."""

    directions = ("AtoB", "BtoA")

    class Config(model.Config):
        network: munit.UNITConfig

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.channels, self.native = config.network.channels, config.network.native

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.network(images, direction)


@register("published-styled-translator")
class PublishedStyledTranslator(StyledTranslator, Published):
    """Images of one domain to any of many of another."""

    class Config(model.Config):
        network: Annotated[munit.MUNITConfig | bicyclegan.Config, Field(discriminator="network")]
        direction: Direction = "AtoB"
        """Of a network that goes one way."""

    def __init__(self, config: Config):
        super().__init__()
        network = config.network
        self.network: munit.MUNIT | bicyclegan.BicycleGAN = network.build()
        if isinstance(network, munit.MUNITConfig):
            self.directions, self.latent_shape = ("AtoB", "BtoA"), (network.style,)
            self.channels, self.native = network.channels, network.native
        else:
            self.directions, self.latent_shape = (config.direction,), (network.latent,)
            self.channels, self.native = network.makes, network.native
            self.reads_styles = network.encoder_width > 0

    def translate(self, images: Tensor, direction: Direction, latent: Tensor) -> Tensor:
        if isinstance(self.network, munit.MUNIT):
            return self.network(images, direction, latent)
        return self.network(images, latent)

    def style(self, images: Tensor, direction: Direction) -> Tensor:
        if isinstance(self.network, munit.MUNIT):
            return self.network.style(images, direction)
        return self.network.style(images)


@register("published-target-translator")
class PublishedTargetTranslator(TargetTranslator, Published):
    """Images to what a request names."""

    targets = "many"

    class Config(model.Config):
        network: stargan.Config

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.channels, self.classes, self.native = 3, config.network.classes, self.network.native

    def translate(self, images: Tensor, targets: Tensor) -> Tensor:
        return self.network(images, targets)


@register("published-stylizer")
class PublishedStylizer(Stylizer, Published):
    """Images in the one manner of the network."""

    class Config(model.Config):
        network: fast_neural_style.Config

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.channels, self.native = 3, self.network.native

    def stylize(self, images: Tensor) -> Tensor:
        return self.network(images)


@register("published-arbitrary-stylizer")
class PublishedArbitraryStylizer(ArbitraryStylizer, Published):
    """Images in the manner of any other; it knows none by name."""

    class Config(model.Config):
        network: adain.Config

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.channels, self.native = 3, self.network.native

    def stylize(self, images: Tensor, manner: Tensor, strength: Tensor) -> Tensor:
        return self.network(images, manner, strength)

    def manner_of(self, images: Tensor) -> Tensor:
        return self.network.manner(images)

    def manner_of_classes(self, mixture: Tensor) -> Tensor:
        """
        Raises:
            ValueError: it has no classes.
        """
        raise ValueError("it knows no manner by name, but takes that of any picture")


UpscalerNetwork = (
    basicsr.EDSRConfig | basicsr.SRResNetConfig | basicsr.RRDBConfig | basicsr.CompactConfig | basicsr.SRCNNConfig
)


@register("published-upscaler")
class PublishedUpscaler(Upscaler, Published):
    """Images as many times as large as the network makes them."""

    class Config(model.Config):
        network: Annotated[UpscalerNetwork, Field(discriminator="network")]

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.channels, self.scales, self.native = 3, (config.network.scale,), self.network.native

    def upscale(self, images: Tensor, scale: int) -> Tensor:
        return self.network(images)
