"""Diffusion models: an image is noise, denoised step after step (Ho et al. 2020, arXiv 2006.11239).

Trained and conditioned as Karras et al. 2022 (EDM, arXiv 2206.00364, table 1): what the network predicts is scaled to
unit variance at every noise level, so one network serves all levels, samplers and numbers of steps.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from models import model
from models.capabilities import Sampler, SamplingCompleter, Varier
from models.card import Task
from models.model import Batch, Losses, Player, Step, Steps, register
from models.nn.denoiser import Denoiser
from models.noise import Stream
from models.samplers import SAMPLERS, Denoise, ddpm, karras_levels
from models.sampling_defaults import DEFAULT_GUIDANCE, DEFAULT_SAMPLER, DEFAULT_STEPS

RESAMPLINGS = 4
GUIDED = (0.2, 9.0)
"""Noise levels at which the label is made to count for more: above them that costs variety, below them it gains nothing
(Kynkäänniemi et al. 2024, arXiv 2404.07724)."""


@register("diffusion")
class Diffusion(Sampler, Varier, SamplingCompleter):
    """Noise, and a class if the model has classes, to an image."""

    own_batch = 16
    options = {
        Task.CONDITIONAL: ("steps", "sampler", "guidance"),
        Task.SAMPLE: ("steps", "sampler"),
        Task.VARY: ("steps", "sampler"),
    }

    class Config(model.Config):
        size: int = 28
        channels: int = 1
        classes: int = 0
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
        """Share of training examples whose class is hidden (classifier-free guidance, arXiv 2207.12598)."""
        highest: float = 40.0
        """The noise level at which sampling begins."""
        lowest: float = 0.02

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        self.latent_shape = (config.channels, config.size, config.size)
        self.network = Denoiser(
            config.channels, config.patch, config.widths, config.blocks, config.classes, config.dropout
        )

    def denoise(self, x: Tensor, levels: Tensor, labels: Tensor) -> Tensor:
        """E[x₀ | x] = c_skip x + c_out F(c_in x, c_noise) (equation 7). Levels and labels are [N]."""
        std, sigma = self.config.data_std, levels[:, None, None, None]
        total = (sigma**2 + std**2).sqrt()
        predicted = self.network(x / total, levels.log() / 4, labels).float()
        return (std / total) ** 2 * x + sigma * std / total * predicted

    def sample(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        steps: int = DEFAULT_STEPS,
        sampler: str = DEFAULT_SAMPLER,
        guidance: float = DEFAULT_GUIDANCE,
    ) -> Steps:
        """From pure noise. `guidance` above 1 exaggerates the class at the cost of variety, and takes a second pass at
        the levels in `GUIDED`; below 1 it takes one at all levels."""
        levels = self._levels(steps)
        return self._steps(sampler, latent * levels[0], levels, latent, labels, guidance)

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
        self, sampler: str, x: Tensor, levels: list[float], noise: Tensor, labels: Tensor | None, guidance: float
    ) -> Steps:
        """Down the levels; what is shown on the way is the image as it is guessed."""
        denoise = self._denoiser(labels, guidance, len(x))
        for done, (_, clean) in enumerate(SAMPLERS[sampler](denoise, x, levels, Stream(noise)), 1):
            yield Step(done, len(levels) - 1, clean.clamp(-1, 1))

    def _denoiser(self, labels: Tensor | None, guidance: float, count: int) -> Denoise:
        """The network for a sampler, led by the labels if there are any (arXiv 2207.12598, equation 6)."""
        none = self._labels(None, count)
        if labels is None:
            labels, guidance = none, 1.0

        def denoise(x: Tensor, level: float) -> Tensor:
            levels = x.new_full((count,), level)
            given = self.denoise(x, levels, labels)
            if guidance == 1 or (guidance > 1 and not GUIDED[0] <= level <= GUIDED[1]):
                return given
            return torch.lerp(self.denoise(x, levels, none), given, guidance)

        return denoise

    def players(self) -> tuple[Player, ...]:
        return (Player("denoiser", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        images, config = batch["images"], self.config
        count, device = len(images), images.device
        labels = self._labels(batch.get("labels"), count)
        labels = labels.masked_fill(torch.rand(count, device=device) < config.unconditional, config.classes)
        levels = (torch.randn(count, device=device) * config.level_std + config.level_mean).exp()
        noised = images + levels[:, None, None, None] * torch.randn_like(images)
        weights = 1 / levels**2 + 1 / config.data_std**2  # λ(σ): all levels count the same
        error = (self.denoise(noised, levels, labels) - images).square().flatten(1).mean(1)
        return {"denoising": (weights * error).mean()}

    def _labels(self, labels: Tensor | None, count: int) -> Tensor:
        """The class of each image; the one past the last stands for none."""
        if labels is None or not self.classes:
            return torch.full((count,), self.classes, device=model.device_of(self))
        return labels
