"""Our classifiers as judges of images, and which of our models judge what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from models import checkpoint
from models.card import Card
from models.families.classifier import ImageClassifier
from models.model import Family
from models.nn.vgg import VGG
from models.registry import Entry, Registry

JUDGES = {"mnist": "mnist-classifier", "stacked-mnist": "mnist-classifier", "cifar10": "cifar10-classifier"}
"""Which of our classifiers judges the images of a data set; stacked ones channel by channel."""

MATCHERS = {"emoji": "emoji-matcher"}
"""Which of our models tells whether two images of a data set show the same."""

TARGET_JUDGES = {"emoji": "emoji-vendor-classifier", "faces": "faces-classifier"}
"""Which of our classifiers tells what a translation was made into."""

PATCH_JUDGES = {"facades": "cifar10-classifier", "sr": "cifar10-classifier"}
"""Which of our classifiers judges patches of a data set's images."""


@dataclass(frozen=True)
class Judge:
    """A classifier of ours, and how a metric names it."""

    classifier: ImageClassifier
    card: Card

    @property
    def name(self) -> str:
        """What stands in the names of metrics."""
        return self.card.name

    @property
    def extractor(self) -> str:
        """Its name with its weights' hash."""
        return extractor(self.card)

    @property
    def channels(self) -> int:
        """Of the pictures that it takes."""
        return self.classifier.config.channels

    def classify(self, images: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] -> logits [N, classes]."""
        return self.classifier.classify(images)

    def features(self, images: Tensor) -> Tensor:
        """[N, C, H, W] in [-1, 1] -> [N, F], what its last layer sees.

        Raises:
            TypeError: its network is a VGG, whose features are those of many layers.
        """
        network = self.classifier.network
        if isinstance(network, VGG):
            raise TypeError(f"{self.name} has features of each layer, and none that stand for an image")
        return network.features(images)


def judge_of(data_set: str, registry: Registry, names: Mapping[str, str] = JUDGES) -> Judge | None:
    """The classifier that `names` has for the data set, if it is there."""
    entry = entry_of(data_set, registry, names)
    return None if entry is None else Judge(read(entry, ImageClassifier), entry.card)


def entry_of(data_set: str, registry: Registry, names: Mapping[str, str]) -> Entry | None:
    """The entry of the model that `names` has for the data set, if it is there."""
    return registry.current.get(names.get(data_set, ""))


def read(entry: Entry, family: type[Family]) -> Family:
    """The entry's model, ready to serve.

    Raises:
        TypeError: it is of another family.
    """
    model = checkpoint.read(entry.folder, entry.card)
    if not isinstance(model, family):
        raise TypeError(f"{entry.card.name} is a {type(model).__name__}, not a {family.__name__}")
    return model


def extractor(card: Card) -> str:
    """Which network judged: its name and its weights' hash."""
    return f"{card.name}@{card.weights.sha256[:12]}"
