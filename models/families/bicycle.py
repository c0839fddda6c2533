"""Many translations of one image, learned from pairs. `bicyclegan` is Zhu et al. 2017 (arXiv 1711.11586).

Two games with one generator: the style of the true answer must lead back to it (cVAE-GAN), and a style that was drawn
must be read off what it led to (cLR-GAN). So styles are used, and those that are drawn mean something.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import StyledTranslator
from models.card import SOURCE_AND_TARGET, Direction
from models.losses.adversarial import LeastSquares, PerScale
from models.losses.likelihood import kl_to_standard_normal
from models.losses.total import total
from models.model import Batch, Losses, Player, register
from models.nn import normal
from models.nn.content_style import StyleEncoder
from models.nn.patchgan import MultiScalePatchGAN
from models.nn.unet import UNetTranslator


@register("bicyclegan")
class BicycleGAN(StyledTranslator):
    """The generators move first; reading the style of a drawn one is the generator's task alone (section 3.3)."""

    class Config(model.Config):
        direction: Direction = "AtoB"
        size: int = 256
        channels: int = 3
        width: int = 64
        cap: int = 4
        style: int = 8
        encoder_width: int = 64
        l1: float = 10.0
        code: float = 0.5
        kl: float = 0.01
        discriminator_width: int = 64
        discriminator_halvings: int = 3
        scales: int = 2

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.directions = (config.direction,)
        self.latent_shape = (config.style,)
        self.generator = UNetTranslator(
            config.channels, config.size, config.width, config.cap, dropout=0.0, latent=config.style
        )
        self.native = self.generator.native
        self.encoder = StyleEncoder(config.channels, config.encoder_width, config.style * 2)

    def translate(self, images: Tensor, direction: Direction, latent: Tensor) -> Tensor:
        return self.generator(images, latent)

    def style(self, images: Tensor, direction: Direction) -> Tensor:
        """The styles of images of the domain that is translated to, [N, style]."""
        return self._posterior(images)[0]

    def _posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the style, [N, style] each."""
        return normal.moments(self.encoder(images))

    def prepare_training(self) -> None:
        config = self.config
        shape = config.channels * 2, config.discriminator_width, config.discriminator_halvings, config.scales
        self.judges = nn.ModuleDict({game: MultiScalePatchGAN(*shape) for game in ("encoded", "drawn")})
        self.adversarial = PerScale(LeastSquares())

    def players(self) -> tuple[Player, ...]:
        return (
            Player("generator_and_encoder", (self.generator, self.encoder)),
            Player("generator", (self.generator,)),
            Player("discriminators", (self.judges,)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        source, target = (batch[domain] for domain in SOURCE_AND_TARGET[self.config.direction])
        if player == "generator_and_encoder":
            return self._games(source, target)
        if player == "generator":
            drawn = torch.randn(len(source), self.config.style, device=source.device)
            read, _ = self._posterior(self.generator(source, drawn))
            return {"code": self.config.code * F.l1_loss(read, drawn)}
        return {
            game: self.adversarial.discriminator(self._judged(game, source, target), self._judged(game, source, fake))
            for game, fake in self.fakes.items()
        }

    def _games(self, source: Tensor, target: Tensor) -> Losses:
        config = self.config
        posterior = self._posterior(target)
        style = normal.drawn(*posterior)
        made = {"encoded": self.generator(source, style), "drawn": self.generator(source, torch.randn_like(style))}
        self.fakes = {game: fake.detach() for game, fake in made.items()}
        return {
            "adversarial": total(
                self.adversarial.generator(self._judged(game, source, fake)) for game, fake in made.items()
            ),
            "l1": config.l1 * F.l1_loss(made["encoded"].float(), target),
            "kl": config.kl * kl_to_standard_normal(*posterior).mean(),
        }

    def _judged(self, game: str, source: Tensor, images: Tensor) -> list[Tensor]:
        return [verdicts.float() for verdicts in self.judges[game](torch.cat([source, images], dim=1))]
