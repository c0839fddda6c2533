"""Translation learned from pairs.

- `pix2pix`: Isola et al. 2016 (arXiv 1611.07004): conditional GAN + 100 L1
- `unet-l1`: its generator without the game, to compare with (section 4.2): the median of what may be, so it is blurred
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import Translator
from models.card import SOURCE_AND_TARGET, Direction
from models.losses.adversarial import NonSaturating
from models.model import Batch, Losses, Player, register
from models.nn.patchgan import PatchGAN
from models.nn.unet import UNetTranslator


@register("pix2pix")
@register("unet-l1", gan=False)
class Pix2Pix(Translator):
    """Image to image in the one direction that it was trained for; the discriminator sees input and output together.

    The generator moves first and leaves its image for the discriminator.
    """

    class Config(model.Config):
        direction: Direction = "AtoB"
        size: int = 256
        channels: int = 3
        width: int = 64
        cap: int = 8
        dropout: float = 0.5
        l1: float = 100.0
        gan: bool = True
        discriminator_width: int = 64
        discriminator_halvings: int = 3

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.directions = (config.direction,)
        self.generator = UNetTranslator(config.channels, config.size, config.width, config.cap, config.dropout)
        self.native = self.generator.native

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.generator(images)

    def prepare_training(self) -> None:
        config = self.config
        if not config.gan:
            return
        self.discriminator = PatchGAN(config.channels * 2, config.discriminator_width, config.discriminator_halvings)
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        generator = Player("generator", (self.generator,))
        return (generator, Player("discriminator", (self.discriminator,))) if self.config.gan else (generator,)

    def loss(self, player: str, batch: Batch) -> Losses:
        source, target = (batch[domain] for domain in SOURCE_AND_TARGET[self.config.direction])
        if player == "generator":
            fake = self.generator(source)
            losses = {"l1": self.config.l1 * F.l1_loss(fake.float(), target)}
            if self.config.gan:
                self.fake = fake.detach()
                losses["adversarial"] = self.adversarial.generator(self._judge(source, fake))
            return losses
        # The paper halves the discriminator's loss to slow it relative to the generator (section 3.3).
        judged = self._judge(source, target), self._judge(source, self.fake)
        return {"adversarial": 0.5 * self.adversarial.discriminator(*judged)}

    def _judge(self, source: Tensor, image: Tensor) -> Tensor:
        return self.discriminator(torch.cat([source, image], dim=1)).float()
