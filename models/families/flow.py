"""Flows: an invertible map between images and normal latents, whose likelihood is exact. `glow` is arXiv 1807.03039."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models import model
from models.capabilities import Decoder, Encoder, Sampler, Scorer
from models.losses.likelihood import importance_bound, standard_normal_nll
from models.model import Batch, Losses, Player, register
from models.nn.coupling import Glow

BLACK_MEAN, BLACK_STD, BLACK_REACH = -1.5, 0.125, 4.0
BOUND_DRAWS = 8
"""How many dequantisations of an image its score is estimated from."""


@register("glow")
class GlowModel(Sampler, Encoder, Decoder, Scorer):
    """A flow over 8-bit images, dequantised: level k > 0 lies in [k, k + 1) / 128 - 1, and black anywhere below.

    The noise that fills these bins is uniform, but for black normal around `BLACK_MEAN`: a background becomes a narrow
    normal, which a flow fits exactly, instead of a box, which costs ¼ bit per pixel. For any noise q(y | x),
    E_q[log p(y) - log q(y | x)] is a lower bound of log P(x) (Ho et al. 2019, arXiv 1902.00275, equation 12).
    """

    temperature = "latent"

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        levels: int = 2
        depth: int = 8
        width: int = 96

    def __init__(self, config: Config):
        super().__init__()
        self.latent_shape = (config.channels * config.size**2,)
        self.network = Glow(config.channels, config.size, config.levels, config.depth, config.width)

    def encode(self, images: Tensor) -> Tensor:
        """The latent of the middle of an image's bins, from which decoding gives the image again."""
        levels = _levels(images)
        return self.network(torch.where(levels == 0, BLACK_MEAN, (levels + 0.5) / 128 - 1))[0]

    def decode(self, codes: Tensor) -> Tensor:
        levels = (self.network.inverse(codes) + 1) * 128 - 0.5
        return levels.clamp(0, 255) / 127.5 - 1

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.decode(latent)

    def players(self) -> tuple[Player, ...]:
        return (Player("flow", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        images = batch["images"]
        bound = self._bound(images, torch.rand_like(images))
        return {"bits_per_dim": -bound.mean() / (images[0].numel() * math.log(2))}

    def score(self, images: Tensor) -> Tensor:
        """A lower bound of the log-likelihood, from `BOUND_DRAWS` dequantisations."""
        generator = torch.Generator().manual_seed(0)
        draws = torch.rand(BOUND_DRAWS, *images.shape[1:], generator=generator).to(images.device)
        bounds = torch.stack([self._bound(images, draw.expand_as(images)) for draw in draws])
        return importance_bound(bounds)

    def _bound(self, images: Tensor, uniform: Tensor) -> Tensor:
        """log p(y) - log q(y | x), [N], at the y that `uniform` in [0, 1) stands for."""
        y, log_q = _dequantise(images, uniform)
        latents, log_det = self.network(y)
        return log_det - standard_normal_nll(latents) - log_q


def _levels(images: Tensor) -> Tensor:
    """0 to 255."""
    return ((images + 1) * 127.5).round()


def _dequantise(images: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """A point in each pixel's bin, and the log-density [N] of that choice."""
    levels = _levels(images)
    mass = 0.5 * (1 + math.erf(BLACK_REACH / math.sqrt(2)))  # so that black stays below the first grey
    normal = torch.special.ndtri((uniform.double() * mass).clamp_min(1e-12)).float()
    black = levels == 0
    y = torch.where(black, BLACK_MEAN + BLACK_STD * normal, (levels + uniform) / 128 - 1)
    log_black = -0.5 * normal.square() - math.log(math.sqrt(2 * math.pi) * BLACK_STD * mass)
    return y, torch.where(black, log_black, math.log(128)).flatten(1).sum(1)
