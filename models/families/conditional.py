"""The conditional GAN (Mirza and Osindero 2014, arXiv 1411.1784): generator and discriminator both see the label."""

import torch
from torch import Tensor

from models import model
from models.losses.adversarial import NonSaturating
from models.model import Batch, Losses, Model, Player, register
from models.nn import dcgan


@register("cgan")
class ConditionalGAN(Model):
    """Noise and a class to an image of that class. Convolutional networks stand in for the paper's perceptrons."""

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        classes: int = 10
        latent: int = 100
        width: int = 64
        dropout: float = 0.0

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.classes = config.classes
        self.generator = dcgan.Generator(config.latent, config.channels, config.size, config.width, config.classes)

    def sample(self, latent: Tensor, labels: Tensor) -> Tensor:
        return self.generator(latent, labels)

    def prepare_training(self) -> None:
        config = self.config
        self.discriminator = dcgan.Discriminator(
            config.channels, config.size, config.width, config.classes, config.dropout
        )
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return (Player("discriminator", (self.discriminator,)), Player("generator", (self.generator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        real, labels = batch["images"], batch["labels"]
        latent = torch.randn(len(real), *self.latent_shape, device=real.device)
        if player == "generator":
            return {
                "adversarial": self.adversarial.generator(
                    self.discriminator(self.generator(latent, labels), labels).float()
                )
            }
        with torch.no_grad():
            fake = self.generator(latent, labels)
        judged_real = self.discriminator(real, labels).float()
        judged_fake = self.discriminator(fake, labels).float()
        return {"adversarial": self.adversarial.discriminator(judged_real, judged_fake)}
