"""Auto-encoders: an image as a code, and back.

- `ae`: squared error and nothing else; its codes are standardised, so that noise of a known size can be added to them
- `vae`: Kingma and Welling 2013 (arXiv 1312.6114), maximise E_q log p(x|z) - KL(q(z|x) || p(z)); with `samples` above 1
  the tighter bound of importance weights (Burda et al. 2015, arXiv 1509.00519)
- `beta-vae`: Higgins et al. 2017 (ICLR), the KL term times beta, for dimensions of the code that mean one thing each
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from models import model
from models.capabilities import BoundScorer, Decoder, Encoder, Sampler, VariationalEncoder
from models.losses.likelihood import bernoulli_nll, importance_bound, kl_to_standard_normal
from models.model import Batch, Losses, Player, Step, Steps, register
from models.nn import autoencoder as networks
from models.nn import normal

_SCORED, _PORTION = 256, 16
"""Importance samples behind a score, and how many of them are drawn at once."""


class Config(model.Config):
    """What every auto-encoder has."""

    size: int = 28
    channels: int = 1
    latent: int = 32
    network: Literal["residual", "strided"] = "residual"
    width: int = 32

    def encoder(self, outputs: int) -> nn.Module:
        """Images to [N, outputs]."""
        kind = {"residual": networks.Encoder, "strided": networks.StridedEncoder}[self.network]
        return kind(self.channels, self.size, self.width, outputs)

    def decoder(self) -> nn.Module:
        """[N, latent] to images, unbounded."""
        kind = {"residual": networks.Decoder, "strided": networks.StridedDecoder}[self.network]
        return kind(self.latent, self.channels, self.size, self.width)


@register("ae")
class PlainAutoencoder(Encoder, Decoder):
    """Code and image determine each other; nothing is known of how codes are distributed, so none are drawn."""

    Config = Config

    def __init__(self, config: Config):
        super().__init__()
        self.latent_shape = (config.latent,)
        self.encoder = config.encoder(config.latent)
        self.standard = nn.BatchNorm1d(config.latent, affine=False)
        self.decoder = config.decoder()

    def encode(self, images: Tensor) -> Tensor:
        return self.standard(self.encoder(images).float())

    def decode(self, codes: Tensor) -> Tensor:
        return torch.tanh(self.decoder(codes))

    def players(self) -> tuple[Player, ...]:
        return (Player("autoencoder", (self.encoder, self.decoder)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        apart = self.decode(self.encode(batch["images"])).float() - batch["images"]
        return {"reconstruction": apart.square().flatten(1).sum(1).mean()}


@register("vae")
@register("beta-vae", beta=4.0, latent=10)
class VAE(Sampler, VariationalEncoder, Decoder, BoundScorer):
    """Gaussian latent, Bernoulli pixels; trained on images binarised anew each step. Pictures are the pixels' means."""

    temperature = "latent"
    binary = True

    class Config(Config):
        beta: float = 1.0
        samples: int = 1
        """Importance samples of the bound that is trained; `beta` counts for one only."""
        warm_up: int = 0
        """Steps over which the KL term grows to its weight (Bowman et al. 2015, arXiv 1511.06349, section 3.1)."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.latent_shape = (config.latent,)
        self.encoder = config.encoder(config.latent * 2)
        self.decoder = config.decoder()

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), [N, latent] each."""
        return normal.moments(self.encoder(images))

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(images)[0]

    def decode(self, codes: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(codes)) * 2 - 1

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def score(self, images: Tensor, samples: int = _SCORED) -> Steps:
        """The importance-weighted bound on log p of the images' pixels, black or white by what is nearer.

        The same noise is used for every image, so that a score is of its image alone.
        """
        binary = (images > 0).to(images.dtype)
        posterior = self.posterior(binary * 2 - 1)
        generator, weights = torch.Generator().manual_seed(0), []
        for start in range(0, samples, _PORTION):
            count = min(_PORTION, samples - start)
            noise = torch.randn(count, 1, *self.latent_shape, generator=generator).to(images.device)
            weights.append(self._log_weights(binary, *posterior, noise.expand(-1, len(images), -1)))
            yield Step(start + count, samples, importance_bound(torch.cat(weights)))

    def prepare_training(self) -> None:
        self.register_buffer("turns", torch.zeros((), dtype=torch.long))

    def players(self) -> tuple[Player, ...]:
        return (Player("autoencoder", (self.encoder, self.decoder)),)

    def after_step(self, player: str) -> None:
        self.turns += 1

    def loss(self, player: str, batch: Batch) -> Losses:
        binary = torch.bernoulli((batch["images"] + 1) / 2)
        mean, log_variance = self.posterior(binary * 2 - 1)
        if self.config.samples > 1:
            noise = torch.randn(self.config.samples, *mean.shape, device=mean.device)
            bound = importance_bound(self._log_weights(binary, mean, log_variance, noise))
            return {"negative_bound": -bound.mean()}
        codes = normal.drawn(mean, log_variance)
        return {
            "reconstruction": bernoulli_nll(self.decoder(codes).float(), binary).mean(),
            "kl": self._kl_weight() * kl_to_standard_normal(mean, log_variance).mean(),
        }

    def _kl_weight(self) -> float:
        grown = min(1.0, (int(self.turns) + 1) / self.config.warm_up) if self.config.warm_up else 1.0
        return self.config.beta * grown

    def _log_weights(self, binary: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
        """log p(x, z) - log q(z|x) of codes drawn with noise [K, N, latent]. -> [K, N]."""
        codes = mean + noise * (log_variance / 2).exp()
        logits = self.decoder(codes.flatten(0, 1)).float()
        nll = bernoulli_nll(logits, binary.repeat(len(noise), 1, 1, 1)).unflatten(0, noise.shape[:2])
        prior = -0.5 * (codes.square() + math.log(2 * math.pi)).sum(2)
        posterior = -0.5 * (noise.square() + log_variance + math.log(2 * math.pi)).sum(2)
        return prior - nll - posterior
