"""Class-conditional generation with an auxiliary classifier: `acgan` is Odena et al. 2016 (arXiv 1610.09585).

`cgan`, whose discriminator is told the label instead of guessing it, is a preset in `models.families.gan`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.losses.adversarial import NonSaturating
from models.model import Batch, Losses, Model, Player, register
from models.nn import dcgan


@register("acgan")
class ACGAN(Model):
    """Noise and a class to an image. The discriminator says of an image whether it is real, and of which class."""

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        classes: int = 10
        latent: int = 100
        width: int = 64
        dropout: float = 0.0
        smoothing: float = 0.0

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
        self.discriminator = dcgan.Encoder(
            config.channels, config.size, config.width, 1 + config.classes, config.dropout
        )
        self.adversarial = NonSaturating(config.smoothing)

    def players(self) -> tuple[Player, ...]:
        return (Player("discriminator", (self.discriminator,)), Player("generator", (self.generator,)))

    def loss(self, player: str, batch: Batch) -> Losses:
        """Both players maximise L_C, the log-likelihood of the right class; over L_S they fight (equations 2 and 3)."""
        real, labels = batch["images"], batch["labels"]
        latent = torch.randn(len(real), *self.latent_shape, device=real.device)
        if player == "generator":
            source, classes = self._judge(self.generator(latent, labels))
            return {"adversarial": self.adversarial.generator(source), "class": F.cross_entropy(classes, labels)}
        with torch.no_grad():
            fake = self.generator(latent, labels)
        (source_real, classes_real), (source_fake, classes_fake) = self._judge(real), self._judge(fake)
        return {
            "adversarial": self.adversarial.discriminator(source_real, source_fake),
            "class": F.cross_entropy(classes_real, labels) + F.cross_entropy(classes_fake, labels),
        }

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of being real [N], and of the classes [N, classes]."""
        verdict = self.discriminator(images).float()
        return verdict[:, 0], verdict[:, 1:]
