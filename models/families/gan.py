"""Adversarial models that make images from noise: one game, whose networks, objective and penalty a preset picks.

- `gan`: Goodfellow et al. 2014 (arXiv 1406.2661): perceptrons, the discriminator's of maxout units with dropout
- `dcgan`: Radford et al. 2015 (arXiv 1511.06434): convolutions and batch norm
- `lsgan`: Mao et al. 2016 (arXiv 1611.04076): regression to 1 and 0 instead of a decision
- `fgan`: Nowozin et al. 2016 (arXiv 1606.00709): any f-divergence, named by `adversarial`
- `wgan`: Arjovsky et al. 2017 (arXiv 1701.07875): a critic with clipped weights, five turns to the generator's one
- `wgan-gp`: Gulrajani et al. 2017 (arXiv 1704.00028): the same with its slope held at 1 instead
- `ebgan`: Zhao et al. 2016 (arXiv 1609.03126): an auto-encoder whose error is the verdict, and codes that pull away
- `cgan`: Mirza and Osindero 2014 (arXiv 1411.1784): generator *and* discriminator see the label; convolutional networks
  stand in for the paper's perceptrons
"""

from typing import Any, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from models import model
from models.capabilities import Sampler, Scorer
from models.losses.adversarial import Adversarial, Objective, adversarial
from models.losses.matching import pull_away
from models.losses.penalty import clip_, gradient_penalty
from models.model import Batch, Losses, Player, register
from models.nn import dcgan, energy, perceptron
from models.nn.augment import augmented


@register("gan", generator="perceptron", discriminator="maxout", width=512, discriminator_width=240, dropout=0.5)
@register("fgan", generator="perceptron", discriminator="maxout", width=512, discriminator_width=240, adversarial="kl")
@register("dcgan")
@register("lsgan", adversarial="least-squares")
@register("cgan", classes=10)
class GAN(Sampler):
    """Noise, and a class if the model has classes, to an image."""

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        classes: int = 0
        latent: int = 100
        generator: Literal["convolutional", "perceptron"] = "convolutional"
        width: int = 64
        discriminator: Literal["convolutional", "maxout", "autoencoder"] = "convolutional"
        discriminator_width: int = 0
        """0: as the generator's."""
        depth: int = 0
        """How often an image of the convolutional pair is halved; 0: to a side of 4 to 7."""
        norm: bool = True
        """Batch norm in a convolutional discriminator."""
        dropout: float = 0.0
        augment: bool = False
        """Whether the discriminator sees all images augmented (`models.nn.augment`): for small sets of data."""
        kernels: int = 0
        """Of minibatch discrimination (arXiv 1606.03498, section 3.2)."""
        adversarial: Objective = "non-saturating"
        smoothing: float = 0.0
        """How far below 1 the target for real images is (arXiv 1606.03498, section 3.4), of `non-saturating`."""
        margin: float = 10.0
        """Of `margin`: the energy beyond which generated images are let be."""
        clip: float = 0.0
        """Bound of the discriminator's weights; 0: none."""
        gradient_penalty: float = 0.0
        pull_away: float = 0.0
        turns: int = 1
        """Of the discriminator for each of the generator."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.classes = config.classes
        self.generator = generator(config)

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(latent, labels)

    def prepare_training(self) -> None:
        self.discriminator = discriminator(self.config)

    def players(self) -> tuple[Player, ...]:
        return (
            Player("discriminator", (self.discriminator,), self.config.turns),
            Player("generator", (self.generator,)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        return self._generator(batch) if player == "generator" else self._discriminator(batch)

    def after_step(self, player: str) -> None:
        if player == "discriminator" and self.config.clip:
            clip_(self.discriminator, self.config.clip)

    @property
    def adversarial(self) -> Adversarial:
        """The objective that the config names."""
        return adversarial(self.config.adversarial, self.config.smoothing, self.config.margin)

    def _discriminator(self, batch: Batch) -> Losses:
        real, labels = batch["images"], self._labels(batch)
        with torch.no_grad():
            fake = self._made(batch)
        real, fake = self._seen(real), self._seen(fake)
        judged = self.discriminator(real, labels).float(), self.discriminator(fake, labels).float()
        losses = {"adversarial": self.adversarial.discriminator(*judged)}
        if weight := self.config.gradient_penalty:
            penalty = gradient_penalty(lambda images: self.discriminator(images, labels), real, fake)
            losses["gradient_penalty"] = weight * penalty
        return losses

    def _generator(self, batch: Batch) -> Losses:
        fake, labels = self._seen(self._made(batch)), self._labels(batch)
        losses = {"adversarial": self.adversarial.generator(self.discriminator(fake, labels).float())}
        if weight := self.config.pull_away:
            losses["pull_away"] = weight * pull_away(self.discriminator.features(fake))
        return losses

    def _made(self, batch: Batch) -> Tensor:
        """As many images as the batch has, of its labels."""
        latent = torch.randn(len(batch["images"]), *self.latent_shape, device=batch["images"].device)
        return self.generator(latent, self._labels(batch))

    def _seen(self, images: Tensor) -> Tensor:
        """The images as the discriminator sees them."""
        return augmented(images) if self.config.augment else images

    def _labels(self, batch: Batch) -> Tensor | None:
        return batch["labels"] if self.classes else None


@register("wgan", adversarial="wasserstein", clip=0.01, turns=5)
@register("wgan-gp", adversarial="wasserstein", gradient_penalty=10.0, turns=5)
@register("ebgan", discriminator="autoencoder", adversarial="margin", pull_away=0.1)
class Critic(GAN, Scorer):
    """A GAN whose discriminator has something to say of any picture, and ships: how real it finds it.

    It has neither batch norm nor minibatch discrimination, so that what it says of a picture depends on that alone.
    """

    class Config(GAN.Config):
        @model_validator(mode="before")
        @classmethod
        def _alone(cls, given: dict[str, Any]) -> dict[str, Any]:
            """Neither batch norm nor minibatch discrimination, and no setting for them."""
            if given.get("norm") or given.get("kernels"):
                raise ValueError("a critic judges each image by itself: it has neither `norm` nor `kernels`")
            return {**given, "norm": False, "kernels": 0}

    def __init__(self, config: Config):
        super().__init__(config)
        self.discriminator = discriminator(config)
        self.scores = ("energy",) if config.discriminator == "autoencoder" else ("critic",)

    def prepare_training(self) -> None:
        """Nothing: the discriminator is there."""

    def score(self, images: Tensor) -> Tensor:
        return self.discriminator(images)


Discriminator = dcgan.Discriminator | energy.Discriminator | perceptron.Discriminator


def generator(config: GAN.Config) -> nn.Module:
    """The generator that a config names: latents and labels -> images."""
    sides = config.latent, config.channels, config.size, config.width, config.classes
    return perceptron.Generator(*sides) if config.generator == "perceptron" else dcgan.Generator(*sides, config.depth)


def discriminator(config: GAN.Config) -> Discriminator:
    """The discriminator that a config names: images and labels -> [N], and what it sees, `features` [N, F]."""
    sides = config.channels, config.size, config.discriminator_width or config.width
    if config.discriminator == "autoencoder":
        return energy.Discriminator(*sides, code=config.latent)
    given = {"classes": config.classes, "dropout": config.dropout, "kernels": config.kernels}
    if config.discriminator == "maxout":
        return perceptron.Discriminator(*sides, **given)
    return dcgan.Discriminator(*sides, **given, norm=config.norm, depth=config.depth)
