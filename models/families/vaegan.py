"""A VAE whose measure of likeness is learned: `vae-gan` is Larsen et al. 2015 (arXiv 1512.09300)."""

import torch
from torch import Tensor

from models import model
from models.capabilities import Decoder, Sampler, VariationalEncoder
from models.losses.adversarial import NonSaturating
from models.losses.likelihood import kl_to_standard_normal
from models.model import Batch, Losses, Player, register
from models.nn import dcgan, normal


@register("vae-gan")
class VAEGAN(Sampler, VariationalEncoder, Decoder):
    """Encoder, decoder and discriminator. How well an image came back is told by the discriminator's features."""

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        latent: int = 64
        width: int = 64
        likeness: float = 1e-3
        """γ: what the decoder gives for likeness against fooling the discriminator (equation 9)."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.encoder = dcgan.Encoder(config.channels, config.size, config.width, 2 * config.latent)
        self.decoder = dcgan.Generator(config.latent, config.channels, config.size, config.width)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), [N, latent] each."""
        return normal.moments(self.encoder(images))

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(codes)

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def prepare_training(self) -> None:
        self.discriminator = dcgan.Discriminator(self.config.channels, self.config.size, self.config.width)
        self.adversarial = NonSaturating()

    def players(self) -> tuple[Player, ...]:
        return (
            Player("discriminator", (self.discriminator,)),
            Player("encoder", (self.encoder,)),
            Player("decoder", (self.decoder,)),
        )

    def loss(self, player: str, batch: Batch) -> Losses:
        """Algorithm 1: L_prior + L_like for the encoder, γ L_like - L_GAN for the decoder, L_GAN for the discriminator.

        Reconstructions and samples from the prior are both fakes.
        """
        images = batch["images"]
        with torch.set_grad_enabled(player == "encoder"):
            posterior = self.posterior(images)
            codes = normal.drawn(*posterior)
        if player == "encoder":
            kl = kl_to_standard_normal(*posterior).mean()
            return {"prior": kl, "likeness": self._unlikeness(images, self.decode(codes))}
        with torch.set_grad_enabled(player == "decoder"):
            fakes = self.decode(torch.cat([codes, torch.randn_like(codes)]))
        judged = self.discriminator(fakes).float()
        if player == "discriminator":
            return {"adversarial": self.adversarial.discriminator(self.discriminator(images).float(), judged)}
        return {
            "adversarial": self.adversarial.generator(judged),
            "likeness": self.config.likeness * self._unlikeness(images, fakes[: len(images)]),
        }

    def _unlikeness(self, images: Tensor, rebuilt: Tensor) -> Tensor:
        """-log N(D_l(x); D_l(x̃), I), less its constant: half the squared distance of features (equation 7)."""
        features = self.discriminator.features
        return 0.5 * (features(images) - features(rebuilt)).float().square().sum(1).mean()
