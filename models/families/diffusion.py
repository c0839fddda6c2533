"""Diffusion models: an image is noise, denoised step after step (Ho et al. 2020, arXiv 2006.11239).

Trained and conditioned as Karras et al. 2022 (EDM, arXiv 2206.00364, table 1): what the network predicts is scaled to
unit variance at every noise level, so one network serves all levels, samplers and numbers of steps.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise

import torch
from torch import Tensor

from models import model
from models.capabilities import Sampler, SamplingCompleter, TextSampler, Varier
from models.card import Task
from models.losses.information import contrast
from models.model import Batch, Losses, Player, Step, Steps, register
from models.nn.denoiser import Denoiser
from models.nn.text import ImageEncoder, TextEncoder
from models.noise import Stream
from models.samplers import SAMPLERS, Denoise, ddpm, karras_levels
from models.sampling_defaults import DEFAULT_GUIDANCE, DEFAULT_SAMPLER, DEFAULT_STEPS

RESAMPLINGS = 4
GUIDED = (0.2, 9.0)
"""Noise levels at which the label is made to count for more: above them that costs variety, below them it gains nothing
(Kynkäänniemi et al. 2024, arXiv 2404.07724)."""


class NoiseConfig(model.Config):
    """Of all diffusion models: the network, and the noise levels that it is trained and sampled at."""

    size: int = 28
    channels: int = 1
    patch: int = 2
    widths: tuple[int, ...] = (64, 96)
    blocks: int = 1
    dropout: float = 0.0
    data_std: float = 0.6
    """Standard deviation of the data's values, σ_data."""
    level_mean: float = 0.0
    """Of ln σ in training; see `level_std`."""
    level_std: float = 1.2
    unconditional: float = 0.1
    """Share of training examples whose class or text is hidden (classifier-free guidance, arXiv 2207.12598)."""
    highest: float = 40.0
    """The noise level at which sampling begins."""
    lowest: float = 0.02


class _Denoising(Varier, SamplingCompleter):
    """What follows from a network that denoises, led by something or by nothing."""

    own_batch = 16

    def __init__(self, config: NoiseConfig, classes: int = 0, told: int = 0):
        super().__init__()
        self.config = config
        self.latent_shape = (config.channels, config.size, config.size)
        self.network = Denoiser(
            config.channels, config.patch, config.widths, config.blocks, classes, config.dropout, told
        )

    @abstractmethod
    def nothing(self, count: int) -> Tensor:
        """What the network is told of `count` images that nothing leads."""

    def denoise(self, x: Tensor, levels: Tensor, told: Tensor) -> Tensor:
        """E[x₀ | x] = c_skip x + c_out F(c_in x, c_noise) (equation 7). Levels are [N]; `told`: see `Denoiser`."""
        std, sigma = self.config.data_std, levels[:, None, None, None]
        total = (sigma**2 + std**2).sqrt()
        predicted = self.network(x / total, levels.log() / 4, told).float()
        return (std / total) ** 2 * x + sigma * std / total * predicted

    def from_noise(self, latent: Tensor, told: Tensor | None, steps: int, sampler: str, guidance: float) -> Steps:
        """From pure noise. `guidance` above 1 exaggerates what leads at the cost of variety, and takes a second pass at
        the levels in `GUIDED`; below 1 it takes one at all levels."""
        levels = self._levels(steps)
        return self._steps(sampler, latent * levels[0], levels, latent, told, guidance)

    def vary(
        self, images: Tensor, noise: Tensor, strength: float, steps: int = DEFAULT_STEPS, sampler: str = DEFAULT_SAMPLER
    ) -> Steps:
        """The last `strength` of the way again, from the image and noise of that level (SDEdit, arXiv 2108.01073)."""
        levels = self._levels(steps)[steps - round(strength * steps) :]
        if len(levels) == 1:
            return iter([Step(1, 1, images)])
        return self._steps(sampler, images + levels[0] * noise, levels, noise, None, 1.0)

    def complete(self, images: Tensor, mask: Tensor, noise: Tensor) -> Steps:
        """At each level the known part is the image with that much noise; each step is taken `RESAMPLINGS` times, with
        noise added in between, so that the two parts agree (RePaint, Lugmayr et al. 2022, arXiv 2201.09865, alg. 1).
        """
        levels, stream = self._levels(DEFAULT_STEPS), Stream(noise)
        denoise = self._denoiser(None, 1.0, len(images))
        x = noise * levels[0]
        for index, (level, following) in enumerate(pairwise(levels)):
            for turn in range(RESAMPLINGS):
                if turn:
                    x = x + (level**2 - following**2) ** 0.5 * stream.normal(x.shape[1:])
                ((x, clean),) = ddpm(denoise, x, (level, following), stream)
                x = torch.where(mask > 0, x, images + following * stream.normal(x.shape[1:]))
                done = index * RESAMPLINGS + turn + 1
                yield Step(done, DEFAULT_STEPS * RESAMPLINGS, clean.clamp(-1, 1))

    def _levels(self, steps: int) -> list[float]:
        return karras_levels(steps, self.config.highest, self.config.lowest)

    def _steps(
        self, sampler: str, x: Tensor, levels: list[float], noise: Tensor, told: Tensor | None, guidance: float
    ) -> Steps:
        """Down the levels; what is shown on the way is the image as it is guessed."""
        denoise = self._denoiser(told, guidance, len(x))
        for done, (_, clean) in enumerate(SAMPLERS[sampler](denoise, x, levels, Stream(noise)), 1):
            yield Step(done, len(levels) - 1, clean.clamp(-1, 1))

    def _denoiser(self, told: Tensor | None, guidance: float, count: int) -> Denoise:
        """The network for a sampler, led by `told` if there is any (arXiv 2207.12598, equation 6)."""
        none = self.nothing(count)
        if told is None:
            told, guidance = none, 1.0

        def denoise(x: Tensor, level: float) -> Tensor:
            levels = x.new_full((count,), level)
            given = self.denoise(x, levels, told)
            if guidance == 1 or (guidance > 1 and not GUIDED[0] <= level <= GUIDED[1]):
                return given
            return torch.lerp(self.denoise(x, levels, none), given, guidance)

        return denoise

    def denoising(self, images: Tensor, told: Tensor) -> Tensor:
        """The loss: how far from the images they are guessed, all noise levels counting the same (λ(σ))."""
        config, count, device = self.config, len(images), images.device
        levels = (torch.randn(count, device=device) * config.level_std + config.level_mean).exp()
        noised = images + levels[:, None, None, None] * torch.randn_like(images)
        weights = 1 / levels**2 + 1 / config.data_std**2
        error = (self.denoise(noised, levels, told) - images).square().flatten(1).mean(1)
        return (weights * error).mean()

    def hidden(self, count: int) -> Tensor:
        """Which of a training batch's images are told nothing of: [N] bool."""
        return torch.rand(count, device=model.device_of(self)) < self.config.unconditional


@register("diffusion")
class Diffusion(_Denoising, Sampler):
    """Noise, and a class if the model has classes, to an image."""

    options = {
        Task.CONDITIONAL: ("steps", "sampler", "guidance"),
        Task.SAMPLE: ("steps", "sampler"),
        Task.VARY: ("steps", "sampler"),
    }

    class Config(NoiseConfig):
        classes: int = 0

    def __init__(self, config: Config):
        super().__init__(config, classes=config.classes)
        self.classes = config.classes

    def sample(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        steps: int = DEFAULT_STEPS,
        sampler: str = DEFAULT_SAMPLER,
        guidance: float = DEFAULT_GUIDANCE,
    ) -> Steps:
        """See `from_noise`."""
        return self.from_noise(latent, labels, steps, sampler, guidance)

    def nothing(self, count: int) -> Tensor:
        """The class past the last."""
        return torch.full((count,), self.classes, device=model.device_of(self))

    def players(self) -> tuple[Player, ...]:
        return (Player("denoiser", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        images = batch["images"]
        labels = batch["labels"] if self.classes else self.nothing(len(images))
        return {"denoising": self.denoising(images, labels.masked_fill(self.hidden(len(images)), self.classes))}


@register("text-diffusion")
class TextDiffusion(_Denoising, TextSampler):
    """Noise and a text to an image.

    The texts' encoder learns with the network, and besides to tell texts by images and images by texts (the structured
    joint embedding of Reed et al. 2016, arXiv 1605.05396, equation 2, with a softmax in place of its hinge), so that
    wordings that were never met lie near those of like images.
    """

    options = {Task.TEXT: ("steps", "sampler", "guidance"), Task.VARY: ("steps", "sampler")}

    class Config(NoiseConfig):
        embedding: int = 128
        """Numbers that a text is read into."""
        matching: float = 0.1
        """Weight of telling texts by images, relative to denoising."""
        temperature: float = 0.1
        """Of the softmax over similarities."""
        eye_width: int = 32

    def __init__(self, config: Config):
        super().__init__(config, told=config.embedding)
        self.embedding, self.eye_width = config.embedding, config.eye_width
        self.matching, self.sharpness = config.matching, 1 / config.temperature
        self.encoder = TextEncoder(config.embedding)

    def sample(
        self,
        latent: Tensor,
        text: Tensor,
        steps: int = DEFAULT_STEPS,
        sampler: str = DEFAULT_SAMPLER,
        guidance: float = DEFAULT_GUIDANCE,
    ) -> Steps:
        """See `from_noise`."""
        return self.from_noise(latent, self.read(text), steps, sampler, guidance)

    def read(self, text: Tensor) -> Tensor:
        """Bags of runs of letters to what the network is told: [N, embedding] of unit variance."""
        return self.encoder(text) * self.embedding**0.5

    def nothing(self, count: int) -> Tensor:
        """Zeros, which no text is read as."""
        return torch.zeros(count, self.embedding, device=model.device_of(self))

    def prepare_training(self) -> None:
        self.eye = ImageEncoder(self.config.channels, self.config.size, self.eye_width, self.embedding)

    def players(self) -> tuple[Player, ...]:
        return (Player("denoiser", (self.network, self.encoder, self.eye)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        images, read = batch["images"], self.read(batch["text"])
        seen = self.eye(images).float() * self.embedding**-0.5
        hidden = self.hidden(len(images))[:, None]
        return {
            "denoising": self.denoising(images, read.masked_fill(hidden, 0)),
            "matching": self.matching * contrast(seen @ read.float().T * self.sharpness),
        }
