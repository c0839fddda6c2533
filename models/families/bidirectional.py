"""Adversarially learned inference: an encoder is trained along with the generator, by one game over pairs.

- `bigan`: Donahue et al. 2016 (arXiv 1605.09782), whose encoder is a function
- `ali`: Dumoulin et al. 2016 (arXiv 1606.00704), whose encoder is a normal distribution
"""

from typing import Literal

import torch
from torch import Tensor, nn

from models import model
from models.capabilities import Decoder, Encoder, Sampler
from models.losses.adversarial import NonSaturating
from models.losses.penalty import zero_centred_penalty
from models.losses.total import total
from models.model import Batch, Losses, Player, register
from models.nn import dcgan, normal
from models.nn.mlp import MLP


class Config(model.Config):
    size: int = 28
    channels: int = 1
    latent: int = 50
    stochastic: bool = False
    """Whether the encoder gives a mean and a variance."""
    network: Literal["dcgan", "mlp"] = "dcgan"
    width: int = 64
    hidden: int = 256
    """Units of the discriminator's dense layers."""
    dropout: float = 0.0
    """Of the discriminator's feature maps and dense layers."""
    cycle: float = 0.0
    """Weight of |x - G(E(x))|²; above 0 the game is ALICE's (Li et al. 2017, arXiv 1709.01215, section 3.1)."""
    penalty: float = 0.0
    """Weight of the discriminator's slope at both kinds of pairs; above 0 it must be without batch norm."""

    def generator(self) -> nn.Module:
        """[N, latent] to images."""
        if self.network == "dcgan":
            return dcgan.Generator(self.latent, self.channels, self.size, self.width)
        flat = MLP(self.latent, self.channels * self.size**2, self.width)
        return nn.Sequential(flat, nn.Unflatten(1, (self.channels, self.size, self.size)))

    def reader(self, outputs: int, dropout: float = 0.0) -> nn.Module:
        """Images to [N, outputs]."""
        if self.network == "dcgan":
            return dcgan.Encoder(self.channels, self.size, self.width, outputs, dropout)
        return MLP(self.channels * self.size**2, outputs, self.width)


class PairDiscriminator(nn.Module):
    """Images and codes [N, latent] -> logits [N]; above 0 means that an image came first."""

    def __init__(self, config: Config):
        super().__init__()
        self.image = config.reader(config.hidden, config.dropout)
        self.code = MLP(config.latent, config.hidden, config.hidden, hidden=1)
        between = nn.Sequential(nn.LeakyReLU(0.2), nn.Dropout(config.dropout))
        self.pair = nn.Sequential(between, MLP(2 * config.hidden, 1, config.hidden))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        return self.pair(torch.cat([self.image(images), self.code(codes)], dim=1)).flatten()


@register("bigan")
@register("ali", latent=64, stochastic=True)
class Bidirectional(Sampler, Encoder, Decoder):
    """Noise to an image, and an image to the noise that it may have come from."""

    Config = Config

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.generator = config.generator()
        self.encoder = config.reader(config.latent * (2 if config.stochastic else 1))

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images).float()[:, : self.config.latent]

    def decode(self, codes: Tensor) -> Tensor:
        return self.generator(codes)

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def prepare_training(self) -> None:
        self.discriminator = PairDiscriminator(self.config)
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return (
            Player("discriminator", (self.discriminator,)),
            Player("generator", (self.generator, self.encoder)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        """D tells (x, E(x)) from (G(z), z); generator and encoder want each pair taken for the other kind."""
        images = batch["images"]
        latent = torch.randn(len(images), *self.latent_shape, device=images.device)
        with torch.set_grad_enabled(player == "generator"):
            codes, fake = self._drawn_codes(images), self.decode(latent)
        encoded = self.discriminator(images, codes).float()
        decoded = self.discriminator(fake, latent).float()
        if player == "discriminator":
            losses = {"adversarial": self.adversarial.discriminator(encoded, decoded)}
            if self.config.penalty:
                slopes = [zero_centred_penalty(self.discriminator, *pair) for pair in ((images, codes), (fake, latent))]
                losses["penalty"] = self.config.penalty / 2 * total(slopes)
            return losses
        losses = {"adversarial": self.adversarial.discriminator(decoded, encoded)}
        if self.config.cycle:
            apart = self.decode(codes).float() - images
            losses["cycle"] = self.config.cycle * apart.square().flatten(1).sum(1).mean()
        return losses

    def _drawn_codes(self, images: Tensor) -> Tensor:
        """E(x), or a draw from q(z|x)."""
        if not self.config.stochastic:
            return self.encode(images)
        return normal.drawn(*normal.moments(self.encoder(images)))
