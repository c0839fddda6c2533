"""Normal distributions over whole images, fitted in closed form or by expectation-maximisation; no network.

- `gaussian`: the maximum-likelihood normal, its covariance shrunk to low rank plus diagonal
- `gmm`: a mixture of them (Dempster et al. 1977; for images Richardson and Weiss 2018, arXiv 1805.12462)
"""

import math

import torch
from torch import Tensor

from models import model
from models.capabilities import Sampler, SamplingCompleter, Scorer
from models.clusters import lloyd
from models.model import Batch, Losses, register
from models.nn.mixture import LowRankMixture, pick_by

LEVELS = 127.5
"""Pixel levels in one unit of [-1, 1]."""
DEQUANTISED = 1 / 12 / LEVELS**2
"""Variance of the noise that makes a pixel's level continuous: no pixel has less."""
_CHUNK = 2000


@register("gaussian", components=1, rank=256)
@register("gmm")
class Gaussians(Sampler, SamplingCompleter, Scorer):
    """A mixture over dequantised pixels. The latent picks the component, its factors, and each pixel's noise.

    Likelihoods are those of pixel levels: log p(x + u) of levels 0 to 255 with u uniform in [0, 1), which bounds the
    log-probability of the levels from below (Theis et al. 2015, arXiv 1511.01844, equation 5).
    """

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        components: int = 50
        rank: int = 24
        prior: float = 20.0
        """How many images' worth of weight the variances of all images have in each component's own."""

    temperature = "sample"
    beyond_onnx = "it is more than a network of torch's operators"

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.shape = (config.channels, config.size, config.size)
        pixels = math.prod(self.shape)
        self.latent_shape = (1 + config.rank + pixels,)
        self.mixture = LowRankMixture(config.components, pixels, config.rank)

    def sample(self, latent: Tensor, labels: Tensor | None = None, temperature: Tensor | None = None) -> Tensor:
        uniform, factor, noise = self._parts(latent, temperature)
        weights = self.mixture.log_weights.double().softmax(0)
        pick = pick_by(weights.expand(len(latent), -1), uniform)
        return self._images(self.mixture.draw(pick, factor, noise))

    def complete(self, images: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
        known = 1 - mask.expand_as(images).flatten(1)
        return self._images(self.mixture.draw_given(images.flatten(1), known, *self._parts(noise)))

    def score(self, images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(self.shape, generator=generator).to(images.device)
        return self.mixture.log_prob(_dequantised(images, noise)).float() - math.prod(self.shape) * math.log(LEVELS)

    def fit(self, data: Batch, step: int) -> Losses:
        """One iteration of expectation-maximisation on all images; the first starts from k-means.

        The mean, the diagonal of each covariance and its leading directions are those of maximum likelihood; what the
        factors leave of the covariance outside the diagonal is shrunk to nothing.
        """
        images = data["images"]
        x = _dequantised(images, torch.rand_like(images))
        if step == 0:
            nearest = _k_means(x, self.config.components)
            shares = torch.nn.functional.one_hot(nearest, self.config.components).float()
            likelihood = torch.zeros(())
        else:
            joint = torch.cat([self.mixture.joint(part).float() for part in x.split(_CHUNK)])
            likelihood, shares = joint.logsumexp(1).mean(), joint.softmax(1)
        self._maximise(x, shares)
        return {"nll": x.shape[1] * math.log(LEVELS) - likelihood} if step else {}

    def _maximise(self, x: Tensor, shares: Tensor) -> None:
        """Sets each component from the images, weighed by its share of them. [N, D], [N, K]."""
        mixture, counts = self.mixture, shares.sum(0)
        overall = x.var(0) + x.var(0).mean() * self.config.prior / len(x)
        mixture.log_weights.data = ((counts + 1) / (len(x) + len(counts))).log()
        for index, count in enumerate(counts.tolist()):
            own = shares[:, index] > 1e-4
            part, weights = x[own], shares[own, index, None]
            mean = (part * weights).sum(0) / max(count, 1)
            centred = (part - mean) * weights.sqrt()
            covariance = centred.T @ centred / (count + self.config.prior)
            factors = _leading(covariance, self.config.rank)
            kept = self.config.prior / (count + self.config.prior) * overall
            noise = covariance.diagonal() - factors.square().sum(1) + kept
            mixture.means.data[index], mixture.factors.data[index] = mean, factors
            mixture.log_noise.data[index] = noise.clamp_min(DEQUANTISED).log()

    def _parts(self, latent: Tensor, temperature: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The latent as a number in (0, 1) and normal noise of factors and pixels, scaled by the temperature [N]."""
        first, factor, noise = latent.double().split([1, self.config.rank, math.prod(self.shape)], dim=1)
        heat = 1 if temperature is None else temperature.double()[:, None]
        return torch.special.ndtr(first[:, 0]), factor * heat, noise * heat

    def _images(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1).float().unflatten(1, self.shape)


def _dequantised(images: Tensor, uniform: Tensor) -> Tensor:
    """Levels of [-1, 1] made continuous by noise in [0, 1), centred. [N, C, H, W] -> [N, D]."""
    return (images + (uniform - 0.5) / LEVELS).flatten(1)


def _leading(covariance: Tensor, rank: int) -> Tensor:
    """Factors [D, rank] of the covariance's leading directions, less the mean of the rest (Tipping and Bishop 1999)."""
    values, vectors = torch.linalg.eigh(covariance)
    rest = values[:-rank].mean().clamp_min(0)
    return vectors[:, -rank:] * (values[-rank:] - rest).clamp_min(0).sqrt()


def _k_means(x: Tensor, count: int, rounds: int = 10) -> Tensor:
    """Which of `count` centres each image is nearest to, after Lloyd's rounds in its 50 leading directions. -> [N]."""
    _, _, directions = torch.pca_lowrank(x, min(50, *x.shape))
    places = x @ directions
    nearest, _ = lloyd(places, places[torch.randperm(len(x))[:count]], rounds)
    return nearest
