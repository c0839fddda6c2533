"""Models of the zoo that others are trained and led by: feature networks, and what is known of paintings."""

from __future__ import annotations

from functools import lru_cache

import torch

from models import checkpoint
from models.devices import place
from models.model import Family, Model
from models.nn.vgg import VGG
from models.registry import SHIPPED, Registry


def shipped(name: str, family: type[Family]) -> Family:
    """The shipped model of that name, ready to serve.

    Raises:
        KeyError: there is none.
        TypeError: it is of another family.
    """
    entry = Registry([SHIPPED])[name]
    with torch.inference_mode(False):  # others take gradients through it
        found = checkpoint.read(entry.folder, entry.card)
    if not isinstance(found, family):
        raise TypeError(f"{name} is a {type(found).__name__}, not a {family.__name__}")
    return found


@lru_cache(maxsize=4)
def feature_network(name: str, device: torch.device) -> VGG:
    """The network of a shipped classifier with `network = "vgg"`, batch norms folded; shared by all who ask.

    Raises:
        KeyError: no such model.
    """
    with torch.inference_mode(False):
        network = getattr(shipped(name, Model), "network", None)
        if not isinstance(network, VGG):
            raise TypeError(f"{name} has no layers to look at")
        return place(network.fold(), device)
