"""Auto-encoders. `vae` is Kingma and Welling 2013 (arXiv 1312.6114): maximise E_q log p(x|z) - KL(q(z|x) || p(z))."""

import torch
from torch import Tensor

from models import model
from models.losses.likelihood import bernoulli_nll, kl_to_standard_normal
from models.model import Batch, Losses, Model, Player, register
from models.nn.autoencoder import Decoder, Encoder


@register("vae")
class VAE(Model):
    """Gaussian latent, Bernoulli pixels; trained on images binarised anew each step. Pictures are the pixels' means."""

    temperature = "latent"

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        latent: int = 32
        width: int = 32

    def __init__(self, config: Config):
        super().__init__()
        self.latent_shape = (config.latent,)
        self.encoder = Encoder(config.channels, config.size, config.width, config.latent * 2)
        self.decoder = Decoder(config.latent, config.channels, config.size, config.width)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), [N, latent] each."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        return mean, log_variance

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(codes)) * 2 - 1

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def players(self) -> tuple[Player, ...]:
        return (Player("autoencoder", (self.encoder, self.decoder)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        binary = torch.bernoulli((batch["images"] + 1) / 2)
        mean, log_variance = self.posterior(binary * 2 - 1)
        codes = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return {
            "reconstruction": bernoulli_nll(self.decoder(codes).float(), binary).mean(),
            "kl": kl_to_standard_normal(mean, log_variance).mean(),
        }
