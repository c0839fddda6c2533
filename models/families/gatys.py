"""Style transfer by optimisation: a picture is changed until its features go together as a painting's do.

Gatys et al. 2015 (arXiv 1508.06576). It begins at the photograph, which takes fewer steps than noise does, and the
features are of our own network (`models.features`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models import model
from models.card import Task
from models.features import feature_network
from models.losses.style import content_loss, gram, style_loss, total_variation
from models.model import Batch, Losses, Model, Step, Steps, device_of, register
from models.nn.vgg import VGG

Grams = Mapping[str, Tensor]
"""Of each picture of a batch, by layer."""


@register("gatys")
class Gatys(Model):
    """Knows paintings by their Gram matrices, and takes those of any other picture."""

    exportable = False
    reads_style = True
    options = {Task.STYLIZE: ("strength", "steps")}

    class Config(model.Config):
        features: str = "medley-features"
        classes: int = 10
        """Paintings."""
        style: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
        """Layers whose Gram matrices are matched."""
        widths: tuple[int, ...] = (16, 32, 64, 128)
        """Channels of these layers."""
        content: tuple[str, ...] = ("relu3_1",)
        content_weight: float = 0.05
        variation_weight: float = 0.1
        lr: float = 0.03

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.classes = config.classes
        shapes = {name: (config.classes, width, width) for name, width in zip(config.style, config.widths, strict=True)}
        self.grams = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})

    def stylize(
        self,
        images: Tensor,
        mixture: Tensor | None = None,
        style: Tensor | None = None,
        strength: float = 1.0,
        steps: int = 50,
    ) -> Steps:
        """A step of Adam each. What is wanted lies `strength` of the way from the picture's own Gram matrices to those
        of a mixture of the paintings, `mixture` [N, classes], or of the pictures `style` [N, C, h, w]."""
        wanted = self._mixed(mixture) if style is None else self.grams_of(style)
        own = self.grams_of(images)
        wanted = {name: torch.lerp(own[name], matrices, strength) for name, matrices in wanted.items()}
        return self._descend(images, wanted, steps)

    def grams_of(self, images: Tensor) -> Grams:
        """The Gram matrices that are matched, of pictures."""
        found = self.network.features(images, self.config.style)
        return {name: gram(found[name]) for name in self.config.style}

    def fit(self, data: Batch, step: int) -> Losses:
        """Of each painting the mean over its cuts."""
        for painting in range(self.classes):
            found = self.grams_of(data["style"][data["labels"] == painting])
            for name, matrices in found.items():
                self.grams[name].data[painting] = matrices.mean(0)
        return {}

    @property
    def network(self) -> VGG:
        return feature_network(self.config.features, device_of(self))

    def _mixed(self, mixture: Tensor) -> Grams:
        return {name: torch.tensordot(mixture, matrices, 1) for name, matrices in self.grams.items()}

    def _descend(self, images: Tensor, wanted: Grams, steps: int) -> Steps:
        """Every picture by itself: no sum over the batch reaches the step, as Adam scales each pixel's gradient."""
        config = self.config
        with torch.inference_mode(False):
            shown = nn.Parameter(images.clone())
            wanted = {name: matrices.clone() for name, matrices in wanted.items()}
            optimiser = torch.optim.Adam([shown], config.lr)
        content = self.network.features(images, config.content)
        with torch.inference_mode(False):
            content = {name: activations.clone() for name, activations in content.items()}
        for done in range(1, steps + 1):
            with torch.inference_mode(False), torch.enable_grad():
                self._loss(shown, wanted, content).sum().backward()
                optimiser.step()
                optimiser.zero_grad()
                shown.data.clamp_(-1, 1)
            yield Step(done, steps, shown.detach())

    def _loss(self, images: Tensor, wanted: Grams, content: Mapping[str, Tensor]) -> Tensor:
        """[N]."""
        config = self.config
        found = self.network.features(images, {*config.style, *config.content})
        style = style_loss({name: gram(found[name]) for name in config.style}, wanted)
        variation = config.variation_weight * total_variation(images)
        return style + config.content_weight * content_loss(found, content) + variation
