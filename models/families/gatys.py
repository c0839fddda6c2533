"""Style transfer by optimisation: a picture is changed until its features go together as a painting's do.

Gatys et al. 2015 (arXiv 1508.06576), begun at the photograph. What is optimised is the change, as a sum of pictures at
full size, a half, a quarter and an eighth of it: colours and broad strokes then come as fast as the fine ones, and with
less noise. The features are of our own network (`models.features`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import model
from models.capabilities import ArbitraryStylizer
from models.card import Task
from models.features import feature_network
from models.losses.style import Activations, content_loss, manner, style_loss, total_variation
from models.model import Batch, Losses, Step, Steps, device_of, register
from models.nn.native import native
from models.nn.vgg import VGG
from models.sampling_defaults import DESCENT_STEPS

_BEYOND = 0.05
"""Of the gradient, for values that are cut off at ±1: they find their way back."""


@register("gatys")
class Gatys(ArbitraryStylizer):
    """Knows paintings by how their features go together, and takes that of any other picture."""

    beyond_onnx = "it is more than a network of torch's operators"
    options = {Task.STYLIZE: ("steps",)}

    class Config(model.Config):
        features: str = "medley-features"
        classes: int = 10
        """Paintings."""
        style: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
        """Layers whose manner is matched."""
        widths: tuple[int, ...] = (16, 32, 64, 128)
        """Channels of these layers."""
        content: tuple[str, ...] = ("relu3_1",)
        content_weight: float = 0.03
        variation_weight: float = 1.0
        levels: int = 4
        """Sizes of the pictures that add up to the change."""
        lr: float = 0.03

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        self.native = native(1300, least=16, default=True, most=2**19)
        shapes = {
            name: (config.classes, width, 1 + width) for name, width in zip(config.style, config.widths, strict=True)
        }
        self.manners = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})

    def stylize(self, images: Tensor, manner: Tensor, strength: Tensor, steps: int = DESCENT_STEPS) -> Steps:
        """A step of Adam each. What is wanted lies `strength` of the way from the picture's own manner to the one that
        is given, and steps are as much smaller."""
        wanted = torch.lerp(self.manner_of(images), manner, strength[:, None])
        return self._descend(images, self._by_layer(wanted), strength[:, None, None, None], steps)

    def manner_of(self, images: Tensor) -> Tensor:
        """What is matched, of pictures: that of each layer, one after another. [N, *]."""
        return torch.cat([found.flatten(1) for found in self._manners(images).values()], dim=1)

    def manner_of_classes(self, mixture: Tensor) -> Tensor:
        return torch.cat([torch.tensordot(mixture, known, 1).flatten(1) for known in self.manners.values()], dim=1)

    def style_loss(self, images: Tensor, manner: Tensor) -> Tensor:
        """How far pictures are from a manner, as `models.losses.style.style_loss` has it. [N]."""
        return style_loss(self._manners(images), self._by_layer(manner))

    def fit(self, data: Batch, step: int) -> Losses:
        """Of each painting the mean over its cuts."""
        for painting in range(self.classes):
            for name, found in self._manners(data["style"][data["labels"] == painting]).items():
                self.manners[name].data[painting] = found.mean(0)
        return {}

    @property
    def network(self) -> VGG:
        """The network whose features are matched."""
        return feature_network(self.config.features, device_of(self))

    def _manners(self, images: Tensor) -> dict[str, Tensor]:
        found = self.network.features(images, self.config.style)
        return {name: manner(found[name]) for name in self.config.style}

    def _by_layer(self, manners: Tensor) -> dict[str, Tensor]:
        """The inverse of `manner_of`'s putting together."""
        shapes = {name: known.shape[1:] for name, known in self.manners.items()}
        parts = manners.split([shape.numel() for shape in shapes.values()], dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def _descend(self, images: Tensor, wanted: Mapping[str, Tensor], size: Tensor, steps: int) -> Steps:
        """The change is `size` [N, 1, 1, 1] of what is optimised. Every picture by itself: nothing of the sum over the
        batch reaches a step, which Adam scales for each value.

        Gradients are on within a step only, not while another thread of events has the turn.
        """
        content = self.network.features(images, self.config.content)
        with torch.inference_mode(False):
            images, size, wanted, content = images.clone(), size.clone(), _cloned(wanted), _cloned(content)
            change = [torch.zeros(shape, device=images.device) for shape in _halvings(images.shape, self.config.levels)]
            change = [level.requires_grad_() for level in change]
            optimiser = torch.optim.Adam(change, self.config.lr, betas=(0.9, 0.99))
        for done in range(1, steps + 1):
            with torch.inference_mode(False), torch.enable_grad():
                optimiser.zero_grad()
                self._loss(_changed(images, size, change), wanted, content).sum().backward()
                optimiser.step()
            with torch.no_grad():
                shown = _changed(images, size, change).clamp(-1, 1)
            yield Step(done, steps, shown)

    def _loss(self, changed: Tensor, wanted: Mapping[str, Tensor], content: Activations) -> Tensor:
        """[N]."""
        config = self.config
        shown = changed.clamp(-1, 1)
        found = self.network.features(shown + _BEYOND * (changed - shown), {*config.style, *config.content})
        style = style_loss({name: manner(found[name]) for name in config.style}, wanted)
        variation = config.variation_weight * total_variation(shown)
        return style + config.content_weight * content_loss(found, content) + variation


def _cloned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _halvings(shape: torch.Size, count: int) -> list[tuple[int, ...]]:
    """The shape, and others of half as many pixels across and down each, rounded up."""
    return [(*shape[:2], *(-(-side // 2**level) for side in shape[2:])) for level in range(count)]


def _changed(images: Tensor, size: Tensor, change: list[Tensor]) -> Tensor:
    whole, *smaller = change
    total = whole + sum(F.interpolate(level, images.shape[2:], mode="bilinear") for level in smaller)
    return images + size * total
