"""A classifier: no generative model, but the judge that measures them. Offers no task to requests."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models import model
from models.capabilities import Classifier
from models.model import Batch, Losses, Player, register
from models.nn.classifier import ConvClassifier, ResNetClassifier
from models.nn.vgg import VGG


@register("classifier")
class ImageClassifier(Classifier):
    """Image to class or attributes, and to features for distribution metrics."""

    class Config(model.Config):
        channels: int = 1
        classes: int = 10
        attributes: bool = False
        """Whether an image may be of any of the classes at once; labels are then [N, classes] of 0 and 1."""
        network: Literal["conv", "resnet", "vgg"] = "conv"
        width: int = 32
        """Of the first layers; of a VGG `widths` has them."""
        widths: tuple[int, ...] = (16, 32, 64, 128, 256)
        depths: tuple[int, ...] = (2, 2, 2, 2, 2)
        noise: float = 0.0
        """Largest standard deviation of the noise on training images: gradients then follow shapes."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        if config.network == "vgg":
            self.network = VGG(config.channels, config.classes, config.widths, config.depths)
        else:
            kind = {"conv": ConvClassifier, "resnet": ResNetClassifier}[config.network]
            self.network = kind(config.channels, config.width, config.classes)

    def classify(self, images: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] -> logits [N, classes]."""
        return self.network(images)

    def players(self) -> tuple[Player, ...]:
        return (Player("classifier", (self.network,)),)

    def loss(self, player: str, batch: Batch) -> Losses:
        images, labels = batch["images"], batch["labels"]
        if self.config.noise:
            images = images + self.config.noise * torch.rand(len(images), 1, 1, 1) * torch.randn_like(images)
        logits = self.classify(images).float()
        if self.config.attributes:
            return {"cross_entropy": F.binary_cross_entropy_with_logits(logits, labels)}
        return {"cross_entropy": F.cross_entropy(logits, labels)}
