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

    exportable = False
    options = {Task.STYLIZE: ("strength", "steps")}

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
        self.native = native(1400, least=16, default=True)
        shapes = {
            name: (config.classes, width, 1 + width) for name, width in zip(config.style, config.widths, strict=True)
        }
        self.manners = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})

    def stylize(
        self,
        images: Tensor,
        mixture: Tensor | None = None,
        style: Tensor | None = None,
        strength: float = 1.0,
        steps: int = DESCENT_STEPS,
    ) -> Steps:
        """A step of Adam each. What is wanted lies `strength` of the way from the picture's own manner to that of a
        mixture of the paintings, `mixture` [N, classes], or of the pictures `style` [N, C, h, w]."""
        if style is not None:
            wanted = self.manner_of(style)
        elif mixture is not None:
            wanted = self._mixed(mixture)
        else:
            raise ValueError("a style is a mixture of paintings or pictures")
        own = self.manner_of(images)
        return self._descend(images, {name: torch.lerp(own[name], wanted[name], strength) for name in own}, steps)

    def manner_of(self, images: Tensor) -> dict[str, Tensor]:
        """What is matched, of pictures."""
        found = self.network.features(images, self.config.style)
        return {name: manner(found[name]) for name in self.config.style}

    def fit(self, data: Batch, step: int) -> Losses:
        """Of each painting the mean over its cuts."""
        for painting in range(self.classes):
            for name, found in self.manner_of(data["style"][data["labels"] == painting]).items():
                self.manners[name].data[painting] = found.mean(0)
        return {}

    @property
    def network(self) -> VGG:
        """The network whose features are matched."""
        return feature_network(self.config.features, device_of(self))

    def _mixed(self, mixture: Tensor) -> dict[str, Tensor]:
        return {name: torch.tensordot(mixture, manners, 1) for name, manners in self.manners.items()}

    def _descend(self, images: Tensor, wanted: Mapping[str, Tensor], steps: int) -> Steps:
        """Every picture by itself: nothing of the sum over the batch reaches a step, which Adam scales for each value.

        Gradients are on within a step only, not while another thread of events has the turn.
        """
        content = self.network.features(images, self.config.content)
        with torch.inference_mode(False):
            images, wanted, content = images.clone(), _cloned(wanted), _cloned(content)
            change = [torch.zeros(size, device=images.device) for size in _halvings(images.shape, self.config.levels)]
            change = [level.requires_grad_() for level in change]
            optimiser = torch.optim.Adam(change, self.config.lr, betas=(0.9, 0.99))
        for done in range(1, steps + 1):
            with torch.inference_mode(False), torch.enable_grad():
                optimiser.zero_grad()
                self._loss(_changed(images, change), wanted, content).sum().backward()
                optimiser.step()
            with torch.no_grad():
                shown = _changed(images, change).clamp(-1, 1)
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


def _changed(images: Tensor, change: list[Tensor]) -> Tensor:
    whole, *smaller = change
    return images + whole + sum(F.interpolate(level, images.shape[2:], mode="bilinear") for level in smaller)
