"""Class-conditional generation with an auxiliary classifier: `acgan` is Odena et al. 2016 (arXiv 1610.09585).

`cgan`, whose discriminator is told the label instead of guessing it, is a preset in `models.families.gan`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.families.gan import GAN
from models.model import Batch, Losses, register
from models.nn import dcgan


@register("acgan", classes=10)
class ACGAN(GAN):
    """The discriminator says of an image whether it is real, and of which class.

    Both players maximise L_C, the log-likelihood of the right class; over L_S, that of the right source, they fight
    (equations 2 and 3).
    """

    class Config(GAN.Config):
        taught_by_fakes: bool = True
        """Whether the discriminator maximises L_C on generated images too, as in the paper. If not, it learns the
        classes from real images alone, and a malformed digit does not pass for one by agreement."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.config = config

    def prepare_training(self) -> None:
        config = self.config
        sides = config.channels, config.size, config.discriminator_width or config.width
        self.discriminator = dcgan.Encoder(
            *sides, 1 + config.classes, config.dropout, norm=config.norm, kernels=config.kernels
        )

    def _discriminator(self, batch: Batch) -> Losses:
        with torch.no_grad():
            made = self._made(batch)
        (real, real_classes), (fake, fake_classes) = self._judge(batch["images"]), self._judge(made)
        losses = {
            "adversarial": self.adversarial.discriminator(real, fake),
            "class": F.cross_entropy(real_classes, batch["labels"]),
        }
        if self.config.taught_by_fakes:
            losses["class_of_fakes"] = F.cross_entropy(fake_classes, batch["labels"])
        return losses

    def _generator(self, batch: Batch) -> Losses:
        source, classes = self._judge(self._made(batch))
        return {
            "adversarial": self.adversarial.generator(source),
            "class": F.cross_entropy(classes, batch["labels"]),
        }

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of being real [N], and of the classes [N, classes]."""
        verdict = self.discriminator(images).float()
        return verdict[:, 0], verdict[:, 1:]
