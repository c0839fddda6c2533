"""Unconditional adversarial models: one game, whose network and loss a preset picks.

`dcgan` is Radford et al. 2015 (arXiv 1511.06434) with the non-saturating loss of Goodfellow et al. 2014
(arXiv 1406.2661).
"""

from typing import Literal

import torch
from torch import Tensor

from models import model
from models.losses.adversarial import Adversarial, LeastSquares, NonSaturating
from models.model import Batch, Losses, Model, Player, register
from models.nn import dcgan

ADVERSARIAL: dict[str, type[Adversarial]] = {"non-saturating": NonSaturating, "least-squares": LeastSquares}


@register("dcgan")
class GAN(Model):
    """Noise to image."""

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        latent: int = 100
        width: int = 64
        adversarial: Literal["non-saturating", "least-squares"] = "non-saturating"
        dropout: float = 0.0

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.generator = dcgan.Generator(config.latent, config.channels, config.size, config.width)

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(latent)

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator = dcgan.Discriminator(config.channels, config.size, config.width, dropout=config.dropout)
        self.adversarial = ADVERSARIAL[config.adversarial]()

    def players(self) -> tuple[Player, ...]:
        return (Player("discriminator", (self.discriminator,)), Player("generator", (self.generator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        real = batch["images"]
        latent = torch.randn(len(real), *self.latent_shape, device=real.device)
        if player == "generator":
            return {"adversarial": self.adversarial.generator(self.discriminator(self.generator(latent)).float())}
        with torch.no_grad():
            fake = self.generator(latent)
        judged_real, judged_fake = self.discriminator(real).float(), self.discriminator(fake).float()
        return {"adversarial": self.adversarial.discriminator(judged_real, judged_fake)}
