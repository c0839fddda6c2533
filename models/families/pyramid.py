"""LAPGAN (Denton et al. 2015, arXiv 1506.05751): a conditional GAN per level of a Laplacian pyramid."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import Sampler
from models.losses.adversarial import NonSaturating
from models.model import Batch, Losses, Player, Step, Steps, register
from models.nn import perceptron
from models.nn.dcgan import Discriminator
from models.nn.pyramid import ResidualGenerator


@register("lapgan")
class LAPGAN(Sampler):
    """A small image from noise; then at each level twice the size, and the detail which that lacks, from more noise.

    The levels are trained independently: each sees real images of the level below (section 3.2). A latent holds the
    noise of all levels, the coarsest first.
    """

    own_batch = 16

    class Config(model.Config):
        sides: tuple[int, ...] = (8, 16, 32)
        channels: int = 3
        latent: int = 64
        """Noise of the coarsest level; the others have a plane of it."""
        hidden: int = 600
        """Units of the coarsest level's perceptrons."""
        dropout: float = 0.3
        """In the coarsest level's discriminator."""
        width: int = 64
        blocks: int = 2

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        coarsest, *finer = config.sides
        if any(side != 2 * below for below, side in pairwise(config.sides)):
            raise ValueError(f"each side must be twice the one before it, unlike {config.sides}")
        self.noises = (config.latent, *(side**2 for side in finer))
        self.latent_shape = (sum(self.noises),)
        generators = [perceptron.Generator(config.latent, config.channels, coarsest, config.hidden)]
        generators += [ResidualGenerator(config.channels, config.width, config.blocks) for _ in finer]
        self.generators = nn.ModuleDict({str(side): net for side, net in zip(config.sides, generators, strict=True)})

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Steps:
        """One step for each level (figure 1); what is shown is scaled to the full size."""
        sides = self.config.sides
        image = None
        for done, (side, noise) in enumerate(zip(sides, latent.split(self.noises, dim=1), strict=True), 1):
            image = self._generate(side, noise, None if image is None else upscaled(image)).clamp(-1, 1)
            yield Step(done, len(sides), F.interpolate(image, sides[-1]))

    def prepare_training(self) -> None:
        config = self.config
        coarsest, *finer = config.sides
        discriminators: list[nn.Module] = [
            perceptron.Discriminator(config.channels, coarsest, config.hidden, dropout=config.dropout)
        ]
        discriminators += [Discriminator(config.channels * 2, side, config.width) for side in finer]
        self.discriminators = nn.ModuleDict(dict(zip(map(str, config.sides), discriminators, strict=True)))
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return tuple(
            Player(f"{kind}-{side}", (networks[str(side)],))
            for side in self.config.sides
            for kind, networks in (("discriminator", self.discriminators), ("generator", self.generators))
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        kind, _, digits = player.partition("-")
        side = int(digits)
        real = F.adaptive_avg_pool2d(batch["images"], side)
        coarsest = side == self.config.sides[0]
        low = None if coarsest else upscaled(F.avg_pool2d(real, 2))
        noise = torch.randn(len(real), self.noises[self.config.sides.index(side)], device=real.device)
        if kind == "generator":
            return {"adversarial": self.adversarial.generator(self._judge(side, self._generate(side, noise, low), low))}
        with torch.no_grad():
            fake = self._generate(side, noise, low)
        judged = self._judge(side, real, low), self._judge(side, fake, low)
        return {"adversarial": self.adversarial.discriminator(*judged)}

    def _generate(self, side: int, noise: Tensor, low: Tensor | None) -> Tensor:
        """The image of a level: of the coarsest from noise alone, else `low`, what is known of it, and its residual."""
        generator = self.generators[str(side)]
        if low is None:
            return generator(noise)
        return low + generator(low, noise.unflatten(1, (1, side, side)))

    def _judge(self, side: int, image: Tensor, low: Tensor | None) -> Tensor:
        """Whether an image is real, given what it was made from."""
        given = image if low is None else torch.cat([low, image], dim=1)
        return self.discriminators[str(side)](given).float()


def upscaled(images: Tensor) -> Tensor:
    """Twice the size: the paper's u(.). [N, C, S, S] -> [N, C, 2S, 2S]."""
    return F.interpolate(images, scale_factor=2, mode="bilinear")
