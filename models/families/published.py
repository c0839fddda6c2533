"""Networks as other code has published them (`models.nn.published`), by what they do; `easel import` finds them.

They are served as they are, and not trained on.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from models import model
from models.capabilities import Sampler
from models.model import Model, register
from models.nn.published import dcgan_example


class Published(Model):
    """A model that is one network of other code."""

    channels: int
    """Of its pictures."""


SamplerNetwork = dcgan_example.Config


@register("published-sampler")
class PublishedSampler(Sampler, Published):
    """Noise, and a class if the network has classes, to an image."""

    class Config(model.Config):
        network: Annotated[SamplerNetwork, Field()]

    def __init__(self, config: Config):
        super().__init__()
        self.network = config.network.build()
        self.latent_shape = self.network.latent_shape
        self.channels, self.side, self.classes = self.network.channels, self.network.side, self.network.classes

    def sample(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.network(latent, labels)
