"""Diffusion models that other code trained on steps of noise (Ho et al. 2020, arXiv 2006.11239), by our own samplers.

There a picture with noise is √ᾱ x₀ + √(1 - ᾱ) n; here it is x₀ + σ n, with σ = √((1 - ᾱ) / ᾱ), which is that over √ᾱ.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from models import model
from models.capabilities import Sampler
from models.card import Task
from models.families.published import Published
from models.model import Step, Steps, register
from models.nn.published import unet2d
from models.noise import Stream
from models.samplers import SAMPLERS
from models.sampling_defaults import DEFAULT_SAMPLER, DEFAULT_STEPS


class NoiseSchedule(model.Config):
    """How much noise each step of the training added, and what the network tells."""

    train_steps: int = Field(default=1000, ge=2, le=100_000)
    betas: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    first: float = Field(default=1e-4, gt=0, lt=1)
    last: float = Field(default=0.02, gt=0, lt=1)
    predicts: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    clipped: bool = True
    """Whether what a picture is guessed to be is held to [-1, 1]."""

    def levels(self) -> Tensor:
        """σ after each step, [train_steps] float64, rising."""
        kept = (1 - self._variances()).cumprod(0)
        return ((1 - kept) / kept).sqrt()

    def _variances(self) -> Tensor:
        """β of each step."""
        if self.betas == "linear":
            return torch.linspace(self.first, self.last, self.train_steps, dtype=torch.float64)
        if self.betas == "scaled_linear":
            return torch.linspace(self.first**0.5, self.last**0.5, self.train_steps, dtype=torch.float64) ** 2

        def kept(share: float) -> float:  # arXiv 2102.09672, equation 17
            return math.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2

        shares = [step / self.train_steps for step in range(self.train_steps + 1)]
        betas = [min(1 - kept(after) / kept(before), 0.999) for before, after in pairwise(shares)]
        return torch.tensor(betas, dtype=torch.float64)


@register("published-diffusion")
class PublishedDiffusion(Sampler, Published):
    """Noise to an image."""

    own_batch = 16
    options = {Task.SAMPLE: ("steps", "sampler")}

    class Config(model.Config):
        network: unet2d.Config
        schedule: NoiseSchedule = NoiseSchedule()

    def __init__(self, config: Config):
        super().__init__()
        self.config, network = config, config.network
        self.network = network.build()
        self.channels, self.side = network.channels, network.size
        self.latent_shape = (network.channels, network.size, network.size)
        with torch.device("cpu"):
            self.levels = config.schedule.levels().tolist()

    def denoise(self, x: Tensor, step: int) -> Tensor:
        """E[x₀ | x], of images with the noise of a step of the training. [N, C, H, W]."""
        level, schedule = self.levels[step], self.config.schedule
        spread = (1 + level**2) ** 0.5
        told = self.network(x / spread, torch.full((len(x),), float(step), device=x.device)).float()
        if schedule.predicts == "epsilon":
            clean = x - level * told
        elif schedule.predicts == "v_prediction":  # arXiv 2202.00512, appendix D
            clean = x / spread**2 - level / spread * told
        else:
            clean = told
        return clean.clamp(-1, 1) if schedule.clipped else clean

    def sample(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        steps: int = DEFAULT_STEPS,
        sampler: str = DEFAULT_SAMPLER,
    ) -> Steps:
        """Down steps of the training that are evenly spaced, from the last to the first, and then without noise."""
        last = len(self.levels) - 1
        count = min(steps, last + 1)
        chosen = [round(last * (1 - place / max(count - 1, 1))) for place in range(count)]
        step_of = {self.levels[step]: step for step in chosen}
        levels = [*step_of, 0.0]
        x = latent * (1 + levels[0] ** 2) ** 0.5
        taken = SAMPLERS[sampler](lambda x, level: self.denoise(x, step_of[level]), x, levels, Stream(latent))
        for done, (_, clean) in enumerate(taken, 1):
            yield Step(done, len(levels) - 1, clean.clamp(-1, 1))
