"""Translators that other code trained, one generator for each direction, as `importing.layouts` finds them: those of
the reference code of pix2pix and CycleGAN, and others."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from models import model
from models.capabilities import StyledTranslator, Translator
from models.card import Direction
from models.families.cycle import Config as Game
from models.families.cycle import CycleGame
from models.model import Model, register
from models.nn.colour import pillow_grey
from models.nn.native import strictest
from models.nn.norm import Norm
from models.nn.published import cut, pytorch_gan
from models.nn.resnet import Doubling, Padding, ResNetTranslator
from models.nn.unet import UNetTranslator
from models.noise import Stream

Channels = Literal[1, 3]
_UNDROPPED = 5
"""Levels of the reference code's U-Net that have no dropout: the innermost and the four outer ones."""
_DRAWN = 8
"""Numbers of the latent that dropout is drawn from; any few tell seeds apart."""


class UNet(model.Config):
    """A U-Net that halves `size` pixels down to one; it takes pictures of multiples of that size too."""

    network: Literal["unet"] = "unet"
    size: int
    width: int
    norm: Norm
    takes: Channels = 3
    makes: Channels = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0
    """The share that is dropped when it serves, in as many levels as the reference code drops."""

    @property
    def dropped(self) -> int:
        """How many of its levels the reference code gives dropout, where it gives any."""
        return max(self.size.bit_length() - 1 - _UNDROPPED, 0)

    def build(self) -> UNetTranslator:
        """The network."""
        return UNetTranslator(
            self.takes,
            self.size,
            self.width,
            dropout=self.dropout,
            norm=self.norm,
            out_channels=self.makes,
            dropped=self.dropped,
        )


class ResNet(model.Config):
    """A residual translator, for pictures whose sides are multiples of 4."""

    network: Literal["resnet"] = "resnet"
    width: int
    blocks: int
    norm: Norm
    padding: Padding = "reflect"
    doubling: Doubling = "transposed"
    takes: Channels = 3
    makes: Channels = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0
    """The share that is dropped in each of its blocks when it serves."""

    def build(self) -> ResNetTranslator:
        """The network."""
        return ResNetTranslator(
            self.takes,
            self.width,
            self.blocks,
            self.norm,
            self.padding,
            doubling=self.doubling,
            out_channels=self.makes,
            dropout=self.dropout,
        )


Dropping = UNet | ResNet
"""Networks whose dropout can be drawn as they serve."""
AnyNetwork = Dropping | cut.Config | pytorch_gan.UNetConfig
Network = Annotated[AnyNetwork, Field(discriminator="network")]


class ImportedTranslator(Model):
    """One generator or two, each for its direction. Discriminators are not imported."""

    class Config(model.Config):
        a_to_b: Network | None = None
        b_to_a: Network | None = None

        @model_validator(mode="after")
        def _not_empty(self) -> ImportedTranslator.Config:
            if self.a_to_b is None and self.b_to_a is None:
                raise ValueError("no generator in either direction")
            return self

    def __init__(self, config: Config):
        super().__init__()
        given: dict[Direction, AnyNetwork | None] = {"AtoB": config.a_to_b, "BtoA": config.b_to_a}
        self.networks: dict[Direction, AnyNetwork] = {
            direction: network for direction, network in given.items() if network is not None
        }
        self.directions = tuple(self.networks)
        self.channels = max(max(network.takes, network.makes) for network in self.networks.values())
        built = {direction: network.build() for direction, network in self.networks.items()}
        self.generators = nn.ModuleDict(built)
        self.native = strictest(*(generator.native for generator in built.values()))

    def _translated(self, images: Tensor, direction: Direction, **noise: Stream) -> Tensor:
        """Colour goes in as its luminance where a generator takes grey, and grey comes out in as many channels."""
        if self.networks[direction].takes < self.channels:
            images = pillow_grey(images)
        return self.generators[direction](images, **noise).expand(-1, self.channels, -1, -1)


@register("imported-pix2pix")
class Imported(Translator, ImportedTranslator):
    """Makes one picture of each."""

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self._translated(images, direction)


@register("imported-pix2pix-dropout")
class ImportedWithDropout(StyledTranslator, ImportedTranslator):
    """Draws dropout as it serves, so that it makes many pictures of each: a row's from its latent alone."""

    latent_shape = (_DRAWN,)
    reads_styles = False
    beyond_onnx = "it draws dropout as it serves"

    def translate(self, images: Tensor, direction: Direction, latent: Tensor) -> Tensor:
        network = self.networks[direction]
        if isinstance(network, Dropping) and network.dropout:
            return self._translated(images, direction, drops=Stream(latent))
        return self._translated(images, direction)

    def style(self, images: Tensor, direction: Direction) -> Tensor:
        """
        Raises:
            ValueError: always.
        """
        raise ValueError("what a network drops cannot be read off a picture")


@register("imported-cyclegan")
class ImportedCycleGAN(Imported, CycleGame):  # pyright: ignore[reportIncompatibleVariableOverride]  (Config)
    """Both generators of a CycleGAN, which can be trained on with discriminators that begin anew."""

    def __init__(self, config: Imported.Config):
        super().__init__(config)
        self.game = Game(channels=self.channels)

    @property
    def translators(self) -> tuple[nn.Module, nn.Module]:
        return self.generators["AtoB"], self.generators["BtoA"]

    def prepare_training(self) -> None:
        """
        Raises:
            ValueError: one generator alone, or one whose pictures the other does not take.
        """
        if len(self.networks) < 2 or any(net.takes != net.makes for net in self.networks.values()):
            raise ValueError("to train on, a CycleGAN needs both of its generators (easel import --back)")
        super().prepare_training()
