"""Translation without pairs: what is translated there and back again should be what it was. Presets of one class.

- `cyclegan`: Zhu et al. 2017 (arXiv 1703.10593): residual generators, LSGAN both ways + 10 L1 of the cycle
- `dualgan`: Yi et al. 2017 (arXiv 1704.02510): U-Nets, Wasserstein critics + L1 of the cycle; a gradient penalty
  holds the critics, where the paper clips their weights
- `discogan`: Kim et al. 2017 (arXiv 1703.05192): convolutional encoder-decoders, the first GAN's losses, squared errors
  of the cycle, and features of the discriminators matched
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import Translator
from models.card import Direction
from models.losses.adversarial import Objective, adversarial
from models.losses.matching import feature_matching
from models.losses.penalty import gradient_penalty
from models.losses.total import total
from models.model import Batch, Losses, Player, register
from models.nn.augment import augmented
from models.nn.hourglass import Hourglass
from models.nn.image_pool import ImagePool
from models.nn.patchgan import PatchGAN
from models.nn.residual import Residual
from models.nn.resnet import Doubling, ResNetTranslator
from models.nn.unet import UNetTranslator

DISTANCES = {"l1": F.l1_loss, "l2": F.mse_loss}


class Config(model.Config):
    """A generator, an adversarial pair, and the weights of the other terms; a term of weight 0 is left out."""

    channels: int = 3
    network: Literal["resnet", "unet", "hourglass"] = "resnet"
    size: int = 128
    """Of the images that a U-Net takes; the other networks take any."""
    width: int = 64
    blocks: int = 6
    doubling: Doubling = "transposed"
    """Of a ResNet."""
    cap: int = 8
    dropout: float = 0.5
    """Of a U-Net."""
    residual: bool = False
    """Whether a generator says what to change in its input (`models.nn.residual`), which is learned in fewer steps."""
    adversarial: Objective = "least-squares"
    cycle: float = 10.0
    distance: Literal["l1", "l2"] = "l1"
    identity: float = 0.5
    """Relative to `cycle`."""
    matching: float = 0.0
    penalty: float = 0.0
    discriminator_width: int = 64
    discriminator_halvings: int = 3
    augment: bool = False
    """Whether the discriminators see all images augmented (`models.nn.augment`): for small sets of data."""
    pool: int = 50

    def generator(self) -> ResNetTranslator | UNetTranslator | Hourglass | Residual:
        """Images of one domain to images of the other."""
        if self.network == "resnet":
            network = ResNetTranslator(self.channels, self.width, self.blocks, doubling=self.doubling)
        elif self.network == "unet":
            network = UNetTranslator(self.channels, self.size, self.width, self.cap, self.dropout)
        else:
            network = Hourglass(self.channels, self.width)
        return Residual(network) if self.residual else network

    def discriminator(self) -> PatchGAN:
        """Images to verdicts."""
        return PatchGAN(self.channels, self.discriminator_width, self.discriminator_halvings)


class CycleGame(Translator):
    """The game of two translators, whose discriminators are added for training.

    The generators move first and leave their images for the discriminators.
    """

    game: Config
    """What it is played for."""

    @property
    @abstractmethod
    def translators(self) -> tuple[nn.Module, nn.Module]:
        """A to B, and B to A."""

    def prepare_training(self) -> None:
        game = self.game
        self.judge_a, self.judge_b = game.discriminator(), game.discriminator()
        self.adversarial = adversarial(game.adversarial)
        self.pool_a, self.pool_b = ImagePool(game.pool), ImagePool(game.pool)

    def players(self) -> tuple[Player, ...]:
        return (
            Player("generators", self.translators),
            Player("discriminators", (self.judge_a, self.judge_b)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        return (
            self._generators(batch["a"], batch["b"])
            if player == "generators"
            else self._discriminators(batch["a"], batch["b"])
        )

    def _generators(self, a: Tensor, b: Tensor) -> Losses:
        game, distance = self.game, DISTANCES[self.game.distance]
        a_to_b, b_to_a = self.translators
        fake_b, fake_a = a_to_b(a), b_to_a(b)
        self.fakes = fake_a.detach(), fake_b.detach()
        seen_a, seen_b = self.judge_a.features(self._seen(fake_a)), self.judge_b.features(self._seen(fake_b))
        cycle = distance(b_to_a(fake_b).float(), a) + distance(a_to_b(fake_a).float(), b)
        losses = {
            "adversarial": total(self.adversarial.generator(seen[-1].float()) for seen in (seen_a, seen_b)),
            "cycle": game.cycle * cycle,
        }
        if game.identity:
            identity = distance(b_to_a(a).float(), a) + distance(a_to_b(b).float(), b)
            losses["identity"] = game.identity * game.cycle * identity
        if game.matching:
            real_a, real_b = self.judge_a.features(self._seen(a)), self.judge_b.features(self._seen(b))
            losses["matching"] = game.matching * (_matching(real_a, seen_a) + _matching(real_b, seen_b))
        return losses

    def _discriminators(self, a: Tensor, b: Tensor) -> Losses:
        fake_a, fake_b = self.pool_a.swap(self.fakes[0]), self.pool_b.swap(self.fakes[1])
        a, b, fake_a, fake_b = map(self._seen, (a, b, fake_a, fake_b))
        losses = {
            "a": self.adversarial.discriminator(self.judge_a(a).float(), self.judge_a(fake_a).float()),
            "b": self.adversarial.discriminator(self.judge_b(b).float(), self.judge_b(fake_b).float()),
        }
        if self.game.penalty:
            steep = gradient_penalty(_mean_of(self.judge_a), a, fake_a)
            steep = steep + gradient_penalty(_mean_of(self.judge_b), b, fake_b)
            losses["penalty"] = self.game.penalty * steep
        return losses

    def _seen(self, images: Tensor) -> Tensor:
        """The images as a discriminator sees them."""
        return augmented(images) if self.game.augment else images


@register("cyclegan")
@register("dualgan", network="unet", adversarial="wasserstein", penalty=10.0, cycle=500.0, identity=0.0, pool=0)
@register(
    "discogan",
    network="hourglass",
    adversarial="non-saturating",
    matching=9.0,
    cycle=10.0,
    distance="l2",
    identity=0.0,
    pool=0,
)
class CycleGAN(CycleGame):
    """Two generators and the game of their cycle."""

    Config = Config
    directions = ("AtoB", "BtoA")

    def __init__(self, config: Config):
        super().__init__()
        self.game = config
        self.a_to_b, self.b_to_a = config.generator(), config.generator()
        self.native = self.a_to_b.native

    @property
    def translators(self) -> tuple[nn.Module, nn.Module]:
        return self.a_to_b, self.b_to_a

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.a_to_b(images) if direction == "AtoB" else self.b_to_a(images)


def _matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The mean over the layers but the last, which is the verdict."""
    return total(map(feature_matching, real[:-1], fake[:-1])) / (len(real) - 1)


def _mean_of(judge: PatchGAN) -> Callable[[Tensor], Tensor]:
    """One verdict per image, [N]."""
    return lambda images: judge(images).mean((1, 2, 3))
