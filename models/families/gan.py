"""Adversarial models that make images from noise: one game, whose networks, loss and conditioning a preset picks.

- `dcgan`: Radford et al. 2015 (arXiv 1511.06434), with the non-saturating loss of Goodfellow et al. 2014 (1406.2661)
- `cgan`: Mirza and Osindero 2014 (arXiv 1411.1784): generator *and* discriminator see the label; convolutional networks
  stand in for the paper's perceptrons
"""

from typing import Literal

import torch
from torch import Tensor

from models import model
from models.losses.adversarial import ADVERSARIAL
from models.model import Batch, Losses, Model, Player, register
from models.nn import dcgan


@register("dcgan")
@register("cgan", classes=10)
class GAN(Model):
    """Noise, and a class if the model has classes, to an image."""

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        classes: int = 0
        latent: int = 100
        width: int = 64
        adversarial: Literal["non-saturating", "least-squares"] = "non-saturating"
        dropout: float = 0.0

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.classes = config.classes
        self.generator = dcgan.Generator(config.latent, config.channels, config.size, config.width, config.classes)

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(latent, labels)

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator = dcgan.Discriminator(
            config.channels, config.size, config.width, config.classes, config.dropout
        )
        self.adversarial = ADVERSARIAL[config.adversarial]()

    def players(self) -> tuple[Player, ...]:
        return (Player("discriminator", (self.discriminator,)), Player("generator", (self.generator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        real, labels = batch["images"], batch["labels"] if self.classes else None
        latent = torch.randn(len(real), *self.latent_shape, device=real.device)
        if player == "generator":
            judged = self.discriminator(self.generator(latent, labels), labels)
            return {"adversarial": self.adversarial.generator(judged.float())}
        with torch.no_grad():
            fake = self.generator(latent, labels)
        judged_real, judged_fake = self.discriminator(real, labels), self.discriminator(fake, labels)
        return {"adversarial": self.adversarial.discriminator(judged_real.float(), judged_fake.float())}
