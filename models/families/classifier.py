"""A classifier: no generative model, but the judge that measures them. Offers no task to requests."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import Classifier
from models.model import Batch, Losses, Player, register
from models.nn.classifier import ConvClassifier, ResNetClassifier


@register("classifier")
class ImageClassifier(Classifier):
    """Image to class or attributes, and to features for distribution metrics."""

    class Config(model.Config):
        channels: int = 1
        classes: int = 10
        attributes: bool = False
        """Whether an image may be of any of the classes at once; labels are then [N, classes] of 0 and 1."""
        network: Literal["conv", "resnet"] = "conv"
        width: int = 32

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        kind = {"conv": ConvClassifier, "resnet": ResNetClassifier}[config.network]
        self.network = kind(config.channels, config.width, config.classes)

    def classify(self, images: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] -> logits [N, classes]."""
        return self.network(images)

    def players(self) -> tuple[Player, ...]:
        return (Player("classifier", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        logits, labels = self.classify(batch["images"]).float(), batch["labels"]
        if self.config.attributes:
            return {"cross_entropy": F.binary_cross_entropy_with_logits(logits, labels)}
        return {"cross_entropy": F.cross_entropy(logits, labels)}
