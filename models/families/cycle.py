"""Translation without pairs. `cyclegan` is Zhu et al. 2017 (arXiv 1703.10593): LSGAN both ways + 10 cycle L1."""

import torch.nn.functional as F
from torch import Tensor

from models import model
from models.card import Direction
from models.losses.adversarial import LeastSquares
from models.model import Batch, Losses, Model, Player, register
from models.nn.patchgan import PatchGAN
from models.nn.resnet import ResNetTranslator
from models.training.pool import ImagePool


@register("cyclegan")
class CycleGAN(Model):
    """Two generators, two discriminators. The generators move first and leave their images for the discriminators."""

    class Config(model.Config):
        channels: int = 3
        width: int = 64
        blocks: int = 6
        cycle: float = 10.0
        identity: float = 0.5
        discriminator_width: int = 64
        discriminator_halvings: int = 3
        pool: int = 50

    directions = ("AtoB", "BtoA")

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.a_to_b = ResNetTranslator(config.channels, config.width, config.blocks)
        self.b_to_a = ResNetTranslator(config.channels, config.width, config.blocks)

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.a_to_b(images) if direction == "AtoB" else self.b_to_a(images)

    def prepare_training(self) -> None:
        config = self.config
        self.judge_a = PatchGAN(config.channels, config.discriminator_width, config.discriminator_halvings)
        self.judge_b = PatchGAN(config.channels, config.discriminator_width, config.discriminator_halvings)
        self.adversarial = LeastSquares()
        self.pool_a, self.pool_b = ImagePool(config.pool), ImagePool(config.pool)

    def players(self) -> tuple[Player, ...]:
        return (
            Player("generators", (self.a_to_b, self.b_to_a)),
            Player("discriminators", (self.judge_a, self.judge_b)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        return (
            self._generators(batch["a"], batch["b"])
            if player == "generators"
            else self._discriminators(batch["a"], batch["b"])
        )

    def _generators(self, a: Tensor, b: Tensor) -> Losses:
        fake_b, fake_a = self.a_to_b(a), self.b_to_a(b)
        self.fakes = fake_a.detach(), fake_b.detach()
        judged_a, judged_b = self.judge_a(fake_a).float(), self.judge_b(fake_b).float()
        cycle = F.l1_loss(self.b_to_a(fake_b).float(), a) + F.l1_loss(self.a_to_b(fake_a).float(), b)
        losses = {
            "adversarial": self.adversarial.generator(judged_a) + self.adversarial.generator(judged_b),
            "cycle": self.config.cycle * cycle,
        }
        if self.config.identity:
            identity = F.l1_loss(self.b_to_a(a).float(), a) + F.l1_loss(self.a_to_b(b).float(), b)
            losses["identity"] = self.config.identity * self.config.cycle * identity
        return losses

    def _discriminators(self, a: Tensor, b: Tensor) -> Losses:
        fake_a, fake_b = self.pool_a.swap(self.fakes[0]), self.pool_b.swap(self.fakes[1])
        return {
            "a": self.adversarial.discriminator(self.judge_a(a).float(), self.judge_a(fake_a).float()),
            "b": self.adversarial.discriminator(self.judge_b(b).float(), self.judge_b(fake_b).float()),
        }
