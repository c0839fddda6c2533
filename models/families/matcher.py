"""A matcher: no generative model, but the judge of whether two pictures show the same, whoever drew them.

Trained on pairs by telling each picture's partner from the rest of a batch. Offers no task to requests.
"""

import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import Matcher
from models.losses.information import contrast
from models.model import Batch, Losses, Player, register
from models.nn.classifier import ResNetClassifier


@register("matcher")
class PartnerMatcher(Matcher):
    """Images to directions, the nearer the more alike is what they show."""

    class Config(model.Config):
        channels: int = 3
        width: int = 32
        features: int = 64
        temperature: float = 0.1

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.network = ResNetClassifier(config.channels, config.width, config.features)

    def match(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, features] of length 1."""
        return F.normalize(self.network(images).float(), dim=1)

    def players(self) -> tuple[Player, ...]:
        return (Player("matcher", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        likeness = self.match(batch["a"]) @ self.match(batch["b"]).T / self.config.temperature
        return {"contrast": contrast(likeness)}
