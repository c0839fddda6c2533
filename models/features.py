"""Models of the zoo that others are trained and led by: feature networks, and what is known of paintings."""

from __future__ import annotations

from functools import lru_cache

import torch

from models import checkpoint
from models.model import Model
from models.nn.vgg import VGG
from models.registry import SHIPPED, Registry


def shipped(name: str) -> Model:
    """The shipped model of that name, ready to serve.

    Raises:
        KeyError: there is none.
    """
    entry = Registry([SHIPPED])[name]
    with torch.inference_mode(False):  # others take gradients through it
        return checkpoint.read(entry.folder, entry.card)


@lru_cache(maxsize=4)
def feature_network(name: str, device: torch.device) -> VGG:
    """The network of a shipped classifier with `network = "vgg"`, batch norms folded; shared by all who ask.

    Raises:
        KeyError: no such model.
    """
    with torch.inference_mode(False):
        return shipped(name).network.fold().to(device, memory_format=torch.channels_last)
